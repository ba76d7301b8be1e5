//! What can be wrong with the state, and what to do about it.

use std::io;
use std::path::PathBuf;

use nix::libc::{EINVAL, ENOSYS};

use crate::endpoint::EndpointId;
use crate::header::EnvelopeError;
use crate::lock::LockError;
use crate::whole_file::FileError;

/// Why the state store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no such endpoint.
    #[error("there is no endpoint {id}")]
    Missing {
        /// The id asked for.
        id: EndpointId,
    },
    /// The id is claimed, and that is all.
    #[error("endpoint {id} is claimed, but has never been built")]
    NotBuilt {
        /// The endpoint.
        id: EndpointId,
    },
    /// Somebody else has the id.
    #[error("endpoint id {id} is taken")]
    Taken {
        /// The id asked for.
        id: EndpointId,
    },
    /// All ids are in use.
    #[error(
        "no endpoint id is free: {taken} are taken and {busy} more are being worked on, of {} there are",
        EndpointId::MAX
    )]
    Full {
        /// Ids whose folder exists.
        taken: usize,
        /// Ids without a folder that another process holds the lock of.
        busy: usize,
    },
    /// Another process works on the endpoint and did not finish in time, or the lock cannot be used.
    #[error("endpoint {id} cannot be locked")]
    Locked {
        /// The endpoint.
        id: EndpointId,
        /// Who has the lock, or why there is none.
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
    /// A newer weir wrote the record.
    #[error("{} has format {found}, and this weir knows formats up to {known}", path.display())]
    NewerFormat {
        /// The record.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest one known here.
        known: u32,
    },
    /// The record is lost, and the header cannot stand in for it.
    // The header's error is no link of the chain (that is the record's), so it stands in the text.
    #[error(
        "endpoint {id} cannot be read, nor restored from its header ({header}), because its record is lost"
    )]
    Unrestorable {
        /// The endpoint.
        id: EndpointId,
        /// What is wrong with the header.
        header: Box<StateError>,
        /// What is wrong with the record.
        source: Box<StateError>,
    },
    /// The record that says what the file must be is lost.
    #[error(
        "the files of endpoint {id} cannot be trusted, because the record with their digests is lost"
    )]
    Unverified {
        /// The endpoint.
        id: EndpointId,
        /// What is wrong with the record.
        source: Box<StateError>,
    },
    /// There is nothing to go back to.
    #[error("endpoint {id} has no previous generation")]
    NoPrevious {
        /// The endpoint.
        id: EndpointId,
    },
    /// Facts of one endpoint were to be written into the folder of another.
    #[error("the {what} of endpoint {found} cannot be written as that of endpoint {id}")]
    OtherEndpoint {
        /// The endpoint being built.
        id: EndpointId,
        /// The one in the facts.
        found: EndpointId,
        /// Record or header.
        what: &'static str,
    },
    /// The header to be written carries no record.
    #[error("the header of endpoint {id} does not carry its record")]
    Header {
        /// The endpoint.
        id: EndpointId,
        /// What is wrong with it.
        source: EnvelopeError,
    },
    /// A file to be written is larger than a reader would accept.
    #[error("{} is not written: {size} bytes are more than the {limit} that are read back", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The record cannot be expressed as JSON.
    #[error("the record of endpoint {id} cannot be written as JSON")]
    Encode {
        /// The endpoint.
        id: EndpointId,
        /// Why.
        source: serde_json::Error,
    },
}

/// What is wrong with a file of the state.
#[derive(Debug, thiserror::Error)]
pub enum Damage {
    /// The record does not end in its checksum: cut, zeroed, or never ours.
    #[error("it does not end in a checksum: it was cut or overwritten")]
    NoChecksum,
    /// The record is not what was written.
    #[error("its checksum does not fit its content")]
    Checksum,
    /// The record is whole, but means nothing to us.
    #[error("its content is no endpoint record")]
    Record(#[source] serde_json::Error),
    /// The record has a format that never was.
    #[error("it has format {0}, which never was")]
    Format(u32),
    /// The folder of one endpoint holds the facts of another.
    #[error("it is about endpoint {0}")]
    OtherEndpoint(EndpointId),
    /// The file has another length than the record says.
    #[error("it has {found} bytes instead of {expected}")]
    Size {
        /// The length it has.
        found: u64,
        /// The length in the record.
        expected: u64,
    },
    /// The file has another content than the record says.
    #[error("its content is not what was written")]
    Digest,
    /// The header is no text.
    #[error("it is not UTF-8")]
    Utf8(#[source] std::str::Utf8Error),
    /// The header does not give the endpoint's facts back.
    #[error("its record cannot be read back")]
    Envelope(#[source] EnvelopeError),
}

impl StateError {
    /// Wraps a damage with the file it was found in.
    pub(super) fn damaged(path: PathBuf) -> impl FnOnce(Damage) -> Self {
        |source| Self::Damaged { path, source }
    }

    /// Whether there is no such endpoint, or nothing of it yet.
    pub fn is_absence(&self) -> bool {
        match self {
            Self::Missing { .. } | Self::NotBuilt { .. } => true,
            Self::File(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// What the operator can do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::File(error)
            | Self::Locked {
                source: LockError::File(error),
                ..
            } => file_advice(&error.source),
            Self::Missing { .. } => Some("`weir endpoint list` shows the endpoints there are"),
            Self::NotBuilt { .. } => {
                Some("if no ADD is under way, one was killed: `weir gc` frees the id")
            }
            Self::Taken { .. } => None,
            Self::Full { .. } => Some("`weir gc` frees the ids of pods that are gone"),
            Self::Locked { .. } => {
                Some("try again; a process that hangs can be killed, and its lock goes with it")
            }
            Self::Damaged { .. } | Self::Unverified { .. } => {
                Some("`weir endpoint regenerate ID` writes the endpoint anew")
            }
            Self::NewerFormat { .. } => {
                Some("use the weir that wrote it, or delete the pod with that one")
            }
            Self::Unrestorable { .. } => Some(
                "`weir endpoint rollback ID` brings back the previous generation; else delete the pod",
            ),
            Self::NoPrevious { .. } => {
                Some("`weir endpoint regenerate ID` builds a new generation")
            }
            Self::OtherEndpoint { .. }
            | Self::Header { .. }
            | Self::TooLarge { .. }
            | Self::Encode { .. } => Some("this is a defect of weir: please report it"),
        }
    }
}

fn file_advice(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free some space on the file system of the state folder")
        }
        io::ErrorKind::ReadOnlyFilesystem => Some(
            "mount the file system of the state folder writable, or move state_dir in weir.toml",
        ),
        io::ErrorKind::PermissionDenied => {
            Some("run as root, and let the state folder belong to root with mode 0700")
        }
        _ if matches!(error.raw_os_error(), Some(EINVAL | ENOSYS)) => Some(
            "the file system of the state folder cannot exchange two folders: use tmpfs, ext4, xfs or btrfs",
        ),
        _ => None,
    }
}
