//! The changes that are made to a folder of the state, one value each.
//!
//! All changes go through one function that their owner holds, so that a test can stop them after any
//! one, as a crash would, and look at what is left.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::whole_file::{self, FileError};

/// One change.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    /// Makes a folder with mode 0700; it must not exist.
    MakeFolder(PathBuf),
    /// Writes a file whole and durable.
    Write(PathBuf, &'a [u8]),
    /// Makes the names in a folder durable.
    Sync(PathBuf),
    /// Swaps two folders at once.
    Exchange(PathBuf, PathBuf),
    /// Gives a file one more name, which must be free.
    Link(PathBuf, PathBuf),
    /// Renames: a folder to a name that is free, a file in the place of another if there is one.
    Rename(PathBuf, PathBuf),
    /// Removes whatever there is, with its content; nothing is fine.
    Remove(PathBuf),
    /// Removes a folder that must be empty.
    RemoveEmpty(PathBuf),
}

fn on_disk(step: &Step<'_>) -> Result<(), FileError> {
    match step {
        Step::MakeFolder(path) => DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(FileError::of("make folder", path)),
        Step::Write(path, bytes) => whole_file::write(path, bytes),
        Step::Sync(path) => whole_file::sync_folder(path),
        Step::Exchange(a, b) => whole_file::exchange(a, b),
        Step::Link(from, to) => fs::hard_link(from, to).map_err(FileError::of("link", to)),
        Step::Rename(from, to) => whole_file::rename(from, to),
        Step::Remove(path) => whole_file::remove(path),
        Step::RemoveEmpty(path) => {
            fs::remove_dir(path).map_err(FileError::of("remove folder", path))
        }
    }
}

#[cfg(test)]
impl Step<'_> {
    fn path(&self) -> &PathBuf {
        match self {
            Self::MakeFolder(path)
            | Self::Write(path, _)
            | Self::Sync(path)
            | Self::Exchange(path, _)
            | Self::Link(_, path)
            | Self::Rename(path, _)
            | Self::Remove(path)
            | Self::RemoveEmpty(path) => path,
        }
    }

    /// The error of a step that a test stops.
    pub(crate) fn fault(&self) -> FileError {
        FileError {
            op: "survive the fault at",
            path: self.path().clone(),
            source: std::io::ErrorKind::Other.into(),
        }
    }

    /// Of a step that writes, what a process leaves that is killed in its midst.
    pub(crate) fn leave_half(&self) {
        if let Self::Write(path, bytes) = self {
            let cut = path.with_file_name(".tmp-cut");
            whole_file::write_scratch(&cut, &bytes[..bytes.len() / 2]).unwrap();
        }
    }
}

type Run = dyn Fn(&Step<'_>) -> Result<(), FileError> + Send + Sync;

/// What carries out the steps.
#[derive(Clone)]
pub(crate) struct Steps(Arc<Run>);

impl Steps {
    /// On the disk.
    pub(crate) fn real() -> Self {
        Self(Arc::new(on_disk))
    }

    /// Carries out the steps up to the first that fails.
    pub(crate) fn run(&self, steps: &[Step<'_>]) -> Result<(), FileError> {
        steps.iter().try_for_each(|step| (self.0)(step))
    }

    /// Carries them out by `run`, which is given the real thing along with each step.
    #[cfg(test)]
    pub(crate) fn observed(
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
