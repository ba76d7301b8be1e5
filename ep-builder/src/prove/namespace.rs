//! The network namespaces at the ends of the traffic.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, setns};

use super::error::ProveError;
use crate::attach::Rtnl;
use crate::whole_file::FileError;

/// Where `ip netns` and container runtimes keep names of namespaces.
const NAMED: &str = "/run/netns";

/// A network namespace, held open.
#[derive(Debug)]
pub struct Namespace(File);

impl Namespace {
    /// The namespace of a file: `/proc/PID/ns/net`, or a bind mount of one.
    pub fn open(path: &Path) -> Result<Self, ProveError> {
        let file = File::open(path).map_err(FileError::of("open", path))?;
        let namespace = Self(file);
        // A file of another kind is found out now.
        namespace
            .inside(|| Ok(()))
            .map_err(|source| ProveError::Enter {
                path: path.to_owned(),
                source,
            })?;
        Ok(namespace)
    }

    /// The namespace that has the other end of a device: one with a name, or one of a process.
    pub fn of_peer(device: &str) -> Result<Self, ProveError> {
        let mut rtnl = Rtnl::open()?;
        let device = rtnl.device(device)?;
        let Some(wanted) = rtnl.peer_namespace(&device)? else {
            return Err(ProveError::NoPeer(device.name));
        };
        for path in candidates() {
            // A process may have ended since.
            let Ok(file) = File::open(&path) else {
                continue;
            };
            // A file of another kind in the folder of names.
            let Ok(number) = rtnl.namespace_number(&file) else {
                continue;
            };
            if number == Some(wanted) {
                return Ok(Self(file));
            }
        }
        Err(ProveError::Nameless(device.name))
    }

    /// Does something on a thread in the namespace. Sockets that are made there stay there.
    pub(super) fn inside<T: Send>(
        &self,
        what: impl FnOnce() -> io::Result<T> + Send,
    ) -> io::Result<T> {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET)?;
                what()
            });
            inside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Files that may be network namespaces, the named ones first.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let processes = entries("/proc").filter(|path| {
        let name = path.file_name().unwrap_or_default();
        name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
    });
    entries(NAMED).chain(processes.map(|process| process.join("ns/net")))
}

fn entries(folder: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.path()))
}
