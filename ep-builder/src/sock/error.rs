//! Why the programs of sockets did not come into force.

use std::io;
use std::path::PathBuf;

use crate::bpf::BpfError;
use crate::error::Error;
use crate::load::LoadError;
use crate::object::ObjectError;
use crate::whole_file::FileError;

/// Why host ports do not answer the node's own sockets and those of its pods.
#[derive(Debug, thiserror::Error)]
pub enum SockError {
    /// No tree of control groups at the place that the settings name.
    #[error("cannot meet sockets at {}: neither it nor its folder unified is of cgroup2", .0.display())]
    NoCgroup(PathBuf),
    /// The template.
    #[error(transparent)]
    Build(#[from] Error),
    /// Its folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// The object cannot be read.
    #[error("cannot load the programs of sockets")]
    Object(#[from] ObjectError),
    /// A program that every such object has.
    #[error("cannot load the programs of sockets: there is none in section {0}")]
    Missing(String),
    /// The cookie of a network namespace.
    #[error("cannot ask the kernel for the cookie of the network namespace")]
    Cookie(#[source] io::Error),
    /// A map.
    #[error(transparent)]
    Map(#[from] LoadError),
    /// A program, a link or an entry.
    #[error(transparent)]
    Bpf(#[from] BpfError),
}

impl SockError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoCgroup(_) => Some(
                "mount it with `mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified`, or name its place as cgroup_dir in [paths]",
            ),
            Self::Object(_) | Self::Missing(_) => {
                Some("compile it anew; `weir template verify` checks the templates")
            }
            Self::Build(error) => error.advice(),
            Self::Cookie(_) => Some("Linux 5.14 or newer is needed"),
            Self::Map(error) => error.advice(),
            Self::Bpf(error) => error.advice(),
            Self::File(_) => None,
        }
    }
}
