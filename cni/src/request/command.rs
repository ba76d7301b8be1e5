//! The commands of the protocol.

use std::fmt;

use crate::version::{Version, VersionError};

/// A command of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Wire a pod.
    Add,
    /// Undo ADD.
    Del,
    /// Compare what is with what ADD made.
    Check,
    /// Say whether ADD could work.
    Status,
    /// Remove what no runtime knows any more.
    Gc,
    /// Say which versions of the protocol are spoken.
    Version,
}

impl Command {
    /// Every command, in the order in which the specification tells of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::Add,
        Self::Del,
        Self::Check,
        Self::Status,
        Self::Gc,
        Self::Version,
    ];

    /// As it stands on the wire.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Status => "STATUS",
            Self::Gc => "GC",
            Self::Version => "VERSION",
        }
    }

    /// Refuses a command that the configuration's version does not have.
    pub(super) fn in_version(self, asked: Version) -> Result<(), VersionError> {
        let since = match self {
            Self::Add | Self::Del | Self::Version => Version::V0_1_0,
            Self::Check => Version::V0_4_0,
            Self::Status | Self::Gc => Version::V1_1_0,
        };
        if asked >= since {
            return Ok(());
        }
        Err(VersionError::TooOld {
            command: self.as_str(),
            since,
            asked,
        })
    }

    /// All of them in one line for people.
    pub(crate) fn list() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
