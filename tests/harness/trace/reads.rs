//! Calls that read what a disk holds.

use std::path::{Path, PathBuf};

use nix::libc;

use super::Call;

/// What the kernel makes up when it is asked: no disk is behind it.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

impl Call {
    /// Whether it reads a file or a folder on a disk, or asks what there is; what it makes itself it does not read.
    pub(super) fn reads_files(&self) -> bool {
        let [first, second, third, ..] = self.arguments;
        let makes = |flags: u64| flags & u64::from((libc::O_CREAT | libc::O_TRUNC).cast_unsigned());
        let reads = match self.name() {
            Some("openat") => makes(third) == 0,
            Some("open") => makes(second) == 0,
            Some(
                "openat2" | "newfstatat" | "statx" | "readlinkat" | "faccessat" | "faccessat2"
                | "stat" | "lstat" | "readlink" | "access",
            ) => true,
            Some("read" | "pread64" | "readv" | "preadv" | "getdents64" | "fstat") => first > 2,
            _ => false,
        };
        reads && self.target().is_some_and(|path| is_on_disk(&path))
    }

    /// The file that it is about: named from the root, or from the folder that it names.
    pub(super) fn target(&self) -> Option<PathBuf> {
        let [first, second, ..] = self.arguments;
        match self.name()? {
            // Whose root is the folder of the image that the path does not lead out of.
            "openat2" => {
                let name = PathBuf::from(self.path_at(second)?);
                let root = PathBuf::from(self.file(first)?);
                Some(root.join(name.strip_prefix("/").unwrap_or(&name)))
            }
            "openat" | "newfstatat" | "statx" | "readlinkat" | "faccessat" | "faccessat2" => {
                let name = PathBuf::from(self.path_at(second)?);
                if name.is_absolute() {
                    return Some(self.through_descriptor(name));
                }
                // `AT_FDCWD` is no descriptor: nothing of ours is named from where it happens to stand.
                let folder = PathBuf::from(self.file(first)?);
                let is_itself = name.as_os_str().is_empty();
                Some(if is_itself { folder } else { folder.join(name) })
            }
            "open" | "stat" | "lstat" | "readlink" | "access" => {
                let name = self.path_at(first).map(PathBuf::from)?;
                Some(self.through_descriptor(name))
            }
            _ => self.file(first).map(PathBuf::from),
        }
    }

    /// What a path means that begins with a descriptor of the process.
    fn through_descriptor(&self, path: PathBuf) -> PathBuf {
        let Ok(below) = path.strip_prefix("/proc/self/fd") else {
            return path;
        };
        let mut names = below.components();
        let number = names
            .next()
            .and_then(|it| it.as_os_str().to_str()?.parse().ok());
        match number.and_then(|number| self.file(number)) {
            Some(folder) => Path::new(&folder).join(names.as_path()),
            None => path,
        }
    }
}

/// Not a pipe, a socket, or a file without a name.
fn is_on_disk(path: &Path) -> bool {
    let is_gone = path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)");
    path.is_absolute() && !is_gone && !OF_THE_KERNEL.iter().any(|root| path.starts_with(root))
}
