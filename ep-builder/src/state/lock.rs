//! One process at a time works on an endpoint.

use std::fs::{OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::libc::{O_NOFOLLOW, O_NONBLOCK};

use super::error::StateError;
use super::layout::StateLayout;
use crate::endpoint::EndpointId;
use crate::lock::{FileLock, LockError};
use crate::whole_file;

/// Waits for the endpoint's lock, at most for `wait`.
pub(super) fn acquire(
    layout: &StateLayout,
    id: EndpointId,
    wait: Duration,
) -> Result<FileLock, StateError> {
    let path = layout.lock(id);
    with_folder(layout, || FileLock::acquire(&path, wait))
        .map_err(|source| StateError::Locked { id, source })
}

/// Takes the endpoint's lock if nobody has it.
pub(super) fn try_acquire(
    layout: &StateLayout,
    id: EndpointId,
) -> Result<Option<FileLock>, StateError> {
    let path = layout.lock(id);
    with_folder(layout, || FileLock::try_acquire(&path))
        .map_err(|source| StateError::Locked { id, source })
}

/// The folder of the locks is made when it is first missed: a reader of the state needs none. A symbolic link in its
/// place would have the files made, signed and removed elsewhere.
fn with_folder<T>(
    layout: &StateLayout,
    lock: impl Fn() -> Result<T, LockError>,
) -> Result<T, LockError> {
    whole_file::private_folder(&layout.locks())?;
    lock()
}

/// Whether somebody has the endpoint's lock. Asks by a shared lock, held for an instant, on a file that
/// must be there: a list must work on a read-only file system, and lists must not disturb each other.
pub(super) fn is_held(layout: &StateLayout, id: EndpointId) -> bool {
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(O_NOFOLLOW | O_NONBLOCK)
        .open(layout.lock(id));
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_seen_names_its_holder_and_ends_with_the_drop() {
        let root = tempfile::tempdir().unwrap();
        let layout = StateLayout::new(root.path());
        let id = EndpointId::new(5).unwrap();
        assert!(!is_held(&layout, id));
        let lock = acquire(&layout, id, Duration::ZERO).unwrap();
        assert!(is_held(&layout, id));
        assert!(try_acquire(&layout, id).unwrap().is_none());
        let error = acquire(&layout, id, Duration::from_millis(5)).unwrap_err();
        let StateError::Locked { source, .. } = &error else {
            panic!("{error}");
        };
        let pid = std::process::id().to_string();
        assert!(source.to_string().contains(&pid), "{source}");
        drop(lock);
        assert!(!is_held(&layout, id));
        assert!(try_acquire(&layout, id).unwrap().is_some());
    }
}
