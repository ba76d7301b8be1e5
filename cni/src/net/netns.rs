//! The pod's network namespace: what may be one, and visits to it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{NSFS_MAGIC, PROC_SUPER_MAGIC, fstatfs};

use super::error::NetError;

/// The calling thread's namespace. Not `/proc/self`, which is the first thread's: they differ in tests.
const HOME: &str = "/proc/thread-self/ns/net";
/// What the kernel calls such a file where it has no name.
const KIND: &str = "net:[";

/// An open network namespace that is not the plugin's own.
#[derive(Debug)]
pub(crate) struct Netns {
    path: PathBuf,
    file: File,
    home: File,
}

impl Netns {
    /// Opens what `CNI_NETNS` names. The plugin's own namespace is refused unless `allow_own` says that
    /// the caller means it (`CNI_NETNS_OVERRIDE`).
    pub(crate) fn open(path: &Path, allow_own: bool) -> Result<Self, NetError> {
        let file = open(path).map_err(|error| match errno(&error) {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ENXIO | Errno::ESRCH => {
                NetError::NoNamespace(path.to_owned())
            }
            source => cannot_open(path, source),
        })?;
        let name = check_kind(path, &file)?;
        let home = open(Path::new(HOME)).map_err(|e| cannot_open(Path::new(HOME), errno(&e)))?;
        let netns = Self {
            path: path.to_owned(),
            file,
            home,
        };
        if name == Name::Hidden {
            netns.within(|| ()).map_err(|error| match error {
                NetError::Enter {
                    path,
                    source: Errno::EINVAL,
                } => NetError::NotNamespace {
                    path,
                    found: "a namespace of another kind".to_owned(),
                },
                other => other,
            })?;
        }
        if !allow_own && netns.is_home()? {
            return Err(NetError::OwnNamespace(netns.path));
        }
        Ok(netns)
    }

    fn is_home(&self) -> Result<bool, NetError> {
        let identity = |file: &File| -> Result<(u64, u64), NetError> {
            let facts = file.metadata();
            let facts = facts.map_err(|error| cannot_open(&self.path, errno(&error)))?;
            Ok((facts.dev(), facts.ino()))
        };
        Ok(identity(&self.file)? == identity(&self.home)?)
    }

    /// Does something on this thread inside the namespace: sockets that are opened there stay there.
    ///
    /// The thread is back when this returns. If it cannot come back the error is [`NetError::Stranded`], and
    /// the caller must end without touching links: it would touch the pod's.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, NetError> {
        setns(&self.file, CloneFlags::CLONE_NEWNET).map_err(|source| NetError::Enter {
            path: self.path.clone(),
            source,
        })?;
        let visit = Visit(self);
        let made = work();
        visit.end()?;
        Ok(made)
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A thread that is away from home. Dropped by a panic, it brings the thread home as well.
struct Visit<'a>(&'a Netns);

impl Visit<'_> {
    fn end(self) -> Result<(), NetError> {
        let netns = self.0;
        std::mem::forget(self);
        home(netns).map_err(|source| NetError::Stranded {
            path: netns.path.clone(),
            source,
        })
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        // A panic is under way: its report is all that still happens, and it touches no link.
        let _returned = home(self.0);
    }
}

fn home(netns: &Netns) -> nix::Result<()> {
    setns(&netns.home, CloneFlags::CLONE_NEWNET)
}

/// Without waiting: opening a FIFO would wait for its writer.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path)
}

/// What the name of an open namespace says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    /// It is a network's.
    Network,
    /// Nothing: a bind mount, as `ip netns` makes them, shows the path it is mounted at.
    Hidden,
}

/// A file of the namespaces' file system whose own name does not say that it is another kind's. Kernels
/// before 3.19 keep namespaces in procfs.
fn check_kind(path: &Path, file: &File) -> Result<Name, NetError> {
    let not_one = |found: String| NetError::NotNamespace {
        path: path.to_owned(),
        found,
    };
    let kind = fstatfs(file).map_err(|source| cannot_open(path, source))?;
    if !matches!(kind.filesystem_type(), NSFS_MAGIC | PROC_SUPER_MAGIC) {
        return Err(not_one("an ordinary file or folder".to_owned()));
    }
    let own = fs::read_link(format!("/proc/thread-self/fd/{}", file.as_raw_fd()));
    let own = own.map_err(|error| cannot_open(path, errno(&error)))?;
    let own = own.to_string_lossy();
    if own.starts_with(KIND) {
        return Ok(Name::Network);
    }
    // A file of procfs that is no namespace shows its path, too; entering it will tell.
    if own.starts_with('/') {
        return Ok(Name::Hidden);
    }
    Err(not_one(own.into_owned()))
}

fn cannot_open(path: &Path, source: Errno) -> NetError {
    NetError::OpenNamespace {
        path: path.to_owned(),
        source,
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}
