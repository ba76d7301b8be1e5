//! Why a generation did not come into force.

use std::path::PathBuf;

use nix::errno::Errno;

use super::owner::Owner;
use super::verifier::Refusal;
use crate::attach::AttachError;
use crate::bpf::{BpfError, MapShape};
use crate::elf::ElfError;
use crate::object::ObjectError;
use crate::whole_file::FileError;

/// Why an object was not loaded, attached or removed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object cannot be read.
    #[error("cannot load the object of {owner}")]
    Object {
        /// Whose it is.
        owner: Owner,
        /// Why.
        source: ObjectError,
    },
    /// The object's constants cannot be read.
    #[error("cannot load the object of {owner}")]
    Constants {
        /// Whose it is.
        owner: Owner,
        /// Why.
        source: ElfError,
    },
    /// A template, in which nothing was patched.
    #[error(
        "the object is a template, for nobody: {0} carries a placeholder, which can never be loaded"
    )]
    Placeholder(String),
    /// The object of another owner, or for another device.
    #[error(
        "the object is not for {owner}: its {what} is {found}, not {expected}; compile it anew"
    )]
    Other {
        /// For whom it must be.
        owner: Owner,
        /// The constant or name that differs.
        what: &'static str,
        /// What it is.
        found: u32,
        /// What it must be.
        expected: u32,
    },
    /// A part that this loader would leave out.
    #[error("the object needs more than weir {version} does: it has {what}")]
    Newer {
        /// The part.
        what: String,
        /// The version of this loader.
        version: &'static str,
    },
    /// A program or map that every object has.
    #[error("the object has no {0}: it is not one of this datapath")]
    Missing(String),
    /// No BPF file system at the place of the pins.
    #[error(
        "cannot keep maps in {}: {} is {found}, not a BPF file system; mount one with `mount -t bpf bpf {}`",
        dir.display(), mount.display(), mount.display()
    )]
    NoBpffs {
        /// The folder of the pins.
        dir: PathBuf,
        /// Where the file system belongs.
        mount: PathBuf,
        /// What is there instead.
        found: String,
    },
    /// The folder of the pins.
    #[error(transparent)]
    File(#[from] FileError),
    /// A pinned map that is not what the object wants.
    #[error(
        "map {name} cannot be used: pinned at {} is {pinned}, and the object wants {wanted}", path.display()
    )]
    Incompatible {
        /// The map.
        name: String,
        /// Its pin.
        path: PathBuf,
        /// What is pinned.
        pinned: Box<MapShape>,
        /// What the object wants.
        wanted: Box<MapShape>,
    },
    /// A program that the verifier refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// A map or another object of the kernel.
    #[error(transparent)]
    Bpf(#[from] BpfError),
    /// The device.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The old generation could not be put back.
    #[error("the new generation failed, and putting back the old one failed, too")]
    Undo {
        /// The first failure.
        first: Box<LoadError>,
        /// Why the old generation was not put back.
        #[source]
        source: Box<LoadError>,
    },
}

/// Counters alone have ever become another type.
const OTHER_TYPE: &str = "another version of weir made it: remove its pin, then `weir endpoint regenerate --all` and `weir node init`; what it holds begins anew, and pods go on meanwhile";

impl LoadError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Incompatible { pinned, wanted, .. } if pinned.map_type != wanted.map_type => {
                Some(OTHER_TYPE)
            }
            Self::Incompatible { .. } => Some(
                "`weir endpoint regenerate --all` takes every endpoint to conntrack and policy maps of another size; every other map keeps its size while an endpoint is there: set its size in [maps] back to what is pinned, take another map_prefix, or delete all endpoints and remove the pin",
            ),
            Self::Newer { .. } => Some(
                "its sources are of another weir: install that one, or set bpf_dir in [paths] to the sources of this one",
            ),
            Self::Refused(refusal) => refusal.advice(),
            Self::Bpf(error) => error.advice(),
            Self::Attach(error) => error.advice(),
            Self::File(error) if error.source.raw_os_error() == Some(Errno::EPERM as i32) => {
                Some("run as root; bpffs also refuses names that contain a dot")
            }
            Self::Undo { .. } => {
                Some("packets may be judged by programs of two generations: load it again")
            }
            Self::Object { .. } | Self::Constants { .. } | Self::Missing(_) => {
                Some("compile the endpoint anew; `weir template verify` checks the templates")
            }
            _ => None,
        }
    }

    /// The verifier's log, where it said something.
    pub fn verifier_log(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) => Some(&refusal.log),
            Self::Bpf(BpfError::Refused { log, .. }) => Some(log),
            Self::Undo { first, .. } => first.verifier_log(),
            _ => None,
        }
    }
}
