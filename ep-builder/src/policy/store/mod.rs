//! The policy in force, on disk: what it was made from, what it was made to, and which revision counts.
//!
//! ```text
//! current                     the revision in force
//! <revision>/sources          the documents as they were read
//! <revision>/basis            what they say: a new identity is compiled from it
//! <revision>/origins          the rules by their numbers
//! <revision>/networks         the networks and their numbers
//! <revision>/identities/<n>   the compiled policy of an identity: the one file that an ADD reads
//! unsettled                   there while a revision is put in force: maps may hold two
//! pending                     there while the one in force waits to be confirmed: what to go back to, and when
//! lock
//! ```
//!
//! A revision is made under another name and becomes whole by one rename; `current` is replaced as a file. So
//! whoever dies leaves the old revision in force or the new one, and at most a folder that the next apply
//! removes. Reading takes no lock: it is for who needs files and maps to be of one revision.
//! `docs/decisions/0022-policy-in-force.md` has the reasons.

mod basis;
mod coded;
mod error;
mod json;
mod layout;
mod pending;
mod record;
mod write;

#[cfg(test)]
mod crash;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

pub use basis::{Basis, NodeBasis};
pub use error::{Damage, StoreError};
pub use json::Sources;
pub use pending::{Pending, Uptime};
pub use record::Stored;
pub use write::{Draft, Exclusive};

use super::Origin;
use crate::lock::FileLock;
use crate::maps::Prefix;
use crate::state::StateLayout;
use crate::step::Steps;
use crate::whole_file::{self, FileError, is_absent};
use layout::Layout;
use record::Unreadable;

/// An apply takes a second; a crowd of new pods waits in turn.
const LOCK_WAIT: Duration = Duration::from_secs(20);

/// What is read at most of the policy of an identity: as many entries as a map can have.
const IDENTITY_LIMIT: u64 = 1 << 31;

/// What is read at most of what documents say. They have 64 MiB, and a word of theirs needs a few bytes.
const BASIS_LIMIT: u64 = 1 << 30;

/// The policy of a node, on disk. Handles in other threads and processes see the same.
#[derive(Clone, Debug)]
pub struct PolicyStore {
    layout: Layout,
    steps: Steps,
    lock_wait: Duration,
}

/// Held by who writes into maps what it reads here: nothing here changes meanwhile.
#[derive(Debug)]
pub struct Shared {
    _lock: FileLock,
}

impl PolicyStore {
    /// The policy below the state root `root`. Nothing is made.
    pub fn new(root: &Path) -> Self {
        Self {
            layout: Layout::new(StateLayout::new(root).policy()),
            steps: Steps::real(),
            lock_wait: LOCK_WAIT,
        }
    }

    /// The same policy, waiting at most `wait` for the lock.
    #[must_use]
    pub fn with_lock_wait(self, wait: Duration) -> Self {
        Self {
            lock_wait: wait,
            ..self
        }
    }

    /// Keeps everybody from changing the policy.
    pub fn share(&self) -> Result<Shared, StoreError> {
        whole_file::private_folder(self.layout.root())?;
        let lock = FileLock::share(&self.layout.lock(), self.lock_wait)?;
        Ok(Shared { _lock: lock })
    }

    /// Keeps everybody else from changing the policy, or from writing it into maps.
    pub fn exclude(&self) -> Result<Exclusive<'_>, StoreError> {
        whole_file::private_folder(self.layout.root())?;
        let lock = FileLock::acquire(&self.layout.lock(), self.lock_wait)?;
        Ok(Exclusive::new(self, lock))
    }

    /// The revision in force; none before the first one.
    pub fn current(&self) -> Result<Option<u32>, StoreError> {
        match json::current(&self.layout.current()) {
            Ok(revision) => Ok(Some(revision)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether somebody began to put a revision in force and did not end: the maps may hold the entries of two,
    /// and some endpoints stand at the old one. Where that cannot be seen, it is put right once more.
    pub fn is_unsettled(&self) -> bool {
        !is_absent(&self.layout.unsettled())
    }

    /// What the policy in force goes back to unless it is confirmed. A record nobody can read leads nowhere, and one that
    /// leads to what is in force is of a change that never came to be.
    pub fn pending(&self) -> Result<Option<Pending>, StoreError> {
        let pending = match json::pending(&self.layout.pending()) {
            Ok(pending) => pending,
            Err(StoreError::Damaged { .. }) => return Ok(None),
            Err(error) if error.is_absent() => return Ok(None),
            Err(error) => return Err(error),
        };
        let current = self.current()?;
        Ok(Some(pending).filter(|pending| pending.previous != current))
    }

    /// What a revision was made from.
    pub fn sources(&self, revision: u32) -> Result<Sources, StoreError> {
        json::sources(&layout::sources(&self.layout.revision(revision)))
    }

    /// What identities are compiled from under a revision. An older weir kept the texts alone.
    pub fn basis(&self, revision: u32) -> Result<Basis, StoreError> {
        let path = layout::basis(&self.layout.revision(revision));
        let bytes = read(&path, BASIS_LIMIT).map_err(|error| {
            if error.is_absent() {
                StoreError::NoBasis { path: path.clone() }
            } else {
                error
            }
        })?;
        Basis::decode(&bytes).map_err(|unreadable| unreadable.in_file(&path, basis::FORMAT))
    }

    /// The rules of a revision: number N is at N - 1.
    pub fn origins(&self, revision: u32) -> Result<Vec<Origin>, StoreError> {
        json::origins(&layout::origins(&self.layout.revision(revision)))
    }

    /// The networks of a revision, with their numbers.
    pub fn networks(&self, revision: u32) -> Result<Vec<(Prefix, u32)>, StoreError> {
        json::networks(&layout::networks(&self.layout.revision(revision)))
    }

    /// The policy of an identity under a revision, if it has one.
    pub fn identity(&self, revision: u32, identity: u32) -> Result<Option<Stored>, StoreError> {
        let path = layout::identity(&self.layout.revision(revision), identity);
        match read_identity(&path) {
            Ok(stored) if stored.identity == identity => Ok(Some(stored)),
            Ok(stored) => Err(StoreError::damaged(&path)(Damage::OtherNumber(
                stored.identity,
            ))),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The identities that have a policy under a revision.
    pub fn identities(&self, revision: u32) -> Result<BTreeSet<u32>, StoreError> {
        let folder = layout::identities(&self.layout.revision(revision));
        Ok(names(&folder)?
            .iter()
            .filter_map(|name| layout::number(name))
            .collect())
    }

    /// The revisions that have a folder, whole or not.
    pub fn revisions(&self) -> Result<BTreeSet<u32>, StoreError> {
        let names = names(self.layout.root())?;
        let revisions = names.iter().filter_map(|name| layout::any_revision(name));
        Ok(revisions.collect())
    }
}

fn read_identity(path: &Path) -> Result<Stored, StoreError> {
    let bytes = read(path, IDENTITY_LIMIT)?;
    Stored::decode(&bytes).map_err(|unreadable| unreadable.in_file(path, record::FORMAT))
}

impl Unreadable {
    /// Wraps itself with the file it was found in, and the newest format that is known.
    fn in_file(self, path: &Path, known: u8) -> StoreError {
        match self {
            Self::Damage(damage) => StoreError::damaged(path)(damage),
            Self::Newer(format) => StoreError::NewerFormat {
                path: path.to_owned(),
                found: u32::from(format - b'0'),
                known: u32::from(known - b'0'),
            },
        }
    }
}

/// Reads a file of ours. What is no plain file is damage; what the system refuses for reasons of its own is not.
fn read(path: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
    let is_odd = |error: &FileError| {
        let is_other_kind = || fs::symlink_metadata(path).is_ok_and(|there| !there.is_file());
        error.source.kind() == io::ErrorKind::FileTooLarge || is_other_kind()
    };
    match whole_file::read(path, limit) {
        Err(error) if is_odd(&error) => {
            Err(StoreError::damaged(path)(Damage::NoFile(error.source)))
        }
        other => Ok(other?),
    }
}

/// The names in a folder; one that is missing has none.
fn names(folder: &Path) -> Result<Vec<String>, StoreError> {
    let list = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    };
    match list() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => Ok(other.map_err(FileError::of("list", folder))?),
    }
}
