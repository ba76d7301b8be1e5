//! A thread of the test with mounts and a network of its own, which go away with it.

use std::fs;
use std::path::{Path, PathBuf};

use ep_builder::whole_file;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

const NONE: Option<&str> = None;

/// From now on what the calling thread mounts is seen by it and its children alone; so is its network.
pub(crate) fn enter() {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).unwrap();
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
    mount_new("bpf", Path::new("/sys/fs/bpf"));
}

/// A new file system.
pub(crate) fn mount_new(kind: &str, place: &Path) {
    fs::create_dir_all(place).unwrap();
    mount(Some(kind), place, Some(kind), MsFlags::empty(), NONE).unwrap();
}

/// What is at one place, at another, too.
pub(crate) fn bind(from: &Path, to: &Path) {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some(from), to, NONE, flags, NONE).unwrap();
}

/// Lets go of what was mounted below a folder, which could not be removed otherwise.
pub(crate) fn leave(scratch: &Path) {
    for name in ["root", "layer"] {
        leave_one(&scratch.join(name));
    }
}

/// Of this one.
pub(crate) fn leave_one(place: &Path) {
    umount2(place, MntFlags::MNT_DETACH).unwrap();
}

/// Of this one, where there is one: what a test that failed half-way has.
pub(crate) fn leave_if_there(place: &Path) {
    let _is_none = umount2(place, MntFlags::MNT_DETACH);
}

/// The machine's root, with all that is written to it in memory below `scratch`. Returns the new root.
pub(crate) fn copy_of_root(scratch: &Path) -> PathBuf {
    let layer = scratch.join("layer");
    mount_new("tmpfs", &layer);
    let root = scratch.join("root");
    for folder in [&layer.join("upper"), &layer.join("work"), &root] {
        fs::create_dir_all(folder).unwrap();
    }
    let layer = layer.display();
    let options = format!("lowerdir=/,upperdir={layer}/upper,workdir={layer}/work");
    let flags = MsFlags::empty();
    mount(
        Some("overlay"),
        &root,
        Some("overlay"),
        flags,
        Some(options.as_str()),
    )
    .unwrap();
    for name in ["proc", "sys", "dev"] {
        bind(&Path::new("/").join(name), &root.join(name));
    }
    for name in ["run", "tmp", "opt"] {
        mount_new("tmpfs", &root.join(name));
    }
    // This machine may have had weir.
    for place in [
        "etc/weir",
        "usr/lib/weir",
        "var/lib/weir",
        "var/log/weir",
        "usr/bin/weir",
    ] {
        whole_file::remove(&root.join(place)).unwrap();
    }
    root
}
