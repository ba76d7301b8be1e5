//! Settings below `/proc/sys/net`: what the node needs, and what was there before.
//!
//! Each is read first and written only where it differs, so that a node where `/proc/sys` is read-only and right
//! can be set up. What is changed is known before it is changed, for [`restore`].

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::NodeError;

/// The settings of the calling thread's namespace.
pub(super) const ROOT: &str = "/proc/sys/net";
/// The switches of a whole family, and where its devices have theirs.
const FAMILIES: [(&str, &str); 2] = [
    ("ipv4/ip_forward", "ipv4/conf"),
    ("ipv6/conf/all/forwarding", "ipv6/conf"),
];

/// A setting that the node changes, or that changes with one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its file.
    pub file: String,
    /// What it said.
    pub before: String,
    /// What it must say.
    pub wanted: String,
}

/// What must be changed so that the node forwards packets of these families. Changes nothing.
pub(super) fn needed(root: &Path, has: [bool; 2]) -> Vec<Change> {
    let mut changes = Vec::new();
    for ((switch, devices), _) in FAMILIES.into_iter().zip(has).filter(|(_, has)| *has) {
        match read(root, switch) {
            Some(found) if found != "1" => {
                let of_devices = of_devices(root, devices);
                // A host that forwards forgets the routers that it listened to, unless the device says so.
                changes.extend(of_devices.iter().filter_map(listens));
                changes.push(change(switch, &found, "1"));
                // The switch is every device's: those that are on already are on afterwards, too.
                let on = of_devices.iter().filter(|it| it.forwards == "1");
                changes.extend(on.map(|it| change(&it.file("forwarding"), "1", "1")));
            }
            // The kernel does not have the family, or it is set.
            _ => {}
        }
    }
    changes
}

fn change(file: &str, before: &str, wanted: &str) -> Change {
    Change {
        file: file.to_owned(),
        before: before.to_owned(),
        wanted: wanted.to_owned(),
    }
}

/// The settings of a device that its family's switch has to do with.
struct OfDevice {
    folder: String,
    forwards: String,
    listens: Option<String>,
}

impl OfDevice {
    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }
}

fn of_devices(root: &Path, folder: &str) -> Vec<OfDevice> {
    let entries = fs::read_dir(root.join(folder)).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name != "all").collect();
    names.sort();
    let device = |name: String| {
        let folder = format!("{folder}/{name}");
        let listens = (name != "default").then(|| read(root, &format!("{folder}/accept_ra")));
        Some(OfDevice {
            forwards: read(root, &format!("{folder}/forwarding"))?,
            listens: listens.flatten(),
            folder,
        })
    };
    names.into_iter().filter_map(device).collect()
}

fn listens(device: &OfDevice) -> Option<Change> {
    let is_listening = device.listens.as_deref() == Some("1") && device.forwards == "0";
    is_listening.then(|| change(&device.file("accept_ra"), "1", "2"))
}

/// Makes settings what they must be.
pub(super) fn apply(root: &Path, changes: &[Change]) -> Result<(), NodeError> {
    changes
        .iter()
        .try_for_each(|change| set(root, &change.file, &change.wanted))
}

/// Puts settings back as they were. One that says something else by now is somebody's; so is one whose device is
/// gone. Says what could not be put back.
pub(super) fn restore(root: &Path, changes: &[Change]) -> Vec<String> {
    let ours: Vec<_> = changes
        .iter()
        .filter(|change| read(root, &change.file).as_ref() == Some(&change.wanted))
        .collect();
    let put_back = |change: &Change| set(root, &change.file, &change.before).err();
    let failed = ours.into_iter().filter_map(put_back);
    failed.map(|error| crate::error::chain(&error)).collect()
}

/// Lets a device of ours have IPv6 addresses, where the kernel has IPv6.
pub(super) fn allow_ipv6(root: &Path, device: &str) -> Result<(), NodeError> {
    let file = format!("ipv6/conf/{device}/disable_ipv6");
    match read(root, &file) {
        None => Ok(()),
        Some(_) => set(root, &file, "0"),
    }
}

/// Whether the kernel has IPv6.
pub(super) fn has_ipv6(root: &Path) -> bool {
    root.join("ipv6").exists()
}

/// What a setting says; none if it cannot be read.
fn read(root: &Path, file: &str) -> Option<String> {
    let text = fs::read_to_string(root.join(file)).ok()?;
    Some(text.trim().to_owned())
}

fn set(root: &Path, file: &str, wanted: &str) -> Result<(), NodeError> {
    if read(root, file).as_deref() == Some(wanted) {
        return Ok(());
    }
    let path = root.join(file);
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(&path)?;
        file.write_all(wanted.as_bytes())
    };
    write().map_err(|source| NodeError::Setting {
        path: path.clone(),
        wanted: wanted.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_file;

    /// A folder like `/proc/sys/net` with these files.
    fn settings(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, value) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            whole_file::write(&path, format!("{value}\n").as_bytes()).unwrap();
        }
        root
    }

    const NODE: &[(&str, &str)] = &[
        ("ipv4/ip_forward", "0"),
        ("ipv4/conf/all/forwarding", "0"),
        ("ipv4/conf/eth0/forwarding", "0"),
        ("ipv4/conf/eth1/forwarding", "1"),
        ("ipv6/conf/all/forwarding", "0"),
        ("ipv6/conf/all/accept_ra", "1"),
        ("ipv6/conf/default/forwarding", "0"),
        ("ipv6/conf/default/accept_ra", "1"),
        ("ipv6/conf/eth0/forwarding", "0"),
        ("ipv6/conf/eth0/accept_ra", "1"),
        ("ipv6/conf/eth1/forwarding", "1"),
        ("ipv6/conf/eth1/accept_ra", "1"),
        ("ipv6/conf/eth2/forwarding", "0"),
        ("ipv6/conf/eth2/accept_ra", "0"),
    ];

    fn lines(changes: &[Change]) -> Vec<String> {
        let line = |it: &Change| format!("{} {}-{}", it.file, it.before, it.wanted);
        changes.iter().map(line).collect()
    }

    #[test]
    fn a_family_is_switched_on_with_all_that_changes_by_that() {
        let root = settings(NODE);
        let ipv4 = ["ipv4/ip_forward 0-1", "ipv4/conf/eth1/forwarding 1-1"];
        let ipv6 = [
            "ipv6/conf/eth0/accept_ra 1-2",
            "ipv6/conf/all/forwarding 0-1",
            "ipv6/conf/eth1/forwarding 1-1",
        ];
        for (has, want) in [
            ([false, false], vec![]),
            ([true, false], ipv4.to_vec()),
            ([false, true], ipv6.to_vec()),
            ([true, true], [&ipv4[..], &ipv6].concat()),
        ] {
            assert_eq!(lines(&needed(root.path(), has)), want, "{has:?}");
        }
        apply(root.path(), &needed(root.path(), [true, true])).unwrap();
        assert_eq!(needed(root.path(), [true, true]), [], "once is enough");
        let without = settings(&NODE[..4]);
        assert_eq!(needed(without.path(), [false, true]), [], "no IPv6");
        assert!(!has_ipv6(without.path()) && has_ipv6(root.path()));
    }

    #[test]
    fn all_is_put_back_but_what_somebody_changed_since() {
        let root = settings(NODE);
        let changes = needed(root.path(), [true, true]);
        apply(root.path(), &changes).unwrap();
        let says = |file: &str| read(root.path(), file).unwrap();
        assert_eq!(says("ipv6/conf/eth0/accept_ra"), "2");
        set(root.path(), "ipv4/ip_forward", "7").unwrap();
        fs::remove_dir_all(root.path().join("ipv6/conf/eth1")).unwrap();
        assert_eq!(restore(root.path(), &changes), [""; 0]);
        assert_eq!(says("ipv4/ip_forward"), "7");
        assert_eq!(says("ipv6/conf/eth0/accept_ra"), "1");
        assert_eq!(says("ipv6/conf/all/forwarding"), "0");
    }

    #[test]
    fn what_cannot_be_set_is_named() {
        let root = settings(&[]);
        let error = apply(root.path(), &[change("ipv4/ip_forward", "0", "1")]).unwrap_err();
        let said = format!("{error}; {}", error.advice().unwrap());
        assert!(
            said.contains("ipv4/ip_forward to 1") && said.contains("/proc/sys"),
            "{said}"
        );
        allow_ipv6(root.path(), "weir_host").unwrap();
    }
}
