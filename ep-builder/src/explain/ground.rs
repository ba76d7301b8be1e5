//! Where twins are loaded: a BPF file system that nobody else sees, and what is looked up there.

use std::collections::BTreeSet;

use super::copy::copy_entries;
use super::error::ExplainError;
use super::recorder::Recorder;
use crate::attach::AttachMode;
use crate::bpf::{DetachedBpffs, Map};
use crate::load::{Owner, Target};
use crate::maps::{MapName, Maps};
use crate::shape::MapPrefix;

/// What twins find when they look up addresses.
#[derive(Clone, Copy, Debug)]
pub enum Surroundings<'a> {
    /// What the node's programs find, now and later. The twins only read there.
    Node(&'a Maps),
    /// What the node's programs find now; it can be changed.
    Copy(&'a Maps),
    /// Nothing yet.
    Empty,
}

/// The maps in which programs only look something up.
const LOOKED_UP: [MapName; 6] = [
    MapName::Endpoints,
    MapName::Ipcache,
    MapName::NodeAddresses,
    MapName::NodeOpen,
    MapName::HostPorts,
    MapName::NativeCidrs,
];

/// Whose these are. Who looks up in the node's own must not write there.
#[derive(Debug)]
enum LookUps {
    OfTheNode,
    CopiedFrom(Maps),
    Own,
}

/// Where twins are loaded.
#[derive(Debug)]
pub(super) struct Ground {
    /// Holds the pins.
    _bpffs: DetachedBpffs,
    prefix: MapPrefix,
    maps: Maps,
    look_ups: LookUps,
    recorder: Recorder,
}

impl Ground {
    pub(super) fn new(
        surroundings: Surroundings<'_>,
        prefix: &MapPrefix,
    ) -> Result<Self, ExplainError> {
        let bpffs = DetachedBpffs::new()?;
        let maps = Maps::new(bpffs.path(), prefix);
        if let Surroundings::Node(node) = surroundings {
            for name in LOOKED_UP {
                if let Some(map) = Map::find_pin(&node.pin(name))? {
                    map.pin(&maps.pin(name))?;
                }
            }
        }
        Ok(Self {
            _bpffs: bpffs,
            prefix: prefix.clone(),
            maps,
            look_ups: match surroundings {
                Surroundings::Node(_) => LookUps::OfTheNode,
                Surroundings::Copy(node) => LookUps::CopiedFrom(node.clone()),
                Surroundings::Empty => LookUps::Own,
            },
            recorder: Recorder::new()?,
        })
    }

    pub(super) fn maps(&self) -> &Maps {
        &self.maps
    }

    /// The maps in which something is looked up, to be written.
    pub(super) fn own(&self) -> Result<&Maps, ExplainError> {
        match self.look_ups {
            LookUps::Own | LookUps::CopiedFrom(_) => Ok(&self.maps),
            LookUps::OfTheNode => Err(ExplainError::Shared),
        }
    }

    /// Copies the entries of maps that are new here, if they are to be the node's.
    pub(super) fn copy_new(&self, copied: &mut BTreeSet<MapName>) -> Result<(), ExplainError> {
        let LookUps::CopiedFrom(node) = &self.look_ups else {
            return Ok(());
        };
        for name in LOOKED_UP {
            if let Some(to) = Map::find_pin(&self.maps.pin(name))?
                && copied.insert(name)
                && let Some(from) = Map::find_pin(&node.pin(name))?
            {
                copy_entries(&from, &to)?;
            }
        }
        Ok(())
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn target(&self, owner: Owner, device: &str) -> Target {
        Target {
            owner,
            device: device.to_owned(),
            mode: AttachMode::default(),
            bpffs_dir: self.maps.folder().to_owned(),
            prefix: self.prefix.clone(),
        }
    }
}
