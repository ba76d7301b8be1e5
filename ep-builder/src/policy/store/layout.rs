//! Every path of the policy on disk. No I/O.

use std::path::{Path, PathBuf};

use crate::whole_file::TEMPORARY;

/// Where everything lies.
#[derive(Clone, Debug)]
pub(super) struct Layout(PathBuf);

impl Layout {
    pub(super) fn new(root: PathBuf) -> Self {
        Self(root)
    }

    pub(super) fn root(&self) -> &Path {
        &self.0
    }

    /// Shared by who reads to write into maps, held alone by who changes anything.
    pub(super) fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The revision in force.
    pub(super) fn current(&self) -> PathBuf {
        self.0.join("current")
    }

    /// There while a change is under way.
    pub(super) fn unsettled(&self) -> PathBuf {
        self.0.join("unsettled")
    }

    /// What the policy in force goes back to unless it is confirmed.
    pub(super) fn pending(&self) -> PathBuf {
        self.0.join("pending")
    }

    /// A revision that is whole.
    pub(super) fn revision(&self, revision: u32) -> PathBuf {
        self.0.join(revision.to_string())
    }

    /// A revision in the making.
    pub(super) fn draft(&self, revision: u32) -> PathBuf {
        self.0.join(format!("{TEMPORARY}{revision}"))
    }
}

/// The documents as they were read.
pub(super) fn sources(revision: &Path) -> PathBuf {
    revision.join("sources")
}

/// What they say.
pub(super) fn basis(revision: &Path) -> PathBuf {
    revision.join("basis")
}

/// The rules by their numbers.
pub(super) fn origins(revision: &Path) -> PathBuf {
    revision.join("origins")
}

/// The networks and their numbers.
pub(super) fn networks(revision: &Path) -> PathBuf {
    revision.join("networks")
}

/// The folder of what every ADD reads.
pub(super) fn identities(revision: &Path) -> PathBuf {
    revision.join("identities")
}

/// The compiled policy of an identity.
pub(super) fn identity(revision: &Path, identity: u32) -> PathBuf {
    identities(revision).join(identity.to_string())
}

/// The number that a name stands for: only as it is written here.
pub(super) fn number(name: &str) -> Option<u32> {
    let number: u32 = name.parse().ok()?;
    (number.to_string() == name).then_some(number)
}

/// The revision that a name stands for, whole or in the making.
pub(super) fn any_revision(name: &str) -> Option<u32> {
    number(name.strip_prefix(TEMPORARY).unwrap_or(name))
}
