//! Why weir could not be installed or taken away.

use std::path::PathBuf;

use nix::libc;

use crate::lock::LockError;
use crate::whole_file::FileError;

/// An installation that did not happen, or stopped: what was done until then is on record.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// A folder that is no release.
    #[error("cannot install from {}: it is no release of weir, it lacks {lacks}", folder.display())]
    NoTree {
        /// The folder.
        folder: PathBuf,
        /// What is not there.
        lacks: &'static str,
    },
    /// No release where it was looked for.
    #[error("cannot install: there is no release of weir around {}", program.display())]
    NoTreeAround {
        /// The program that runs.
        program: PathBuf,
    },
    /// A program of another machine.
    #[error("cannot install {}: it is {found}, and this machine is {here}", program.display())]
    Machine {
        /// The program.
        program: PathBuf,
        /// What it is for.
        found: String,
        /// What this machine is.
        here: &'static str,
    },
    /// A file of the release that cannot be read as what it should be.
    #[error("cannot read {} of the release: {reason}", path.display())]
    Source {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Reasons not to begin. Each says what to do.
    #[error("cannot {what}: {}", reasons.join("; "))]
    Refused {
        /// What was to be done.
        what: &'static str,
        /// All that is in the way.
        reasons: Vec<String>,
    },
    /// What is installed is not known.
    #[error("cannot read what is installed from {}: {reason}", path.display())]
    Record {
        /// The record.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Somebody else is at it.
    #[error("another process installs weir or takes it away")]
    Busy(#[source] LockError),
    /// A BPF file system that cannot be mounted or taken away.
    #[error("cannot {what} {}", place.display())]
    Mount {
        /// What was attempted.
        what: &'static str,
        /// Where.
        place: PathBuf,
        /// The kernel's refusal.
        source: nix::errno::Errno,
    },
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
}

impl From<LockError> for InstallError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => Self::File(error),
            busy @ LockError::Busy { .. } => Self::Busy(busy),
        }
    }
}

impl InstallError {
    /// What to do about it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoTree { .. } | Self::NoTreeAround { .. } => {
                Some("unpack the release and name its folder: `weir install --from DIR`")
            }
            Self::Machine { .. } => Some("take the release for this machine"),
            Self::Source { .. } => Some("take the release anew: it is damaged"),
            Self::Refused { .. } => None,
            Self::Record { .. } => Some(
                "use the weir that installed it; if the file is damaged, move it away, and what is installed is nobody's",
            ),
            Self::Busy(_) => Some("wait until that process has ended, and try again"),
            Self::Mount { .. } => Some(
                "it takes root, and a kernel with CONFIG_BPF_SYSCALL; by hand: `mount -t bpf bpf /sys/fs/bpf`",
            ),
            Self::File(error) => Some(file_advice(error)),
        }
    }
}

/// What to do about a file that could not be changed; whatever it is, the same command goes on where this one stopped.
fn file_advice(error: &FileError) -> &'static str {
    match error.source.raw_os_error() {
        Some(libc::EROFS) => {
            "it is on a file system mounted read-only: give another place with --prefix and --cni-bin-dir, or mount it writable and run the command again"
        }
        Some(libc::ENOSPC | libc::EDQUOT) => {
            "make room there and run the command again: it goes on where it stopped"
        }
        Some(libc::EACCES | libc::EPERM) => "run it as root",
        Some(libc::ENOTDIR) => "something there is no folder: move it away",
        Some(libc::ELOOP | libc::EXDEV) => {
            "a symbolic link leads in circles or out of the image: see where it should lead"
        }
        _ => "see what is there, and run the command again: it goes on where it stopped",
    }
}
