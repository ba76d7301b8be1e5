//! Reading the configuration file.

use std::fs;
use std::path::Path;

use crate::whole_file::{self, FileError};

/// Reads the file, which must be there. A FIFO or a device is refused without waiting for it; a symlink is
/// followed: nobody but root can put one at `/etc/weir`.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    whole_file::read_named(path, limit)
}

/// As [`read`]; nothing at `path` is no error. A symlink that leads nowhere is one: someone meant a file.
pub(super) fn read_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    match read(path, limit) {
        Err(e) if e.is_not_found() && fs::symlink_metadata(path).is_err() => Ok(None),
        other => other.map(Some),
    }
}
