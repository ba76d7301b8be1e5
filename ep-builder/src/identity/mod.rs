//! The numbers of label sets: what the datapath and its policies know a pod by.
//!
//! An identity is one file with two names in the folder `identities`: its number, and the digest of its set
//! of labels. Who has a set finds the number with one look, and without a lock; a new number is given under
//! one. The name by number is the truth and comes first; the name by digest leads to it. So a process that
//! dies between the two leaves a number with one name, which whoever next takes the lock can see from a
//! list of names alone, and repair.
//!
//! What the folder cannot tell any more, the records of the endpoints can: they hold number and labels.
//! `docs/decisions/0014-identities-on-disk.md` has the reasons.

mod assign;
mod collect;
mod error;
mod file;
mod folder;
mod number;
mod order;

#[cfg(test)]
mod crash;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

pub use collect::KEEP_UNUSED;
pub use error::{Damage, IdentityError};
pub(crate) use file::digest as digest_of;
pub use number::{FIRST, HEALTH, INIT, LAST, RESERVED, reserved_name};

use crate::endpoint::Labels;
use crate::health;
use crate::lock::FileLock;
use crate::state::Store;
use crate::step::Steps;
use crate::whole_file::{self, FileError};
use folder::{Folder, Listing};

/// Giving out a number takes milliseconds; a crowd of new pods waits in turn.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The identities of a node. Handles in other threads and processes see the same.
#[derive(Clone, Debug)]
pub struct Identities {
    folder: Folder,
    /// The records that know the numbers in use.
    store: Store,
    steps: Steps,
    lock_wait: Duration,
}

/// An identity as [`Identities::list`] finds it.
#[derive(Debug)]
pub struct Listed {
    /// Its number.
    pub number: u32,
    /// Its set of labels, or why that cannot be told.
    pub labels: Result<Labels, IdentityError>,
}

/// What a look at the name of a set has found.
#[derive(Debug)]
enum Look {
    /// Its number, which has been marked as used.
    Known(u32),
    /// Nothing, or nothing any more.
    Absent,
    /// Something else than what was written.
    Wrong(Damage),
}

impl Identities {
    /// The identities in the state root `root`, which is made if it is missing.
    pub fn open(root: &Path) -> Result<Self, IdentityError> {
        let store = Store::open(root)?;
        Ok(Self {
            folder: Folder::new(store.layout().identities()),
            store,
            steps: Steps::real(),
            lock_wait: LOCK_WAIT,
        })
    }

    /// The same identities, waiting at most `wait` for the lock.
    #[must_use]
    pub fn with_lock_wait(self, wait: Duration) -> Self {
        Self {
            lock_wait: wait,
            ..self
        }
    }

    /// The number of this set. It is marked as used: no collection takes it for [`KEEP_UNUSED`], by which
    /// time the endpoint's record says that it is in use.
    pub fn acquire(&self, labels: &Labels) -> Result<u32, IdentityError> {
        if let Some(number) = reserved_for(labels) {
            return Ok(number);
        }
        match self.look(labels)? {
            Look::Known(number) => Ok(number),
            Look::Absent | Look::Wrong(_) => self.assign(labels),
        }
    }

    /// The set of this number, if it is one that was given.
    pub fn get(&self, number: u32) -> Result<Option<Labels>, IdentityError> {
        match number {
            INIT => return Ok(Some(Labels::default())),
            HEALTH => return Ok(Some(health::labels())),
            _ => {}
        }
        if !(FIRST..=LAST).contains(&number) {
            return Ok(None);
        }
        match self.folder.read_number(number) {
            Ok(stored) => Ok(Some(stored.labels)),
            Err(error) if error.is_absent() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All numbers that were given, in order. Changes nothing and takes no lock.
    pub fn list(&self) -> Result<Vec<Listed>, IdentityError> {
        let mut listed = Vec::new();
        for number in Listing::read(&self.folder)?.numbers.into_keys() {
            match self.folder.read_number(number) {
                // Collected since the names were read.
                Err(error) if error.is_absent() => {}
                read => listed.push(Listed {
                    number,
                    labels: read.map(|stored| stored.labels),
                }),
            }
        }
        Ok(listed)
    }

    /// Looks for a set under its digest, and marks it as used.
    fn look(&self, labels: &Labels) -> Result<Look, IdentityError> {
        let digest = file::digest(labels);
        let path = self.folder.digest(&digest);
        let (stored, file) = match self.folder.read_digest(&digest) {
            Ok(read) => read,
            Err(error) if error.is_absent() => return Ok(Look::Absent),
            Err(IdentityError::Damaged { source, .. }) => return Ok(Look::Wrong(source)),
            Err(error) => return Err(error),
        };
        if stored.labels != *labels {
            return Ok(Look::Wrong(Damage::OtherLabels));
        }
        let marked = mark_used(&file, &path).map_err(FileError::of("mark as used", &path))?;
        Ok(if marked {
            Look::Known(stored.number)
        } else {
            Look::Absent
        })
    }

    fn lock(&self) -> Result<FileLock, IdentityError> {
        whole_file::private_folder(self.folder.path())?;
        Ok(FileLock::acquire(&self.folder.lock(), self.lock_wait)?)
    }
}

/// The number of a set that means the same on every node.
fn reserved_for(labels: &Labels) -> Option<u32> {
    if labels.is_empty() {
        return Some(INIT);
    }
    (*labels == health::labels()).then_some(HEALTH)
}

/// Marks an identity as used now. Says whether its name still leads to it.
///
/// A collection takes the name away and then looks at the mark once more. So one of the two always sees
/// the other: either the collection finds the mark and gives the name back, or the name is gone here, and
/// we go and wait for its lock.
fn mark_used(file: &File, path: &Path) -> io::Result<bool> {
    file.set_modified(SystemTime::now())?;
    match fs::symlink_metadata(path) {
        Ok(there) => {
            let here = file.metadata()?;
            Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
