//! Reading the configuration file.
//!
//! Not `whole_file::read`, which refuses symlinks: a configuration mounted from a Kubernetes `ConfigMap`
//! *is* one, and nobody but root can put one at `/etc/weir`.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::libc::{O_CLOEXEC, O_NOCTTY, O_NONBLOCK};

use crate::whole_file::FileError;

/// Reads a plain file of at most `limit` bytes. A FIFO or a device is refused without waiting for it.
pub(super) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let take = || -> io::Result<Vec<u8>> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
            .open(path)?;
        if !file.metadata()?.is_file() {
            let text = "it is not a plain file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            let text = format!("it is larger than {limit} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
        }
        Ok(bytes)
    };
    take().map_err(FileError::of("read", path))
}

/// As [`read`]; nothing at `path` is no error. A symlink that leads nowhere is one: someone meant a file.
pub(super) fn read_if_present(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, FileError> {
    match read(path, limit) {
        Err(e) if e.is_not_found() && fs::symlink_metadata(path).is_err() => Ok(None),
        other => other.map(Some),
    }
}
