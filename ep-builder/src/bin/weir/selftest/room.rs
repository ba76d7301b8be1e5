//! Where nothing of the node is met: namespaces of the calling thread's own, and a file system in memory with all that
//! is written. They end with the last thread and process in them, however these end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use ep_builder::whole_file::{self, FileError};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::failure::Failure;

/// Every kernel with BPF has this folder, so none has to be made, and left. What is covered by it are the node's own
/// pins, which nobody here should find.
const ROOM: &str = "/sys/fs/bpf";
/// The mounts above it that others may share, the outermost first.
const ABOVE: [&str; 3] = ["/", "/sys", ROOM];
const NONE: Option<&str> = None;

/// The folders of a node that nobody else sees.
#[derive(Debug)]
pub(super) struct Room {
    folder: PathBuf,
}

impl Room {
    /// Takes the calling thread there, and all threads and processes that it starts from now on.
    pub(super) fn enter() -> Result<Self, Failure> {
        let own = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWCGROUP;
        unshare(own).map_err(cannot(
            "make namespaces that nobody else sees, which needs root",
        ))?;
        keep_to_ourselves().map_err(cannot("keep mounts from the rest of the machine"))?;
        let in_memory = mount(
            Some("tmpfs"),
            ROOM,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("mode=0700"),
        );
        in_memory.map_err(cannot("mount a file system in memory at /sys/fs/bpf"))?;
        let room = Self {
            folder: ROOM.into(),
        };
        for folder in [room.state(), room.policies(), room.pins(), room.groups()] {
            whole_file::private_folder(&folder)?;
        }
        let pins = mount_new("bpf", &room.pins());
        pins.map_err(cannot(
            "mount a BPF file system, which Linux has with CONFIG_BPF_SYSCALL",
        ))?;
        // The tree as this process stands in it: programs at its root meet nobody who stands elsewhere. A machine
        // without has none, as weir-cni will say.
        mount_new("cgroup2", &room.groups()).unwrap_or_default();
        Ok(room)
    }

    /// The configuration of the node.
    pub(super) fn config(&self) -> PathBuf {
        self.path("weir.toml")
    }

    /// Its state.
    pub(super) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Its policy documents.
    pub(super) fn policies(&self) -> PathBuf {
        self.path("policy.d")
    }

    /// Its pins.
    pub(super) fn pins(&self) -> PathBuf {
        self.path("pins")
    }

    /// Its tree of control groups.
    pub(super) fn groups(&self) -> PathBuf {
        self.path("groups")
    }

    /// The log of its plugin.
    pub(super) fn log(&self) -> PathBuf {
        self.path("weir-cni.log")
    }

    /// All of it.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// Of a root that is no mount, as that of a plain `chroot`, only what is above the room is kept to ourselves.
fn keep_to_ourselves() -> Result<(), Errno> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    let kept = ABOVE.map(|place| mount(NONE, place, NONE, private, NONE));
    match kept {
        [Ok(()), ..] | [_, Ok(()), _] | [.., Ok(())] => Ok(()),
        [Err(errno), ..] => Err(errno),
    }
}

fn mount_new(kind: &str, place: &Path) -> Result<(), Errno> {
    mount(Some(kind), place, Some(kind), MsFlags::empty(), NONE)
}

fn cannot(attempted: &'static str) -> impl FnOnce(Errno) -> Failure {
    move |errno| Failure::System {
        what: format!("cannot {attempted}"),
        source: errno.into(),
    }
}

/// The files of a folder and of those in it, by their paths below it, in order.
pub(super) fn files(folder: &Path) -> Result<Vec<String>, FileError> {
    let mut found = Vec::new();
    collect(folder, folder, &mut found).map_err(FileError::of("list", folder))?;
    found.sort();
    Ok(found)
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(root, &entry.path(), found)?;
        } else if let Ok(below) = entry.path().strip_prefix(root) {
            found.push(below.display().to_string());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_by_their_paths_below() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b", "a/c", "a/b"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            whole_file::write(&path, b"").unwrap();
        }
        assert_eq!(files(folder.path()).unwrap(), ["a/b", "a/c", "b"]);
        assert!(files(&folder.path().join("none")).is_err());
    }
}
