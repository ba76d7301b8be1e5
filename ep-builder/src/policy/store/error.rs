//! What can be wrong with the policy on disk, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::lock::LockError;
use crate::whole_file::FileError;

/// Why the policy on disk could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process changes the policy, or pods begin that read it, and did not finish in time.
    #[error("the policy cannot be locked")]
    Locked {
        /// Who has the lock.
        source: LockError,
    },
    /// A file holds something else than what was written.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Damage,
    },
    /// An older weir put the policy in force.
    #[error("the policy in force is kept as an older weir kept it: there is no {}", path.display())]
    NoBasis {
        /// The file that is missing.
        path: PathBuf,
    },
    /// A newer weir wrote the file.
    #[error("{} has format {found}, and this weir knows formats up to {known}", path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// What is to be kept cannot be expressed as JSON.
    #[error("the policy cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
}

/// What is wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is not what was written.
    #[error("it does not end in the checksum of its content")]
    Checksum,
    /// It was written, and is there no more.
    #[error("it is gone")]
    Gone,
    /// It is whole, but means nothing to us.
    #[error("its content is not what the name says")]
    Json(#[source] serde_json::Error),
    /// It is whole, but means nothing to us.
    #[error("its content is no compiled policy")]
    Entry,
    /// It has a format that never was.
    #[error("it has format {0}, which never was")]
    Format(u32),
    /// It is a folder, a link, a pipe, or far too large.
    #[error("it is no file of ours")]
    NoFile(#[source] io::Error),
    /// It lies under the name of another identity.
    #[error("it is about identity {0}")]
    OtherNumber(u32),
}

impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => error.into(),
            busy @ LockError::Busy { .. } => Self::Locked { source: busy },
        }
    }
}

impl StoreError {
    /// Wraps a damage with the file it was found in.
    pub(super) fn damaged(path: &Path) -> impl FnOnce(Damage) -> Self + '_ {
        move |source| Self::Damaged {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether there is no such file.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::File(error) if error.is_not_found())
    }

    /// Whether somebody else was at it for too long.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Locked { .. })
    }

    /// What the operator can do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::File(_) => None,
            Self::Locked { .. } => {
                Some("try again; a process that hangs can be killed, and its lock goes with it")
            }
            Self::Damaged { .. } => Some("`weir policy apply` writes it anew"),
            Self::NoBasis { .. } => {
                Some("`weir endpoint regenerate --all` writes it, and leaves the policy as it is")
            }
            Self::NewerFormat { .. } => Some(
                "use the weir that wrote it, or put the policy in force by this one: `weir policy apply`",
            ),
            Self::Encode(_) => Some("this is a defect of weir: please report it"),
        }
    }
}
