//! What is known of the node: one file, under its own lock.
//!
//! It is written before anything is made, with what was there before, so that whoever comes after a process that
//! died can finish the work or undo it. Without it the pair is known by its mark and our filters by their
//! names; what the kernel's settings were is lost then.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::addresses::Hints;
use super::error::NodeError;
use super::kernel::Change;
use crate::attach::Clsact;
use crate::device::{DeviceFacts, DeviceKind};
use crate::key::TemplateKey;
use crate::lock::FileLock;
use crate::maps::Prefix;
use crate::sealed::{seal, unseal};
use crate::settings::Settings;
use crate::state::StateLayout;
use crate::whole_file::{self, FileError};

/// The format written here, and the only one read.
const FORMAT: u32 = 1;
/// Far more than a node with thousands of addresses needs.
const LIMIT: u64 = 4 << 20;
/// A runtime that gives up kills us; whoever sets the node up is done in a second, or compiles.
const PATIENCE: Duration = Duration::from_mins(1);

/// How far the setup came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Something may be half made.
    Begun,
    /// All is made.
    Ready,
    /// Something may be half removed.
    Leaving,
    /// Nothing is there but what pods still need: they were there when the node's part was taken away.
    Cleaned,
}

/// A device with programs of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRecord {
    /// Its facts, in the same object.
    #[serde(flatten)]
    pub facts: DeviceFacts,
    /// What its default routes say of the source, of IPv4 and of IPv6.
    #[serde(default)]
    pub hints: [Hints; 2],
    /// What its programs were made from, once they are there: others are made after an upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateKey>,
    /// Whether clsact was there before anything of ours: then it stays when ours goes.
    #[serde(default)]
    pub had_clsact: bool,
}

impl DeviceRecord {
    /// What becomes of clsact when our programs go.
    pub(super) fn clsact(&self) -> Clsact {
        if self.had_clsact {
            Clsact::Stays
        } else {
            Clsact::CameWithOurs
        }
    }
}

/// A network of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodNetwork {
    /// The network.
    pub network: Prefix,
    /// What its pods call the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// An address of the node, and the device that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeAddress {
    /// The address.
    pub address: IpAddr,
    /// The device's number.
    pub ifindex: u32,
}

/// What of the configuration the setup follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    prefix: String,
    families: [bool; 2],
    devices: Vec<String>,
    native_cidrs: Vec<Prefix>,
    pod_cidrs: Vec<Prefix>,
}

impl Wanted {
    /// What the settings ask for.
    pub(super) fn of(settings: &Settings) -> Self {
        let (node, host) = (&settings.node, &settings.host);
        Self {
            prefix: node.map_prefix.to_string(),
            families: [node.ipv4, node.ipv6],
            devices: host.devices.clone(),
            native_cidrs: host.native_cidrs.clone(),
            pod_cidrs: host.pod_cidrs.clone(),
        }
    }
}

/// What is known of the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    format: u32,
    /// How far the setup came.
    pub state: Stage,
    /// The configuration that it follows.
    pub wanted: Wanted,
    /// Devices that have programs of ours, or may have.
    pub devices: Vec<DeviceRecord>,
    /// The networks of pods that are known.
    pub networks: Vec<PodNetwork>,
    /// The addresses of the node.
    pub addresses: Vec<NodeAddress>,
    /// The kernel's settings that were changed.
    pub settings: Vec<Change>,
    /// Whether sockets have programs of ours.
    pub sockets: bool,
    /// What these were made from, once they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sockets_template: Option<TemplateKey>,
    /// The pins that were there before.
    pub pins_before: Vec<String>,
}

impl Record {
    /// Of a node where nothing is made yet.
    pub(super) fn new(settings: &Settings, pins_before: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            state: Stage::Begun,
            wanted: Wanted::of(settings),
            devices: Vec::new(),
            networks: Vec::new(),
            addresses: Vec::new(),
            settings: Vec::new(),
            sockets: false,
            sockets_template: None,
            pins_before,
        }
    }

    /// The node's own device.
    pub fn host(&self) -> Option<&DeviceRecord> {
        let mut devices = self.devices.iter();
        devices.find(|device| device.facts.kind == DeviceKind::Host)
    }

    /// The devices that lead outside.
    pub fn natives(&self) -> impl Iterator<Item = &DeviceRecord> + Clone {
        let devices = self.devices.iter();
        devices.filter(|device| device.facts.kind == DeviceKind::Native)
    }

    /// The templates that its programs were made from.
    pub fn templates(&self) -> impl Iterator<Item = TemplateKey> {
        let devices = self.devices.iter().filter_map(|device| device.template);
        devices.chain(self.sockets_template)
    }

    /// What is left of it for pods that are there when all else goes: their networks, and whether they have ports.
    pub(super) fn cleaned(&self, settings: &Settings) -> Self {
        Self {
            state: Stage::Cleaned,
            networks: self.networks.clone(),
            sockets: self.sockets,
            ..Self::new(settings, Vec::new())
        }
    }

    /// Remembers what settings were before they are changed; what is known of one already is older.
    pub(super) fn remember(&mut self, changes: &[Change]) {
        for change in changes {
            match self.settings.iter_mut().find(|it| it.file == change.file) {
                Some(known) => known.wanted.clone_from(&change.wanted),
                None => self.settings.push(change.clone()),
            }
        }
    }
}

/// The folder of the record.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Below a state root.
    pub(super) fn of(settings: &Settings) -> Self {
        Self(StateLayout::new(&settings.paths.state_dir).node())
    }

    fn file(&self) -> PathBuf {
        self.0.join("node.json")
    }

    /// What becomes the file: always the same, so a process that dies leaves one at most.
    fn via(&self) -> PathBuf {
        self.0.join("node.json.new")
    }

    /// Makes the folder, and keeps other processes out of the node's setup.
    pub(super) fn lock(&self) -> Result<FileLock, NodeError> {
        whole_file::private_folder(&self.0)?;
        FileLock::acquire(&self.0.join("lock"), PATIENCE).map_err(NodeError::Locked)
    }

    /// The record; none if there is none, or none that can be read.
    pub(super) fn read(&self) -> Result<Option<Record>, NodeError> {
        match whole_file::read(&self.file(), LIMIT) {
            Ok(bytes) => Ok(decode(&bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn write(&self, record: &Record) -> Result<(), NodeError> {
        let failed = |error| FileError::of("encode", &self.file())(std::io::Error::other(error));
        let line = serde_json::to_vec(record).map_err(failed)?;
        Ok(whole_file::write_via(
            &self.file(),
            &self.via(),
            &seal(line),
        )?)
    }

    pub(super) fn remove(&self) -> Result<(), NodeError> {
        whole_file::remove(&self.via())?;
        Ok(whole_file::remove(&self.file())?)
    }
}

/// What is known of a node with these settings; nothing if it is not set up.
pub fn recorded(settings: &Settings) -> Result<Option<Record>, NodeError> {
    let record = Folder::of(settings).read()?;
    Ok(record.filter(|record| record.state != Stage::Cleaned))
}

/// A damaged record is as good as none: what it told is found in the kernel.
fn decode(bytes: &[u8]) -> Option<Record> {
    let record: Record = serde_json::from_slice(unseal(bytes)?).ok()?;
    (record.format == FORMAT).then_some(record)
}

/// The names of the pins in a folder.
pub(super) fn pins_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let mut record = Record::new(&Settings::default(), Vec::new());
        let digit = |digit: &str| digit.repeat(64).parse().ok();
        record.sockets_template = digit("2");
        record.devices.push(DeviceRecord {
            facts: DeviceFacts {
                name: "eth0".to_owned(),
                ifindex: 2,
                mac: crate::endpoint::MacAddr([2; 6]),
                kind: DeviceKind::Native,
                ipv4_masquerade: None,
                ipv6_masquerade: None,
                has_ethernet: true,
            },
            hints: [Hints::default(); 2],
            template: digit("1"),
            had_clsact: true,
        });
        record
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let written = seal(serde_json::to_vec(&record()).unwrap());
        assert_eq!(decode(&written), Some(record()));
        assert_eq!(decode(&written[1..]), None);
    }

    #[test]
    fn an_older_record_says_nothing_of_clsact() {
        let mut older = serde_json::to_value(record()).unwrap();
        let device = older["devices"][0].as_object_mut().unwrap();
        assert_eq!(device.remove("hadClsact"), Some(true.into()));
        older.as_object_mut().unwrap().remove("socketsTemplate");
        let read = decode(&seal(serde_json::to_vec(&older).unwrap())).unwrap();
        assert_eq!(read.devices[0].clsact(), Clsact::CameWithOurs);
        assert_eq!(record().devices[0].clsact(), Clsact::Stays);
    }

    #[test]
    fn all_templates_are_known() {
        let templates: Vec<_> = record().templates().map(|it| it.to_string()).collect();
        assert_eq!(templates, ["1", "2"].map(|digit| digit.repeat(64)));
    }
}
