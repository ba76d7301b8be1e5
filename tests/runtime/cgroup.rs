//! The control groups of one node. A cgroup file system belongs to no namespace that would take them along.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

const ROOT: &str = "/sys/fs/cgroup";
const PREFIX: &str = "weir-tests-";

/// A name below the root of every hierarchy. What is there goes away with the value.
pub(crate) struct Cgroup {
    name: String,
}

impl Cgroup {
    /// A name of this node's own. Those of test processes that were killed are cleared.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        for place in groups().filter(|place| is_orphan(place)) {
            remove(&place);
        }
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", process::id());
        Self { name }
    }

    /// As runtimes take it.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let own = |place: &PathBuf| place.file_name().is_some_and(|name| *name == *self.name);
        for place in groups().filter(own) {
            remove(&place);
        }
    }
}

/// Groups of any test, in the one hierarchy of version 2 and in the many of version 1.
fn groups() -> impl Iterator<Item = PathBuf> {
    let hierarchies = folders(Path::new(ROOT));
    let all = hierarchies.iter().flat_map(|path| folders(path));
    let all: Vec<_> = all.chain(hierarchies.clone()).collect();
    all.into_iter().filter(|path| owner(path).is_some())
}

fn owner(place: &Path) -> Option<&str> {
    let name = place.file_name()?.to_str()?;
    name.strip_prefix(PREFIX)?.split('-').next()
}

fn is_orphan(place: &Path) -> bool {
    owner(place).is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// A group of processes that have just ended is busy for a moment.
fn remove(place: &Path) {
    for folder in folders(place) {
        remove(&folder);
    }
    for _ in 0..100 {
        match fs::remove_dir(place) {
            Err(error) if error.kind() == ErrorKind::ResourceBusy => {
                thread::sleep(Duration::from_millis(20));
            }
            _ => return,
        }
    }
}
