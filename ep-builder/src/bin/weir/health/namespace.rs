//! The network namespace of the health endpoint: no process is in it, a bind mount keeps it alive.

use std::path::Path;
use std::thread;

use ep_builder::whole_file;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};

use super::error::HealthError;

/// Of the calling thread, not of the process's first one.
const OWN: &str = "/proc/thread-self/ns/net";
const NONE: Option<&str> = None;

/// Whether a namespace is kept there.
pub(super) fn is_kept(path: &Path) -> bool {
    statfs(path).is_ok_and(|facts| facts.filesystem_type() == NSFS_MAGIC)
}

/// Makes a namespace, and keeps it at a path where there is none.
pub(super) fn make(path: &Path) -> Result<(), HealthError> {
    whole_file::write(path, b"")?;
    let kept = || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        mount(Some(OWN), path, NONE, MsFlags::MS_BIND, NONE)
    };
    // A thread of its own, which ends there: the others stay where they are.
    let made = thread::scope(|scope| scope.spawn(kept).join());
    made.unwrap_or(Err(Errno::EINVAL))
        .map_err(failed("keep a network namespace at", path))
}

/// Lets it go, and with it the pod's end of the pair. A process that was killed may have mounted twice.
pub(super) fn remove(path: &Path) -> Result<(), HealthError> {
    while is_kept(path) {
        umount2(path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)
            .map_err(failed("let go of the network namespace at", path))?;
    }
    Ok(whole_file::remove(path)?)
}

fn failed<'a>(
    attempted: &'static str,
    path: &'a Path,
) -> impl FnOnce(Errno) -> HealthError + use<'a> {
    move |source| HealthError::Namespace {
        attempted,
        path: path.to_owned(),
        source,
    }
}
