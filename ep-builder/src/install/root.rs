//! The file system that something is installed into: this node's, or that of an image in a folder.
//!
//! Inside an image no path leads out of it: each folder is opened by `openat2(2)` with `RESOLVE_IN_ROOT`, so a
//! symbolic link to `/etc` means the image's own, and `..` ends at its root.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc::{EBUSY, EEXIST, ENOTEMPTY, EROFS, O_DIRECTORY, O_NOFOLLOW};

use crate::digest::FileFacts;
use crate::lock::{FileLock, LockError};
use crate::whole_file::{self, FileError};

/// How the name of a file ends that is being written. No runtime reads such a one.
const NEW: &str = ".weir-new";

/// Larger than anything that is installed.
pub(super) const LARGEST: u64 = 256 << 20;

/// A file system that is installed into.
#[derive(Debug)]
pub enum Root {
    /// This node's.
    Live,
    /// An image's, whose root is a folder.
    Image {
        /// The folder.
        path: PathBuf,
        /// The same, open.
        folder: File,
    },
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    /// Nothing.
    Nothing,
    /// A plain file.
    File {
        /// Its length and digest.
        facts: FileFacts,
        /// Its rights.
        mode: u32,
    },
    /// A symbolic link, and where it leads.
    Link(PathBuf),
    /// A folder, a device or the like.
    Other,
}

/// A path that can be used, as long as the value lives.
struct Place {
    path: PathBuf,
    _folder: Option<OwnedFd>,
}

impl Root {
    /// The image in a folder.
    pub fn image(path: &Path) -> Result<Self, FileError> {
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(O_DIRECTORY)
            .open(path);
        let folder = opened.map_err(FileError::of("open the image's root", path))?;
        Ok(Self::Image {
            path: path.to_owned(),
            folder,
        })
    }

    /// Whether it is this node's.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// A path in it, as others call it.
    pub fn shown(&self, path: &Path) -> PathBuf {
        match self {
            Self::Live => path.to_owned(),
            Self::Image { path: root, .. } => root.join(path.strip_prefix("/").unwrap_or(path)),
        }
    }

    /// The last name of the path is never followed.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let mut place = self.folder(path.parent().unwrap_or(path))?;
        place.path.extend(path.file_name());
        Ok(place)
    }

    /// A folder, every name of its path followed.
    fn folder(&self, path: &Path) -> io::Result<Place> {
        let Self::Image { folder, .. } = self else {
            return Ok(Place {
                path: path.to_owned(),
                _folder: None,
            });
        };
        let how = OpenHow::new()
            .flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT);
        let opened = openat2(folder, path, how)?;
        Ok(Place {
            path: PathBuf::from(format!("/proc/self/fd/{}", opened.as_raw_fd())),
            _folder: Some(opened),
        })
    }

    fn at<T>(
        &self,
        op: &'static str,
        path: &Path,
        what: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let done = self.place(path).and_then(|place| what(&place.path));
        done.map_err(FileError::of(op, &self.shown(path)))
    }

    /// What is at a path. Below something that is no folder there is nothing.
    pub fn present(&self, path: &Path) -> Result<Present, FileError> {
        let looked = self.at("look at", path, |path| {
            let metadata = fs::symlink_metadata(path)?;
            if metadata.is_symlink() {
                return Ok(Present::Link(fs::read_link(path)?));
            }
            if !metadata.is_file() {
                return Ok(Present::Other);
            }
            let bytes = plain(path)?;
            Ok(Present::File {
                facts: FileFacts::of(&bytes),
                mode: metadata.mode() & 0o7777,
            })
        });
        or_absent(looked).map(|present| present.unwrap_or(Present::Nothing))
    }

    /// Whether there is anything at a path.
    pub fn exists(&self, path: &Path) -> Result<bool, FileError> {
        let looked = self.at("look at", path, |path| fs::symlink_metadata(path).map(drop));
        Ok(or_absent(looked)?.is_some())
    }

    /// The bytes of a plain file; none if there is nothing.
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, FileError> {
        or_absent(self.at("read", path, plain))
    }

    /// The names in a folder, sorted; none if there is no folder.
    pub fn names(&self, path: &Path) -> Result<Vec<OsString>, FileError> {
        let names = self.with_folder(path, |path| {
            let entries = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()));
            entries.collect::<io::Result<Vec<_>>>()
        });
        let mut names = or_absent(names)?.unwrap_or_default();
        names.sort();
        Ok(names)
    }

    /// Whether there is a folder, be it by a symbolic link.
    pub fn has_folder(&self, path: &Path) -> Result<bool, FileError> {
        let looked = self.with_folder(path, |path| Ok(fs::metadata(path)?.is_dir()));
        Ok(or_absent(looked)?.unwrap_or(false))
    }

    /// Makes a folder that others may read.
    pub fn make_folder(&self, path: &Path) -> Result<(), FileError> {
        self.at("make folder", path, |path| {
            DirBuilder::new().mode(0o755).create(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        })
    }

    /// Writes a file whole and durable, with these rights.
    pub fn write(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
        self.at("write", path, |path| {
            whole_file::write_as(path, &via(path), bytes, mode).map_err(|error| error.source)
        })
    }

    /// Has everybody who watches a file notice that it was written, though nothing of it changes.
    pub fn announce(&self, path: &Path) -> Result<(), FileError> {
        self.at("announce", path, |path| {
            let file = OpenOptions::new()
                .write(true)
                .custom_flags(O_NOFOLLOW)
                .open(path)?;
            file.set_len(file.metadata()?.len())
        })
    }

    /// Writes a file of a folder that is not in use yet, and not durable.
    pub(super) fn write_staged(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
    ) -> Result<(), FileError> {
        self.at("write", path, |path| {
            whole_file::write_scratch(path, bytes).map_err(|error| error.source)?;
            fs::set_permissions(path, fs::Permissions::from_mode(mode))
        })
    }

    /// Makes everything durable that was written to the file system of a folder.
    pub(super) fn sync_all(&self, path: &Path) -> Result<(), FileError> {
        self.in_folder("sync", path, |path| {
            Ok(nix::unistd::syncfs(File::open(path)?)?)
        })
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync(&self, path: &Path) -> Result<(), FileError> {
        self.in_folder("sync", path, |path| File::open(path)?.sync_all())
    }

    /// Two paths at once.
    fn both(
        &self,
        op: &'static str,
        from: &Path,
        to: &Path,
        what: impl FnOnce(&Path, &Path) -> io::Result<()>,
    ) -> Result<(), FileError> {
        let second = self.place(to);
        let second = second.map_err(FileError::of(op, &self.shown(to)))?;
        self.at(op, from, |from| what(from, &second.path))
    }

    /// Renames.
    pub(super) fn rename(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.both("rename", from, to, |from, to| fs::rename(from, to))
    }

    /// Swaps two folders at once.
    pub(super) fn exchange(&self, one: &Path, other: &Path) -> Result<(), FileError> {
        self.both("exchange", one, other, |one, other| {
            whole_file::exchange(one, other).map_err(|error| error.source)
        })
    }

    /// Gives a file one more name.
    pub(super) fn link(&self, from: &Path, to: &Path) -> Result<(), FileError> {
        self.both("link", from, to, |from, to| fs::hard_link(from, to))
    }

    /// Makes a symbolic link, in place of one that is there.
    pub(super) fn symlink(&self, target: &Path, path: &Path) -> Result<(), FileError> {
        self.at("make symbolic link", path, |path| {
            let new = via(path);
            whole_file::remove(&new).map_err(|error| error.source)?;
            std::os::unix::fs::symlink(target, &new)?;
            fs::rename(&new, path)
        })
    }

    /// Removes what a killed process left beside a file.
    pub(super) fn clear(&self, path: &Path) -> Result<(), FileError> {
        self.remove_tree(&via(path))
    }

    /// Removes a file or a symbolic link, and what a killed process left beside it.
    pub(super) fn remove_file(&self, path: &Path) -> Result<(), FileError> {
        let gone = self.at("remove", path, |path| {
            for path in [&via(path), path] {
                match fs::remove_file(path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    other => other?,
                }
            }
            Ok(())
        });
        or_absent(gone).map(drop)
    }

    /// Removes a folder with all that is in it.
    pub(super) fn remove_tree(&self, path: &Path) -> Result<(), FileError> {
        let gone = self.at("remove", path, |path| {
            whole_file::remove(path).map_err(|error| error.source)
        });
        or_absent(gone).map(drop)
    }

    /// Removes a folder, if there is nothing in it. A mount point stays, and so does what nobody may write to.
    pub(super) fn remove_empty(&self, path: &Path) -> Result<bool, FileError> {
        let stays = |error: &io::Error| {
            let number = error.raw_os_error();
            matches!(number, Some(ENOTEMPTY | EEXIST | EBUSY | EROFS))
        };
        let gone = self.at("remove folder", path, |path| match fs::remove_dir(path) {
            Err(error) if stays(&error) => Ok(false),
            other => other.map(|()| true),
        });
        or_absent(gone).map(|gone| gone.unwrap_or(false))
    }

    /// Keeps others away, as long as the lock is held.
    pub fn lock(&self, path: &Path) -> Result<FileLock, LockError> {
        let place = self.place(path);
        let place = place.map_err(FileError::of("lock", &self.shown(path)))?;
        FileLock::acquire(&place.path, std::time::Duration::from_secs(2))
    }

    /// The path of a folder for calls that ask about its file system.
    pub(super) fn with_folder<T>(
        &self,
        path: &Path,
        ask: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, FileError> {
        self.in_folder("look at", path, ask)
    }

    /// As `at`, with the last name followed too, and never out of an image.
    fn in_folder<T>(
        &self,
        op: &'static str,
        path: &Path,
        what: impl FnOnce(&Path) -> io::Result<T>,
    ) -> Result<T, FileError> {
        let done = self.folder(path).and_then(|place| what(&place.path));
        done.map_err(FileError::of(op, &self.shown(path)))
    }
}

fn plain(path: &Path) -> io::Result<Vec<u8>> {
    whole_file::read(path, LARGEST).map_err(|error| error.source)
}

/// The name by which a file comes to be.
fn via(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(NEW);
    path.with_file_name(name)
}

fn or_absent<T>(result: Result<T, FileError>) -> Result<Option<T>, FileError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_absent(error: &FileError) -> bool {
    matches!(
        error.source.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
