//! Files that are there whole or not at all, and reads that cannot block or run away.
//!
//! Every write is: temporary name in the same folder, write, fsync, rename, fsync of the folder. Every
//! read refuses what is no plain file (a FIFO would block, a symlink may lead anywhere) and has a limit.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::libc::{ELOOP, O_CLOEXEC, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK};

/// How the name of everything begins that lives no longer than the process that made it.
pub const TEMPORARY: &str = ".tmp-";

/// A file operation that failed: what, on which path, why.
#[derive(Debug, thiserror::Error)]
#[error("cannot {op} {}", path.display())]
pub struct FileError {
    /// The operation, as a verb phrase.
    pub op: &'static str,
    /// The path.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

impl FileError {
    /// Makes a closure that wraps an [`io::Error`], for `map_err`.
    pub fn of<'a>(op: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self {
            op,
            path: path.to_owned(),
            source,
        }
    }

    /// Whether the path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Whether there is something at a path.
pub fn is_there(path: &Path) -> Result<bool, FileError> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FileError::of("look at", path)(error)),
    }
}

/// Whether there is nothing at a path. What cannot be looked at may be there.
pub fn is_absent(path: &Path) -> bool {
    is_there(path).is_ok_and(|is_there| !is_there)
}

/// Replaces `path` by `bytes` with mode 0600. A reader meets the old file or the new one.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let folder = folder_of(path);
    let error = FileError::of("write", path);
    let replace = || -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(TEMPORARY)
            // Errors as the kernel gives them: the library's own hide which one it was.
            .make_in(folder, create_new)?;
        file.as_file_mut().write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|e| e.error)?;
        File::open(folder)?.sync_all()
    };
    replace().map_err(error)
}

/// Replaces `path` as [`write()`] does, by way of `via` in the same folder: for callers who exclude one another
/// by a lock, and want to know the name of what a killed process leaves. The next call takes it over.
pub fn write_via(path: &Path, via: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_as(path, via, bytes, 0o600)
}

/// As [`write_via`], with these rights, whatever the umask is: for files that others read or run.
pub fn write_as(path: &Path, via: &Path, bytes: &[u8], mode: u32) -> Result<(), FileError> {
    let replace = || -> io::Result<()> {
        let mut file = match create_new(via) {
            // What a killed process left, or anything: it may have another name elsewhere, or lead there.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                remove(via).map_err(|error| error.source)?;
                create_new(via)?
            }
            created => created?,
        };
        file.write_all(bytes)?;
        // What is private is so from its first moment, and an ADD pays for no other call.
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        file.sync_all()?;
        fs::rename(via, path)?;
        File::open(folder_of(path))?.sync_all()
    };
    let replaced = replace();
    if replaced.is_err() {
        // A full disk is no reason to keep a part of what did not fit.
        fs::remove_file(via).unwrap_or_default();
    }
    replaced.map_err(FileError::of("write", path))
}

/// A name without a folder lies in the current one.
fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Writes what a person asked for to the place they named: through symlinks, into devices and pipes, with
/// the mode their umask gives.
pub fn write_output(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    File::create(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(FileError::of("write", path))
}

/// Writes a file of a private scratch folder: not durable, and nobody else reads it. One that does not fit is
/// not kept.
pub fn write_scratch(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let written = create_new(path).and_then(|mut file| {
        file.write_all(bytes)
            .inspect_err(|_| fs::remove_file(path).unwrap_or_default())
    });
    written.map_err(FileError::of("write", path))
}

/// Makes a private file where nothing is: no symlink is followed, and no other file is met.
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Opens a plain file for reading; refuses symlinks, FIFOs, devices and folders, and never blocks.
pub fn open_plain(path: &Path) -> Result<(File, fs::Metadata), FileError> {
    open_for_reading(path, O_NOFOLLOW).map_err(FileError::of("read", path))
}

/// Reads a plain file of at most `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let (file, metadata) = open_plain(path)?;
    read_known(file, &metadata, limit).map_err(FileError::of("read", path))
}

/// As [`read`], through symlinks: for files that a person named. A configuration mounted from a Kubernetes
/// `ConfigMap` is one.
pub fn read_named(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    open_for_reading(path, 0)
        .and_then(|(file, metadata)| read_known(file, &metadata, limit))
        .map_err(FileError::of("read", path))
}

fn open_for_reading(path: &Path, flags: i32) -> io::Result<(File, fs::Metadata)> {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
        .open(path)
        .map_err(|error| match error.raw_os_error() {
            Some(ELOOP) => io::Error::new(
                error.kind(),
                "it is a symbolic link, and those are not followed here",
            ),
            _ => error,
        })?;
    let metadata = file.metadata()?;
    if metadata.is_file() {
        Ok((file, metadata))
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is not a plain file",
        ))
    }
}

/// Reads an open file to its end, which must come within `limit` bytes.
pub fn read_open(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    read_into(Vec::new(), file, limit)
}

/// As [`read_open`], with room from the start for what the file says it holds, and one more: a file that had no more
/// to give, where there was room for it, has ended there. So most files take one call instead of three.
pub fn read_known(mut file: File, metadata: &fs::Metadata, limit: u64) -> io::Result<Vec<u8>> {
    let size = usize::try_from(metadata.len().min(limit)).unwrap_or(0);
    let mut bytes = vec![0; size + 1];
    let read = loop {
        match file.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    bytes.truncate(read);
    if read == size && size > 0 {
        return Ok(bytes);
    }
    // It grew or shrank, or it is none whose size is known.
    read_into(bytes, file, limit)
}

fn read_into(mut bytes: Vec<u8>, file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let left = (limit + 1).saturating_sub(bytes.len() as u64);
    file.take(left).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let text = format!("it is larger than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Makes `path` and its parents with mode 0700 where they are missing; refuses a folder that others
/// could write to.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    let make = || -> io::Result<()> {
        let there = fs::symlink_metadata(path).or_else(|_| {
            DirBuilder::new().recursive(true).mode(0o700).create(path)?;
            fs::symlink_metadata(path)
        });
        let metadata = there?;
        if !metadata.is_dir() {
            return Err(no_folder());
        }
        if metadata.uid() != nix::unistd::geteuid().as_raw()
            || metadata.permissions().mode() & 0o022 != 0
        {
            let text = format!(
                "others may write to it (owner {}, mode {:o}): it must be ours and 0700",
                metadata.uid(),
                metadata.permissions().mode() & 0o7777
            );
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(())
    };
    make().map_err(FileError::of("use folder", path))
}

fn no_folder() -> io::Error {
    let text = "it is no folder (a symbolic link to one is none): remove it";
    io::Error::new(io::ErrorKind::NotADirectory, text)
}

/// Refuses a symbolic link where a folder of ours may be, or nothing.
pub fn refuse_link(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_symlink() => {
            Err(FileError::of("use folder", path)(no_folder()))
        }
        _ => Ok(()),
    }
}

/// Swaps two paths atomically. Both must exist.
pub fn exchange(a: &Path, b: &Path) -> Result<(), FileError> {
    renameat2(AT_FDCWD, a, AT_FDCWD, b, RenameFlags::RENAME_EXCHANGE)
        .map_err(io::Error::from)
        .map_err(FileError::of("exchange", a))
}

/// Renames; `to` must not exist (or be an empty folder).
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    fs::rename(from, to).map_err(FileError::of("rename", from))
}

/// Makes the folder's entries durable.
pub fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(FileError::of("sync", path))
}

/// Removes whatever is at `path`: file, symlink or folder with its contents. Nothing there is success.
pub fn remove(path: &Path) -> Result<(), FileError> {
    let gone = |result: io::Result<()>| match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let result = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => gone(fs::remove_dir_all(path)),
        Ok(_) => gone(fs::remove_file(path)),
        Err(e) => gone(Err(e)),
    };
    result.map_err(FileError::of("remove", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn write_replaces_whole_and_leaves_no_temporary_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(read(&path, 3).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_in_the_way_of_a_temporary_name_is_not_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let [path, via, victim] = ["path", "via", "victim"].map(|name| folder.path().join(name));
        let plant: [fn(&Path, &Path) -> io::Result<()>; 5] = [
            |victim, via| fs::hard_link(victim, via),
            |victim, via| std::os::unix::fs::symlink(victim, via),
            |_, via| Ok(nix::unistd::mkfifo(via, nix::sys::stat::Mode::S_IRWXU)?),
            |_, via| fs::create_dir_all(via.join("deep")),
            |_, via| write(via, b"what a killed process left").map_err(|error| error.source),
        ];
        write(&victim, b"as it was").unwrap();
        for plant in plant {
            plant(&victim, &via).unwrap();
            write_via(&path, &via, b"new").unwrap();
            assert_eq!(read(&path, 3).unwrap(), b"new");
            assert_eq!(read(&victim, 100).unwrap(), b"as it was");
            assert!(fs::symlink_metadata(&via).is_err());
        }
    }

    #[test]
    fn read_has_a_limit_and_refuses_odd_files() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, link, fifo) = (
            folder.path().join("p"),
            folder.path().join("l"),
            folder.path().join("f"),
        );
        write(&plain, b"four").unwrap();
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
        assert!(read(&plain, 3).is_err());
        for odd in [
            &link,
            &fifo,
            &folder.path().to_owned(),
            &folder.path().join("missing"),
        ] {
            assert!(read(odd, 100).is_err(), "{}", odd.display());
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_whatever_its_size_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"four").unwrap();
        let metadata = fs::metadata(&path).unwrap();
        for now in ["", "4", "four", "forty", "four hundred"] {
            write(&path, now.as_bytes()).unwrap();
            let read = read_known(File::open(&path).unwrap(), &metadata, 12).unwrap();
            assert_eq!(read, now.as_bytes());
            let short = read_known(File::open(&path).unwrap(), &metadata, 4);
            assert_eq!(short.is_ok(), now.len() <= 4, "{now}");
        }
        // The kernel's own say that they have nothing.
        let own = read_named(Path::new("/proc/self/comm"), 64).unwrap();
        assert!(own.ends_with(b"\n") && own.len() > 1);
    }

    #[test]
    fn output_goes_through_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let (plain, link) = (folder.path().join("p"), folder.path().join("l"));
        std::os::unix::fs::symlink(&plain, &link).unwrap();
        write_output(&link, b"one").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read_named(&link, 3).unwrap(), b"one");
        write_output(Path::new("/dev/null"), b"two").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert_eq!(folder_of(Path::new("name")), Path::new("."));
    }

    #[test]
    fn folders_that_others_write_to_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/y");
        private_folder(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(private_folder(&path).is_err());
    }
}
