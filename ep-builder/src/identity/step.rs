//! The changes that are made to the folder, one value each, all through one function: a test can stop them
//! after any one, as a crash would.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::whole_file::{self, FileError};

/// One change.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// Writes a file whole and durable.
    Write(PathBuf, &'a [u8]),
    /// Gives a file one more name, which must be free.
    Link(PathBuf, PathBuf),
    /// Renames a file, in the place of another if there is one.
    Rename(PathBuf, PathBuf),
    /// Removes whatever has the name; nothing is fine.
    Remove(PathBuf),
    /// Makes the names in a folder durable.
    Sync(PathBuf),
}

fn on_disk(step: &Step<'_>) -> Result<(), FileError> {
    match step {
        Step::Write(path, bytes) => whole_file::write(path, bytes),
        Step::Link(from, to) => fs::hard_link(from, to).map_err(FileError::of("link", to)),
        Step::Rename(from, to) => whole_file::rename(from, to),
        Step::Remove(path) => whole_file::remove(path),
        Step::Sync(path) => whole_file::sync_folder(path),
    }
}

type Run = dyn Fn(&Step<'_>) -> Result<(), FileError> + Send + Sync;

/// What carries out the steps.
#[derive(Clone)]
pub(super) struct Steps(Arc<Run>);

impl Steps {
    /// On the disk.
    pub(super) fn real() -> Self {
        Self(Arc::new(on_disk))
    }

    /// Carries out the steps up to the first that fails.
    pub(super) fn run(&self, steps: &[Step<'_>]) -> Result<(), FileError> {
        steps.iter().try_for_each(|step| (self.0)(step))
    }

    /// Carries them out by `run`, which is given the real thing along with each step.
    #[cfg(test)]
    pub(super) fn observed(
        run: impl Fn(&Step<'_>, &dyn Fn() -> Result<(), FileError>) -> Result<(), FileError>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self(Arc::new(move |step| run(step, &|| on_disk(step))))
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steps")
    }
}
