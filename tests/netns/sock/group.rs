//! A control group of the calling thread's own.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Where the second version is mounted: alone, or beside the first.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// Far longer than a thread needs to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// A control group for threads, with the thread that made it inside, and the threads that this one starts.
/// Dropped, it goes, and the thread is back where it was.
pub(super) struct Group {
    pub(super) path: PathBuf,
    home: PathBuf,
}

impl Group {
    pub(super) fn enter() -> Self {
        let group = Self::beside();
        tell(&group.path.join("cgroup.threads"), "0");
        group
    }

    /// One that nobody is in.
    pub(super) fn beside() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let home = home();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = home.join(format!("weir-sock-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        tell(&path.join("cgroup.type"), "threaded");
        Self { path, home }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if fs::read_to_string("/proc/thread-self/cgroup")
            .is_ok_and(|groups| groups.contains(self.name()))
        {
            tell(&self.home.join("cgroup.threads"), "0");
        }
        let end = Instant::now() + PATIENCE;
        // A thread leaves its group some time after it was joined.
        while let Err(error) = fs::remove_dir(&self.path) {
            assert!(Instant::now() < end, "{}: {error}", self.path.display());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Group {
    fn name(&self) -> &str {
        self.path.file_name().unwrap().to_str().unwrap()
    }
}

/// The group of the process.
fn home() -> PathBuf {
    let mounted = |mount: &&str| Path::new(mount).join("cgroup.procs").exists();
    let mount = MOUNTS
        .into_iter()
        .find(mounted)
        .expect("cgroup2 is mounted");
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    Path::new(mount).join(own.expect("the process is in a group of cgroup2"))
}

/// Files of the kernel take no temporary name.
fn tell(path: &Path, word: &str) {
    let file = OpenOptions::new().write(true).open(path);
    let told = file.and_then(|mut file| file.write_all(word.as_bytes()));
    told.unwrap_or_else(|error| panic!("{word} to {}: {error}", path.display()));
}
