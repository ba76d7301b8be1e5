//! Host ports for sockets of the node and of its pods: programs at the root of the tree of control groups.
//!
//! Whoever asks there for a host port gets the pod's address before the connection begins, so no packet of it is
//! translated (`bpf-src/bpf_sock.c`, `docs/decisions/0030`). The programs are held by links that are pinned
//! beside the maps; [`Sockets::install`] makes them and replaces them by the same code, and each replacement
//! is one write that no connection meets half done. Whoever calls it holds the node's lock.

mod cgroup;
mod cookie;
mod error;
mod hooks;
mod install;
mod netns;
mod programs;
mod set_up;

use std::path::PathBuf;

pub use cookie::NetnsCookie;
pub use error::SockError;
pub use install::{Installed, SockProgram};
pub use netns::{NetnsMap, Owner};
pub use set_up::{Met, set_up};

use crate::bpf::{SockHook, unpin};
use crate::maps::{MapName, Maps};
use crate::settings::Settings;
use crate::shape::MapPrefix;
use hooks::Hooks;

/// The programs of a node's sockets: where they are, or will be.
#[derive(Clone, Debug)]
pub struct Sockets {
    cgroup_dir: PathBuf,
    maps: Maps,
    prefix: MapPrefix,
    endpoints: u32,
}

/// How they stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// None is there.
    Absent,
    /// Some are not there, or on another control group than the one that the settings name.
    Incomplete {
        /// Which.
        missing: Vec<SockHook>,
    },
    /// All are on their hooks.
    InForce(Vec<SockProgram>),
}

impl Sockets {
    /// Those of the node with these settings.
    pub fn new(settings: &Settings) -> Self {
        Self {
            cgroup_dir: settings.paths.cgroup_dir.clone(),
            maps: Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix),
            prefix: settings.node.map_prefix.clone(),
            endpoints: settings.node.sizes.endpoints,
        }
    }

    /// Loads the programs of `object`, bytes of a template that has nothing to be filled in, and puts them in force. The
    /// calling thread is in the node's network namespace. A call that fails or is killed half-way leaves hooks with
    /// the programs of before and hooks with the new ones, which get along; the next call goes on from there.
    pub fn install(&self, object: &[u8]) -> Result<Installed, SockError> {
        let group = cgroup::Group::open(&self.cgroup_dir)?;
        let cookie = NetnsCookie::here()?;
        let programs = programs::load(object, &self.maps)?;
        self.netns()?.enter(cookie, Owner::Node)?;
        install::put_in_force(&programs, &group, &self.hooks())
    }

    /// The control group that they are at, or will be.
    pub fn group(&self) -> Result<PathBuf, SockError> {
        Ok(cgroup::Group::open(&self.cgroup_dir)?.path)
    }

    /// How they stand: a few system calls for each.
    pub fn standing(&self) -> Result<Standing, SockError> {
        let group = cgroup::Group::open(&self.cgroup_dir)?;
        let found = self.hooks().on(&group)?;
        let missing: Vec<_> = SockHook::ALL
            .into_iter()
            .filter(|hook| found.iter().all(|program| program.hook != *hook))
            .collect();
        Ok(if found.is_empty() {
            Standing::Absent
        } else if missing.is_empty() {
            Standing::InForce(found)
        } else {
            Standing::Incomplete { missing }
        })
    }

    /// Takes the programs away, and what they remember; returns how many there were. Connections that run keep
    /// their pods. The namespaces of pods that are there stay known.
    pub fn remove(&self) -> Result<usize, SockError> {
        let removed = self.hooks().remove()?;
        unpin(&self.maps.pin(MapName::SockAsked))?;
        if let Some(netns) = NetnsMap::find(&self.maps)? {
            netns.forget(Owner::Node)?;
            if netns.is_empty()? {
                unpin(&self.maps.pin(MapName::Netns))?;
            }
        }
        Ok(removed)
    }

    /// The map of the network namespaces whose sockets count; it is made if it is not there.
    pub fn netns(&self) -> Result<NetnsMap, SockError> {
        NetnsMap::ready(&self.maps, self.endpoints)
    }

    fn hooks(&self) -> Hooks<'_> {
        Hooks::new(self.maps.folder(), &self.prefix)
    }
}
