//! Control groups that bound the memory of who is in them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// Where a hierarchy with this controller is, and what its files are called: the limit, and the most that was used.
/// First that of version 2.
const HIERARCHIES: [(&str, &str, &str); 2] = [
    ("/sys/fs/cgroup", "memory.max", "memory.peak"),
    (
        "/sys/fs/cgroup/memory",
        "memory.limit_in_bytes",
        "memory.max_usage_in_bytes",
    ),
];

/// How long is waited for the last of a group to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// A group. It is removed with the value; what its processes have left in the kernel stays, as in life.
#[derive(Debug)]
pub struct MemoryGroup {
    folder: PathBuf,
    limit: &'static str,
    peak: &'static str,
}

impl MemoryGroup {
    /// One without a limit, below the root of the hierarchy. The reason, if this machine has no such thing.
    pub fn new() -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("weir-test-{}-{number}", process::id());
        for (root, limit, peak) in HIERARCHIES {
            let folder = Path::new(root).join(&name);
            if fs::create_dir(&folder).is_err() {
                continue;
            }
            let group = Self {
                folder,
                limit,
                peak,
            };
            // In a hierarchy without this controller a group has no such file.
            if group.folder.join(limit).exists() && group.folder.join(peak).exists() {
                return Ok(group);
            }
        }
        Err(io::Error::other(
            "no hierarchy of control groups has the controller `memory`",
        ))
    }

    /// Bounds what all in it may use together.
    pub fn limit(&self, bytes: u64) {
        let file = OpenOptions::new()
            .write(true)
            .open(self.folder.join(self.limit));
        let written = file.and_then(|mut file| file.write_all(bytes.to_string().as_bytes()));
        written.expect("a limit can be set");
    }

    /// The most that all in it have used together.
    pub fn peak(&self) -> u64 {
        let text = fs::read_to_string(self.folder.join(self.peak));
        let text = text.expect("a group counts");
        text.trim().parse().expect("a count is a number")
    }

    /// The same command, which is in the group from before its first instruction.
    pub fn hold(&self, command: &Command) -> Command {
        let mut held = Command::new("sh");
        held.args(["-c", "echo $$ >\"$0\" && exec \"$@\""])
            .arg(self.folder.join("cgroup.procs"))
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => held.env(name, value),
                None => held.env_remove(name),
            };
        }
        held
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // Who was killed for want of memory is in it until it is waited for, and a moment longer.
        let tick = Duration::from_millis(10);
        let mut waited = Duration::ZERO;
        while fs::remove_dir(&self.folder).is_err() && waited < PATIENCE {
            sleep(tick);
            waited += tick;
        }
    }
}
