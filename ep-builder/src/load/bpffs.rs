//! The folder of the pins, and the names in it.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use nix::sys::statfs::{BPF_FS_MAGIC, FsType, SYSFS_MAGIC, TMPFS_MAGIC, statfs};

use super::error::LoadError;
use super::owner::Owner;
use crate::attach::Hook;
use crate::maps::MapName;
use crate::shape::MapPrefix;
use crate::whole_file::FileError;

/// Where bpffs is mounted on every usual host.
const MOUNT: &str = "/sys/fs/bpf";
/// The folder below it that stock tc uses.
const GLOBALS: &str = "tc/globals";

/// Refuses a folder outside a BPF file system, where nothing can be pinned. Changes nothing.
pub fn check_bpffs(dir: &Path) -> Result<(), LoadError> {
    let there = dir.ancestors().find(|folder| folder.exists());
    let there = there.unwrap_or(Path::new("/"));
    let kind = statfs(there)
        .map_err(|errno| FileError::of("look at", there)(errno.into()))?
        .filesystem_type();
    if kind != BPF_FS_MAGIC {
        return Err(no_bpffs(dir, kind));
    }
    Ok(())
}

/// Makes the folder, where it can be one for pins.
pub(crate) fn ready(dir: &Path) -> Result<(), LoadError> {
    check_bpffs(dir)?;
    if !dir.exists() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(FileError::of("make folder", dir))?;
    }
    Ok(())
}

fn no_bpffs(dir: &Path, kind: FsType) -> LoadError {
    let mount = mount_point(dir);
    let found = match kind {
        _ if !mount.exists() => "missing".to_owned(),
        TMPFS_MAGIC => "a tmpfs".to_owned(),
        SYSFS_MAGIC => "an empty folder of sysfs".to_owned(),
        FsType(other) => format!("on a file system of type {other:#x}"),
    };
    LoadError::NoBpffs {
        dir: dir.to_owned(),
        mount,
        found,
    }
}

/// Where the file system belongs for this folder.
fn mount_point(dir: &Path) -> PathBuf {
    let usual = Path::new(MOUNT);
    if dir.starts_with(usual) {
        return usual.to_owned();
    }
    let above = dir
        .ends_with(GLOBALS)
        .then(|| dir.ancestors().nth(2))
        .flatten();
    above.unwrap_or(dir).to_owned()
}

/// The pins of an endpoint or of a device of the node, and those it shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    dir: PathBuf,
    prefix: MapPrefix,
    owner: Owner,
}

impl Pins {
    /// The pins of an owner in a folder.
    pub fn new(dir: &Path, prefix: &MapPrefix, owner: Owner) -> Self {
        Self {
            dir: dir.to_owned(),
            prefix: prefix.clone(),
            owner,
        }
    }

    /// Whose they are.
    pub(super) fn owner(&self) -> Owner {
        self.owner
    }

    /// Its place in the maps of all endpoints' programs.
    pub(super) fn slot(&self) -> [u8; 4] {
        self.owner.number().to_ne_bytes()
    }

    /// The pin of a map.
    pub fn of(&self, map: &str) -> PathBuf {
        self.dir.join(map)
    }

    /// Which map of ours this is; none if it is another's.
    pub(super) fn map(&self, name: &str) -> Option<MapName> {
        MapName::parse(&self.prefix, name)
    }

    fn own_name(&self, what: &str) -> String {
        self.prefix.map(&format!("{what}_{}", self.owner.digits()))
    }

    /// The name of its calls map.
    pub fn calls_name(&self) -> String {
        self.own_name("calls")
    }

    /// The name of its policy map.
    pub fn policy_name(&self) -> String {
        self.own_name("policy")
    }

    /// The name of the map of all endpoints' policy programs.
    pub fn call_policy_name(&self) -> String {
        self.prefix.map("call_policy")
    }

    /// The name of the map of all endpoints' programs that judge connections.
    pub fn verdict_name(&self) -> String {
        self.prefix.map("verdict")
    }

    /// The name of a calls map that the endpoints of a template share.
    pub fn tails_name(&self, digest: &str) -> String {
        self.prefix.map(&format!("tails_{digest}"))
    }

    /// The name of the map of local addresses.
    pub fn endpoints_name(&self) -> String {
        self.prefix.map("lxc")
    }

    /// The pin of its link on a hook, if it is attached by tcx.
    pub fn link(&self, hook: Hook) -> PathBuf {
        let what = if hook.is_from() {
            "link_from"
        } else {
            "link_to"
        };
        self.dir.join(self.own_name(what))
    }

    /// Whether a map of this name is the owner's alone.
    pub fn is_own(&self, name: &str) -> bool {
        let begins = self.prefix.map("");
        let ends = format!("_{}", self.owner.digits());
        name.len() > begins.len() + ends.len() && name.starts_with(&begins) && name.ends_with(&ends)
    }

    /// Every pin of the owner's alone that there is, also one that a killed loader left half-way.
    pub(super) fn own(&self) -> Result<Vec<PathBuf>, FileError> {
        let error = FileError::of("list", &self.dir);
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(error(e)),
        };
        let mut own = Vec::new();
        for entry in entries {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if self.is_own(name.strip_suffix("__new").unwrap_or(&name)) {
                own.push(entry.path());
            }
        }
        own.sort();
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceId;
    use crate::endpoint::EndpointId;

    #[test]
    fn own_maps_are_told_from_others() {
        let prefix = MapPrefix::new("weir").unwrap();
        let owner = Owner::Endpoint(EndpointId::new(7).unwrap());
        let pins = Pins::new(Path::new("/b"), &prefix, owner);
        for (name, want) in [
            ("weir_policy_00007", true),
            ("weir_calls_00007", true),
            ("weir_ct_any4_00007", true),
            ("weir_link_from_00007", true),
            ("weir_policy_00017", false),
            ("weir_policy_100007", false),
            ("weir_call_policy", false),
            ("other_policy_00007", false),
            ("weir_00007", false),
        ] {
            assert_eq!(pins.is_own(name), want, "{name}");
        }
        assert_eq!(
            pins.link(Hook::ToContainer),
            Path::new("/b/weir_link_to_00007")
        );
        let owner = Owner::Device(DeviceId::Native(7));
        let pins = Pins::new(Path::new("/b"), &prefix, owner);
        assert_eq!(pins.calls_name(), "weir_calls_netdev_0000000007");
        for (name, want) in [
            ("weir_calls_netdev_0000000007", true),
            ("weir_link_from_netdev_0000000007", true),
            ("weir_calls_netdev_0000000017", false),
            ("weir_calls_hostns_0000000000", false),
            ("weir_calls_00007", false),
        ] {
            assert_eq!(pins.is_own(name), want, "{name}");
        }
        assert_eq!(
            pins.link(Hook::ToNetdev),
            Path::new("/b/weir_link_to_netdev_0000000007")
        );
    }

    #[test]
    fn a_folder_elsewhere_is_refused_with_the_command_that_helps() {
        let folder = tempfile::tempdir().unwrap();
        let error = ready(&folder.path().join("tc/globals"))
            .unwrap_err()
            .to_string();
        let command = format!("`mount -t bpf bpf {}`", folder.path().display());
        assert!(error.contains(&command), "{error}");
        for (dir, mount) in [
            ("/sys/fs/bpf/tc/globals", "/sys/fs/bpf"),
            ("/sys/fs/bpf/x/y", "/sys/fs/bpf"),
            ("/run/b/tc/globals", "/run/b"),
            ("/run/b", "/run/b"),
        ] {
            assert_eq!(mount_point(Path::new(dir)), Path::new(mount), "{dir}");
        }
    }
}
