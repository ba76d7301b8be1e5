//! What is kept on disk about each interface: that an ADD began, and what it made.
//!
//! The note is written before anything else happens and removed after everything else is gone, so a pod
//! without a note has nothing, whatever was killed. Its file has the name of the host end, which follows
//! from container and interface alone: every verb finds it in one step.

mod note;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use ep_builder::lock::{FileLock, LockError};
use ep_builder::whole_file::{self, FileError};

use crate::names::Attachment;
pub(crate) use note::{Damage, Note, Stage, Wired};

/// Longer than a warm ADD or DEL under load, far shorter than a runtime waits.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Some times what the largest note takes.
const LIMIT: u64 = 1 << 20;

const NOTE: &str = "json";
const LOCK: &str = "lock";
/// A note that is being written, under the lock: DEL knows it by name.
const NEW: &str = "new";

/// Why a note was not read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachmentsError {
    /// The file system.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another call for the same interface.
    #[error("another call for container {container}, interface {ifname} is under way")]
    Busy {
        /// The container.
        container: String,
        /// The interface.
        ifname: String,
        /// Who holds the lock.
        #[source]
        source: LockError,
    },
}

/// The notes of a node.
#[derive(Clone, Debug)]
pub(crate) struct Attachments {
    folder: PathBuf,
}

/// What is on disk about one interface.
#[derive(Debug)]
pub(crate) enum Found {
    /// Nothing.
    Nothing,
    /// Its note.
    Note(Note),
    /// A note that cannot be read: something was begun.
    Damaged(Damage),
}

impl Attachments {
    /// The notes in a folder, which is made if it is missing.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, AttachmentsError> {
        whole_file::private_folder(&folder)?;
        Ok(Self { folder })
    }

    /// Keeps other calls for the same interface away until it is dropped.
    pub(crate) fn lock(&self, attachment: &Attachment) -> Result<Lock, AttachmentsError> {
        let path = self.path(&attachment.host_name(), LOCK);
        match FileLock::acquire(&path, LOCK_WAIT) {
            Ok(lock) => Ok(Lock(Some(lock))),
            Err(LockError::File(error)) => Err(error.into()),
            Err(source @ LockError::Busy { .. }) => Err(AttachmentsError::Busy {
                container: attachment.container.to_string(),
                ifname: attachment.ifname.to_string(),
                source,
            }),
        }
    }

    /// What is known of an interface.
    pub(crate) fn read(&self, attachment: &Attachment) -> Found {
        self.read_named(&attachment.host_name())
    }

    fn read_named(&self, host_name: &str) -> Found {
        let path = self.path(host_name, NOTE);
        match whole_file::read(&path, LIMIT) {
            Ok(bytes) => match Note::parse(&bytes) {
                Ok(note) => Found::Note(note),
                Err(damage) => Found::Damaged(damage),
            },
            Err(error) if error.is_not_found() => Found::Nothing,
            // A FIFO, a folder, a symlink: nothing of ours, and no reason to leave a pod's things behind.
            Err(error) => Found::Damaged(Damage::Unreadable(error)),
        }
    }

    /// Writes a note, in the place of the one that is there.
    pub(crate) fn write(&self, note: &Note) -> Result<(), AttachmentsError> {
        let name = note.attachment.host_name();
        let (path, via) = (self.path(&name, NOTE), self.path(&name, NEW));
        Ok(whole_file::write_via(&path, &via, &note.bytes())?)
    }

    /// Removes a note, whatever it is.
    pub(crate) fn remove(&self, attachment: &Attachment) -> Result<(), AttachmentsError> {
        self.remove_named(&attachment.host_name())
    }

    /// Removes the note of a host end.
    pub(crate) fn remove_named(&self, host_name: &str) -> Result<(), AttachmentsError> {
        whole_file::remove(&self.path(host_name, NEW))?;
        Ok(whole_file::remove(&self.path(host_name, NOTE))?)
    }

    /// Every note by the name of its host end, the damaged ones included.
    pub(crate) fn list(&self) -> Result<Vec<(String, Found)>, AttachmentsError> {
        let mut notes = Vec::new();
        for name in self.names()? {
            if let Some(host_name) = name.strip_suffix(NOTE).and_then(|n| n.strip_suffix('.')) {
                let found = self.read_named(host_name);
                notes.push((host_name.to_owned(), found));
            }
        }
        Ok(notes)
    }

    /// Removes what processes left that were killed while they wrote or held a lock.
    pub(crate) fn sweep(&self) -> Result<(), AttachmentsError> {
        for name in self.names()? {
            let Some((host_name, LOCK)) = name.rsplit_once('.') else {
                continue;
            };
            if let Ok(Some(lock)) = FileLock::try_acquire(&self.folder.join(&name)) {
                whole_file::remove(&self.path(host_name, NEW))?;
                lock.remove()?;
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, AttachmentsError> {
        let list = || -> io::Result<Vec<String>> {
            let mut names = Vec::new();
            for entry in fs::read_dir(&self.folder)? {
                names.extend(entry?.file_name().into_string());
            }
            names.sort();
            Ok(names)
        };
        Ok(list().map_err(FileError::of("list", &self.folder))?)
    }

    fn path(&self, host_name: &str, kind: &str) -> PathBuf {
        self.folder.join(format!("{host_name}.{kind}"))
    }
}

/// An interface that no other call works on. Its file goes with it.
#[derive(Debug)]
pub(crate) struct Lock(Option<FileLock>);

impl Drop for Lock {
    fn drop(&mut self) {
        // What stays is an unlocked file, which the next call takes over and GC removes.
        self.0
            .take()
            .map(FileLock::remove)
            .transpose()
            .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
