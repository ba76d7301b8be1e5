//! What an installation changes of the running machine, and what it was like before: no part of an image.
#![expect(
    unsafe_code,
    reason = "the wrapper of mount(2) is in a feature of nix that nothing else here needs"
)]

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc::{self, MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RELATIME};

use super::error::InstallError;
use super::record::{Before, Record};
use super::root::Root;
use crate::load::check_bpffs;
use crate::settings::Paths;
use crate::this_start::this_start;
use crate::whole_file::{self, is_absent};

/// Where a BPF file system belongs.
pub(super) const BPFFS: &str = "/sys/fs/bpf";
const BPFFS_C: &CStr = c"/sys/fs/bpf";
const KIND: &CStr = c"bpf";
/// Root alone: whoever opens a pin may change a map.
const OPTIONS: &CStr = c"mode=0700";

/// What some kernels have in a new one (`CONFIG_BPF_PRELOAD`).
pub const PRELOADED: [&str; 2] = ["maps.debug", "progs.debug"];

/// Settings that an ADD of a pod switches on, below this folder.
const SETTINGS: [&str; 2] = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"];
const OF_SETTINGS: &str = "/proc/sys/net";

/// Whether a BPF file system is to be mounted: the pins belong into the usual one, and there is none.
pub(super) fn wants_bpffs(root: &Root, paths: &Paths) -> bool {
    root.is_live() && paths.bpffs_dir.starts_with(BPFFS) && check_bpffs(&paths.bpffs_dir).is_err()
}

/// Mounts a BPF file system if there is none and the pins belong into the usual one; returns whether it did.
pub fn mount_missing_bpffs(paths: &Paths) -> Result<bool, InstallError> {
    let is_wanted = wants_bpffs(&Root::Live, paths);
    if is_wanted {
        mount_bpffs()?;
    }
    Ok(is_wanted)
}

/// Mounts a BPF file system.
pub(super) fn mount_bpffs() -> Result<(), InstallError> {
    let flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
    // SAFETY: all strings end in a zero and live until the call returns.
    let mounted = unsafe {
        libc::mount(
            KIND.as_ptr(),
            BPFFS_C.as_ptr(),
            KIND.as_ptr(),
            flags,
            OPTIONS.as_ptr().cast(),
        )
    };
    judged(mounted, "mount a BPF file system at")
}

/// Takes the BPF file system away.
fn unmount_bpffs() -> Result<(), InstallError> {
    // SAFETY: the string ends in a zero and lives until the call returns.
    let unmounted = unsafe { libc::umount2(BPFFS_C.as_ptr(), libc::UMOUNT_NOFOLLOW) };
    judged(unmounted, "take away the BPF file system at")
}

fn judged(result: libc::c_int, what: &'static str) -> Result<(), InstallError> {
    let result = Errno::result(result).map(drop);
    result.map_err(|source| InstallError::Mount {
        what,
        place: BPFFS.into(),
        source,
    })
}

/// The machine as it is now, for later; what an earlier installation has noted counts instead.
pub(super) fn before(root: &Root, record: Option<&Record>, paths: &Paths) -> Option<Before> {
    if !root.is_live() {
        return None;
    }
    let noted = record.and_then(|record| record.before.clone());
    noted.or_else(|| Some(now(paths)))
}

fn now(paths: &Paths) -> Before {
    let log = paths.log_file.as_deref().and_then(Path::parent);
    let made = [paths.state_dir.as_path(), &paths.bpffs_dir];
    let folders = made.into_iter().chain(log).flat_map(Path::ancestors);
    let absent = folders.filter(|folder| is_absent(folder));
    let absent: BTreeSet<_> = absent.map(Path::to_owned).collect();
    let settings = SETTINGS.iter().filter_map(|name| {
        let text = fs::read_to_string(Path::new(OF_SETTINGS).join(name)).ok()?;
        Some(((*name).to_owned(), text.trim().to_owned()))
    });
    Before {
        boot: this_start().unwrap_or_default(),
        // Where none is mounted for us, none is ours.
        had_bpffs: !paths.bpffs_dir.starts_with(BPFFS) || check_bpffs(Path::new(BPFFS)).is_ok(),
        absent: below_bpffs(&absent, paths),
        settings: settings.collect(),
    }
}

/// In a BPF file system that is not there yet nothing is there.
fn below_bpffs(absent: &BTreeSet<PathBuf>, paths: &Paths) -> BTreeSet<PathBuf> {
    let pins = paths.bpffs_dir.ancestors();
    let inside = pins.take_while(|folder| *folder != Path::new(BPFFS) && *folder != Path::new("/"));
    let is_new = check_bpffs(&paths.bpffs_dir).is_err();
    let new = inside.filter(|_| is_new).map(Path::to_owned);
    absent.iter().cloned().chain(new).collect()
}

/// Makes the machine as it was: folders that weir made while it worked, settings, the BPF file system. Returns what
/// was changed. `unit` says whether ours mounts that file system at boot.
pub(super) fn restore(
    before: &Before,
    has_unit: bool,
) -> Result<Vec<(&'static str, PathBuf)>, InstallError> {
    let mut restored = Vec::new();
    // The deepest first.
    for folder in before.absent.iter().rev() {
        if fs::remove_dir(folder).is_ok() {
            restored.push(("remove folder", folder.clone()));
        }
    }
    let is_same_boot = before.boot == this_start().unwrap_or_default();
    for (name, value) in before.settings.iter().filter(|_| is_same_boot) {
        let path = Path::new(OF_SETTINGS).join(name);
        let now = fs::read_to_string(&path).unwrap_or_default();
        // Only what a pod switches on: any other value is somebody else's.
        if value == "0" && now.trim() == "1" {
            whole_file::write_output(&path, value.as_bytes())?;
            restored.push(("put back", path));
        }
    }
    let is_ours = !before.had_bpffs && (is_same_boot || has_unit);
    let is_empty = || {
        fs::read_dir(BPFFS).is_ok_and(|names| {
            let mut names = names.flatten().map(|entry| entry.file_name());
            names.all(|name| PRELOADED.iter().any(|own| name == *own))
        })
    };
    if is_ours && check_bpffs(Path::new(BPFFS)).is_ok() && is_empty() {
        unmount_bpffs()?;
        restored.push(("unmount", BPFFS.into()));
    }
    Ok(restored)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn folders_that_weir_will_make_are_noted() {
        let here = tempfile::tempdir().unwrap();
        let there = here.path().join("there");
        fs::create_dir(&there).unwrap();
        let paths = Paths {
            state_dir: there.join("a/b"),
            log_file: Some(there.join("log/weir.log")),
            bpffs_dir: there.clone(),
            ..Paths::default()
        };
        let before = now(&paths);
        let absent = ["a", "a/b", "log"].map(|name| there.join(name));
        for folder in &absent {
            assert!(before.absent.contains(folder), "{before:?}");
        }
        fs::create_dir_all(&absent[1]).unwrap();
        fs::create_dir(&absent[2]).unwrap();
        fs::create_dir(absent[2].join("kept")).unwrap();
        let other = Before {
            settings: BTreeMap::new(),
            had_bpffs: true,
            absent: absent.clone().into(),
            ..before
        };
        restore(&other, false).unwrap();
        assert_eq!(absent.map(|folder| folder.exists()), [false, false, true]);
    }
}
