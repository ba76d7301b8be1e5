//! The unit of systemd that mounts a BPF file system at boot.

use std::path::{Path, PathBuf};

use super::machine;
use super::record::Record;
use super::root::Root;
use super::survey::{Content, Item, Role};
use super::tree::PLAIN;
use crate::digest::FileFacts;
use crate::settings::Paths;
use crate::whole_file::FileError;

const FOLDER: &str = "/etc/systemd/system";
/// systemd wants a mount's unit to be named after its place.
const NAME: &str = "sys-fs-bpf.mount";
const WANTS: &str = "local-fs.target.wants";

/// Where systemd itself is, and where packages put units.
const SYSTEMD: [&str; 2] = ["/usr/lib/systemd/systemd", "/lib/systemd/systemd"];
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/system", "/lib/systemd/system"];
/// There while systemd runs the machine (`sd_booted(3)`).
const RUNNING: &str = "/run/systemd/system";

const UNIT: &str = "\
[Unit]
Description=BPF file system, in which weir pins its maps
DefaultDependencies=no
Before=local-fs.target umount.target
Conflicts=umount.target
After=swap.target

[Mount]
What=bpf
Where=/sys/fs/bpf
Type=bpf
Options=rw,nosuid,nodev,noexec,relatime,mode=700

[Install]
WantedBy=local-fs.target
";

/// The unit, if it is of use: systemd runs the machine, nobody else's unit does the same, and there is no BPF file
/// system without it. One that was installed stays.
pub(super) fn wanted(
    root: &Root,
    record: Option<&Record>,
    paths: &Paths,
) -> Result<Option<Item>, FileError> {
    let path = Path::new(FOLDER).join(NAME);
    let is_installed = record.is_some_and(|record| record.files.contains_key(&path));
    let packaged = PACKAGED.map(|folder| Path::new(folder).join(NAME));
    let has_other = has_one(root, packaged.iter().map(PathBuf::as_path))?;
    let is_of_use = if root.is_live() {
        root.has_folder(Path::new(RUNNING))? && machine::wants_bpffs(root, paths)
    } else {
        has_one(root, SYSTEMD.iter().map(Path::new))?
    };
    let is_wanted = is_installed || (is_of_use && !has_other);
    Ok(is_wanted.then(|| Item {
        path,
        role: Role::Unit,
        facts: FileFacts::of(UNIT.as_bytes()),
        content: Content::Text(UNIT.as_bytes().to_owned()),
        mode: PLAIN,
    }))
}

/// Whether there is one of these files.
fn has_one<'a>(root: &Root, mut paths: impl Iterator<Item = &'a Path>) -> Result<bool, FileError> {
    paths.try_fold(false, |has_one, path| {
        let names = root.names(path.parent().unwrap_or(path))?;
        Ok(has_one || names.iter().any(|name| path.ends_with(name)))
    })
}

/// The symbolic link by which systemd starts a unit at boot, and where it leads.
pub(super) fn link() -> (PathBuf, PathBuf) {
    let link = Path::new(FOLDER).join(WANTS).join(NAME);
    (link, Path::new("..").join(NAME))
}
