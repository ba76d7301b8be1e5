//! Locks between processes: `flock` on a file, with a deadline.
//!
//! The kernel releases the lock when its holder dies, however it dies. The file names the holder's
//! process id, for the error of those who waited in vain.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use crate::whole_file::{self, FileError};

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

/// Longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(20);

impl FileLock {
    /// Takes the lock at `path`, waiting at most `timeout`.
    pub fn acquire(path: &Path, timeout: Duration) -> Result<Self, LockError> {
        Self::wait(path, timeout, Self::try_acquire)
    }

    /// Takes the lock at `path` together with others who share it, waiting at most `timeout`.
    pub fn share(path: &Path, timeout: Duration) -> Result<Self, LockError> {
        Self::wait(path, timeout, |path| {
            Self::take(path, File::try_lock_shared)
        })
    }

    fn wait(
        path: &Path,
        timeout: Duration,
        attempt: impl Fn(&Path) -> Result<Option<Self>, LockError>,
    ) -> Result<Self, LockError> {
        let start = Instant::now();
        let mut pause = Duration::from_micros(500);
        loop {
            if let Some(lock) = attempt(path)? {
                return Ok(lock);
            }
            if start.elapsed() >= timeout {
                return Err(LockError::Busy {
                    path: path.to_owned(),
                    holder: holder(path),
                    timeout,
                });
            }
            sleep(pause);
            pause = (pause * 2).min(PAUSE);
        }
    }

    /// Takes the lock if it is free.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, LockError> {
        Self::take(path, File::try_lock)
    }

    fn take(
        path: &Path,
        lock: impl Fn(&File) -> Result<(), TryLockError>,
    ) -> Result<Option<Self>, LockError> {
        let wrap = FileError::of("lock", path);
        let attempt = || -> io::Result<Option<File>> {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(O_NOFOLLOW | O_NONBLOCK)
                .open(path)?;
            match lock(&file) {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            let ours = file.metadata()?;
            // Whoever removed the file held it; a lock on a removed file excludes nobody.
            if !is_at(&ours, path) {
                return Ok(None);
            }
            refuse_other_names(&ours)?;
            sign(&mut file).unwrap_or_default();
            Ok(Some(file))
        };
        let file = attempt().map_err(wrap)?;
        Ok(file.map(|file| Self {
            file,
            path: path.to_owned(),
        }))
    }

    /// Removes the file and releases the lock.
    pub fn remove(self) -> Result<(), FileError> {
        let removed = whole_file::remove(&self.path);
        drop(self.file);
        removed
    }
}

/// Writes our process id, for those who wait. It may fail: on a full disk a lock still is a lock.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}", std::process::id())
}

fn is_at(ours: &Metadata, path: &Path) -> bool {
    std::fs::symlink_metadata(path)
        .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()))
}

/// The holder signs the file. One that is somebody else's under another name, or none at all, would take harm.
fn refuse_other_names(ours: &Metadata) -> io::Result<()> {
    if ours.is_file() && ours.nlink() == 1 {
        return Ok(());
    }
    let text = "it is no plain file, or has other names, as in a copy by hard links: remove it";
    Err(io::Error::new(io::ErrorKind::InvalidInput, text))
}

/// The process that wrote itself into the lock file, for messages only.
fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read =
        whole_file::open_plain(path).map(|(file, _)| file.take(20).read_to_string(&mut text));
    match read {
        Ok(Ok(_)) if !text.is_empty() => format!("process {text}"),
        _ => "another process".to_owned(),
    }
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else has it.
    #[error("{} is held by {holder}, after waiting {:.1} s; try again later", path.display(), timeout.as_secs_f32())]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// Who holds it.
        holder: String,
        /// How long was waited.
        timeout: Duration,
    },
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn excludes_names_the_holder_and_ends_with_the_drop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock = FileLock::acquire(&path, Duration::ZERO).unwrap();
        let busy = FileLock::acquire(&path, Duration::from_millis(5)).unwrap_err();
        assert!(
            busy.to_string()
                .contains(&format!("process {}", std::process::id())),
            "{busy}"
        );
        drop(lock);
        FileLock::acquire(&path, Duration::ZERO)
            .unwrap()
            .remove()
            .unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn readers_share_it_and_keep_a_writer_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let first = FileLock::share(&path, Duration::ZERO).unwrap();
        let second = FileLock::share(&path, Duration::ZERO).unwrap();
        drop(first);
        assert!(FileLock::try_acquire(&path).unwrap().is_none());
        drop(second);
        let writer = FileLock::acquire(&path, Duration::ZERO).unwrap();
        let busy = FileLock::share(&path, Duration::ZERO);
        assert!(matches!(busy, Err(LockError::Busy { .. })));
        drop(writer);
    }

    #[test]
    fn a_lock_on_a_removed_file_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let old = FileLock::acquire(&path, Duration::ZERO).unwrap();
        std::fs::remove_file(&path).unwrap();
        let new = FileLock::acquire(&path, Duration::ZERO).unwrap();
        drop(old);
        assert!(
            FileLock::try_acquire(&path).unwrap().is_none(),
            "still held by the new one"
        );
        drop(new);
    }

    /// A lock is signed: neither must the signature go elsewhere, nor the open wait.
    #[test]
    fn what_is_no_plain_file_of_one_name_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [path, victim] = ["lock", "victim"].map(|name| folder.path().join(name));
        let plant: [fn(&Path, &Path) -> io::Result<()>; 4] = [
            |victim, path| std::fs::hard_link(victim, path),
            |victim, path| std::os::unix::fs::symlink(victim, path),
            |_, path| Ok(nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU)?),
            |_, path| std::fs::create_dir(path),
        ];
        whole_file::write(&victim, b"as it was").unwrap();
        for plant in plant {
            plant(&victim, &path).unwrap();
            let refused = FileLock::acquire(&path, Duration::ZERO);
            assert!(matches!(refused, Err(LockError::File(_))), "{refused:?}");
            assert_eq!(whole_file::read(&victim, 100).unwrap(), b"as it was");
            whole_file::remove(&path).unwrap();
        }
        FileLock::acquire(&path, Duration::ZERO).unwrap();
    }
}
