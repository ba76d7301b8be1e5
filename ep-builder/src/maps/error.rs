//! What can go wrong with a map.

use std::io;
use std::path::PathBuf;

use aya::maps::MapError;

use super::name::Definition;

/// Why a map could not be used.
#[derive(Debug, thiserror::Error)]
pub enum MapsError {
    /// It is not pinned.
    #[error("there is no map {}", path.display())]
    Missing {
        /// Where its pin would be.
        path: PathBuf,
        /// When it is there.
        made: &'static str,
    },
    /// The folder of the pins cannot be read.
    #[error("cannot list the maps in {}", path.display())]
    List {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// Its pin cannot be opened.
    #[error("cannot open map {}", path.display())]
    Open {
        /// Its pin.
        path: PathBuf,
        /// The cause.
        #[source]
        source: MapError,
    },
    /// It is another map than the datapath's.
    #[error("map {} is not what this weir uses: it has {have}; needed is {want}", path.display())]
    Different {
        /// Its pin.
        path: PathBuf,
        /// What it is.
        have: Definition,
        /// What it must be.
        want: Definition,
    },
    /// It cannot be read.
    #[error("cannot read map {}", path.display())]
    Read {
        /// Its pin.
        path: PathBuf,
        /// The cause.
        #[source]
        source: MapError,
    },
    /// It cannot be changed.
    #[error("cannot {what} map {}", path.display())]
    Write {
        /// What was attempted.
        what: &'static str,
        /// Its pin.
        path: PathBuf,
        /// The cause.
        #[source]
        source: MapError,
    },
    /// It has no room for one more entry.
    #[error("map {} is full: it has room for {max_entries} entries", path.display())]
    Full {
        /// Its pin.
        path: PathBuf,
        /// Its limit.
        max_entries: u32,
    },
    /// It changes faster than it can be read.
    #[error("gave up reading map {}: entries come and go faster than they are read", path.display())]
    Restless {
        /// Its pin.
        path: PathBuf,
    },
}

impl MapsError {
    /// What to do, where that is not in the message already.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Missing { made, .. } => Some(made),
            Self::Different { .. } => Some(
                "it was made by another version: counters begin anew when their pin is removed, with `weir endpoint regenerate --all` and `weir node init` behind it; of other maps detach the endpoints that use it, or give this weir a map_prefix of its own",
            ),
            Self::Full { .. } => {
                Some("raise its size in [maps], and attach the endpoints to the new map")
            }
            Self::Restless { .. } => Some("try again"),
            Self::Open { source, .. } | Self::Read { source, .. } | Self::Write { source, .. }
                if is_refused(source) =>
            {
                Some("run it as root")
            }
            Self::List { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run it as root")
            }
            _ => None,
        }
    }
}

/// The error of the system call, if it was one.
pub(super) fn cause(error: &MapError) -> Option<io::ErrorKind> {
    match error {
        MapError::SyscallError(failed) => Some(failed.io_error.kind()),
        MapError::IoError(error) => Some(error.kind()),
        _ => None,
    }
}

fn is_refused(error: &MapError) -> bool {
    cause(error) == Some(io::ErrorKind::PermissionDenied)
}
