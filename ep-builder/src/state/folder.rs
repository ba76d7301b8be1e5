//! A folder held open: what is read through it belongs to one generation, wherever the folder is moved
//! meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, openat};
use nix::libc::{O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW};
use nix::sys::stat::Mode;

use crate::whole_file::FileError;

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    file: File,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder; a symlink to one is refused.
    pub(super) fn open(path: PathBuf) -> Result<Self, FileError> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            .open(&path)
            .map_err(FileError::of("open folder", &path))?;
        Ok(Self { file, path })
    }

    /// Where a file of this folder was when the folder was opened, for messages.
    pub(super) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether the path still leads to this folder.
    pub(super) fn is_still_at_its_path(&self) -> bool {
        let same = || -> io::Result<bool> {
            let (here, there) = (self.file.metadata()?, fs::symlink_metadata(&self.path)?);
            Ok((here.dev(), here.ino()) == (there.dev(), there.ino()))
        };
        same().unwrap_or(false)
    }

    /// Whether nothing at all is in it.
    pub(super) fn is_empty(&self) -> bool {
        is_empty(&self.path)
    }

    /// The length of a plain file.
    pub(super) fn size(&self, name: &str) -> Result<u64, FileError> {
        Ok(self.open_plain(name)?.1.size())
    }

    /// Reads a plain file of at most `limit` bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, FileError> {
        let (file, metadata) = self.open_plain(name)?;
        let take = || -> io::Result<Vec<u8>> {
            let expected = usize::try_from(metadata.size().min(limit)).unwrap_or(0);
            let mut bytes = Vec::with_capacity(expected + 1);
            file.take(limit + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > limit {
                let text = format!("it is larger than {limit} bytes");
                return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
            }
            Ok(bytes)
        };
        take().map_err(FileError::of("read", &self.path_of(name)))
    }

    /// `O_NONBLOCK`, because the open of a FIFO without a writer waits for one.
    fn open_plain(&self, name: &str) -> Result<(File, fs::Metadata), FileError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        let open = || -> io::Result<(File, fs::Metadata)> {
            let file = File::from(openat(&self.file, name, flags, Mode::empty())?);
            let metadata = file.metadata()?;
            if metadata.is_file() {
                Ok((file, metadata))
            } else {
                Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is not a plain file",
                ))
            }
        };
        open().map_err(FileError::of("read", &self.path_of(name)))
    }
}

/// Whether there is a folder at `path` with nothing in it.
pub(super) fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}
