//! The control group at which programs meet sockets.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, fstatfs};

use super::error::SockError;
use crate::whole_file::FileError;

/// Where hosts that still have the first version keep the second one.
const BESIDE_THE_FIRST: &str = "unified";

/// An open control group of the second version.
#[derive(Debug)]
pub(super) struct Group {
    folder: File,
    /// The kernel's number for it.
    pub(super) number: u64,
    /// Where it is.
    pub(super) path: PathBuf,
}

impl Group {
    /// Opens `dir`, or the folder in it that is one.
    pub(super) fn open(dir: &Path) -> Result<Self, SockError> {
        for path in [dir.to_owned(), dir.join(BESIDE_THE_FIRST)] {
            if let Some(group) = Self::at(path)? {
                return Ok(group);
            }
        }
        Err(SockError::NoCgroup(dir.to_owned()))
    }

    fn at(path: PathBuf) -> Result<Option<Self>, SockError> {
        let folder = match File::open(&path) {
            Ok(folder) => folder,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(FileError::of("open", &path)(error).into()),
        };
        let kind =
            fstatfs(&folder).map_err(|errno| FileError::of("look at", &path)(errno.into()))?;
        if kind.filesystem_type() != CGROUP2_SUPER_MAGIC {
            return Ok(None);
        }
        // A group's number is that of its folder, and 64 bits of it are all there are.
        let facts = folder.metadata().map_err(FileError::of("look at", &path))?;
        Ok(Some(Self {
            folder,
            number: facts.ino(),
            path,
        }))
    }
}

impl AsFd for Group {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_elsewhere_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for dir in [folder.path().to_owned(), folder.path().join("absent")] {
            let error = Group::open(&dir).unwrap_err();
            assert!(
                matches!(&error, SockError::NoCgroup(path) if *path == dir),
                "{error}"
            );
            assert!(error.advice().is_some());
        }
    }
}
