//! What can be wrong with the identities, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::number::{FIRST, LAST};
use crate::lock::LockError;
use crate::state::StateError;
use crate::whole_file::FileError;

/// Why the identities could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file, or the endpoints' records.
    #[error(transparent)]
    State(#[from] StateError),
    /// Another process gives out a number and did not finish in time.
    #[error("the identities cannot be locked")]
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
    /// Every number is in use.
    #[error("no identity is free: all from {FIRST} to {LAST} are taken")]
    Full,
    /// The set has more text than a reader would accept.
    #[error(
        "the labels are too many for an identity: {size} bytes are more than the {limit} that are read back"
    )]
    TooLarge {
        /// What it would take.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The set cannot be expressed as JSON.
    #[error("the labels cannot be written as JSON")]
    Encode {
        /// Why.
        source: serde_json::Error,
    },
}

/// What is wrong with the file of an identity.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// It is not what was written.
    #[error("it does not end in the checksum of its content")]
    Checksum,
    /// It is whole, but means nothing to us.
    #[error("its content is no identity")]
    Content(#[source] serde_json::Error),
    /// It has a format that never was.
    #[error("it has format {0}, which never was")]
    Format(u32),
    /// It is a folder, a link, a pipe, or far too large.
    #[error("it is no file of ours")]
    NoFile(#[source] io::Error),
    /// It lies under the name of another identity.
    #[error("it is about identity {0}")]
    OtherNumber(u32),
    /// It lies under the name of another set.
    #[error("it is about other labels")]
    OtherLabels,
}

impl From<FileError> for IdentityError {
    fn from(error: FileError) -> Self {
        Self::State(error.into())
    }
}

impl From<LockError> for IdentityError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::File(error) => error.into(),
            busy @ LockError::Busy { .. } => Self::Locked { source: busy },
        }
    }
}

impl IdentityError {
    /// Wraps a damage with the file it was found in.
    pub(super) fn damaged(path: &Path, source: Damage) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            source,
        }
    }

    /// Whether there is no such file.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::State(StateError::File(error)) if error.is_not_found())
    }

    /// What the operator can do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::State(error) => error.advice(),
            Self::Locked { .. } => {
                Some("try again; a process that hangs can be killed, and its lock goes with it")
            }
            Self::Damaged { .. } => Some(
                "the next pod with new labels repairs it, or its own next pod; `weir gc` removes it if no endpoint uses it",
            ),
            Self::NewerFormat { .. } => {
                Some("use the weir that wrote it, or delete the pods that it added")
            }
            Self::Full => Some("`weir gc` frees the identities that no endpoint uses"),
            Self::TooLarge { .. } => Some("give the pod fewer or shorter labels"),
            Self::Encode { .. } => Some("this is a defect of weir: please report it"),
        }
    }
}
