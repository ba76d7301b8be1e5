//! Network namespaces without a name: they end with this process, however it ends.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::thread;

use ep_builder::whole_file::FileError;
use nix::errno::Errno;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::failure::Failure;

const OWN: &str = "/proc/thread-self/ns/net";
/// What is open besides: this process's own files, and three for each plugin that runs.
const OTHER_FILES: u64 = 512;

/// One that is held open.
#[derive(Debug)]
pub(super) struct Namespace {
    file: File,
    path: PathBuf,
}

impl Namespace {
    /// Makes so many. A thread goes from one to the next, so that the others stay where they are.
    pub(super) fn several(count: usize) -> Result<Vec<Self>, Failure> {
        let make = || (0..count).map(|_| Self::next()).collect();
        let ended = thread::scope(|scope| scope.spawn(make).join());
        ended.unwrap_or_else(|_panic| Err(cannot("make network namespaces", Errno::EINVAL)))
    }

    fn next() -> Result<Self, Failure> {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|errno| cannot("make a network namespace, which needs root", errno))?;
        let file = File::open(OWN).map_err(FileError::of("read", Path::new(OWN)))?;
        // Opened by others, too, this leads to the namespace itself.
        let path = format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd());
        Ok(Self {
            file,
            path: path.into(),
        })
    }

    /// Where others find it while this process lives.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the calling thread there, and the processes it starts.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| cannot("go into a network namespace", errno))
    }
}

/// Makes room for so many open namespaces.
pub(super) fn allow(count: usize) -> Result<(), Failure> {
    let wanted = count as u64 + OTHER_FILES;
    let limit = Resource::RLIMIT_NOFILE;
    let raise = || {
        let (soft, hard) = getrlimit(limit)?;
        if soft >= wanted {
            return Ok(());
        }
        setrlimit(limit, wanted, hard.max(wanted))
    };
    raise().map_err(|errno| cannot("open as many files as there are pods", errno))
}

fn cannot(attempted: &str, errno: Errno) -> Failure {
    Failure::Input(format!("cannot {attempted}: {}", errno.desc()))
}
