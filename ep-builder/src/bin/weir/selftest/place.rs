//! Network namespaces without a name, with what they are called there.

use std::fmt;
use std::fs::File;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::thread;

use nix::sched::{CloneFlags, setns, unshare};

use super::wire;

const OWN: &str = "/proc/thread-self/ns/net";

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// That of an address.
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// A network namespace that is held open.
#[derive(Debug)]
pub(super) struct Place {
    namespace: File,
    addresses: Vec<IpAddr>,
}

impl Place {
    /// That of the calling thread.
    pub(super) fn here(addresses: Vec<IpAddr>) -> io::Result<Self> {
        wire::raise(wire::LOOPBACK)?;
        Ok(Self {
            namespace: File::open(OWN)?,
            addresses,
        })
    }

    /// A new one.
    pub(super) fn new(addresses: Vec<IpAddr>) -> io::Result<Self> {
        let make = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            Self::here(addresses)
        };
        // A thread of its own, which ends there: the others stay where they are.
        joined(thread::scope(|scope| scope.spawn(make).join()))
    }

    /// The same, now that it is called something.
    pub(super) fn called(self, addresses: Vec<IpAddr>) -> Self {
        Self { addresses, ..self }
    }

    /// Its address of a family, if it has one.
    pub(super) fn address(&self, family: Family) -> Option<IpAddr> {
        let mut all = self.addresses.iter().copied();
        all.find(|address| Family::of(*address) == family)
    }

    /// The namespace.
    pub(super) fn namespace(&self) -> &File {
        &self.namespace
    }

    /// Where other processes find it while this one lives.
    pub(super) fn path(&self) -> PathBuf {
        let (process, file) = (std::process::id(), self.namespace.as_raw_fd());
        format!("/proc/{process}/fd/{file}").into()
    }

    /// Does something on a thread there. Sockets that are made there stay there.
    pub(super) fn inside<T: Send>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        let go = || {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET)?;
            what()
        };
        joined(thread::scope(|scope| scope.spawn(go).join()))
    }
}

fn joined<T>(ended: thread::Result<io::Result<T>>) -> io::Result<T> {
    ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
