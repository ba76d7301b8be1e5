//! What was installed, kept on disk: an upgrade tells by it what the operator changed, and `weir uninstall` removes
//! what it names and nothing else.
//!
//! It is written before the first file and after the last, and outlives a reboot. In between it has the digests of
//! both, so that whoever comes after a process that died knows every file that may be there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::InstallError;
use super::root::Root;
use crate::digest::FileFacts;
use crate::maps::Prefix;

/// Its place.
pub const RECORD: &str = "/var/lib/weir/installed.json";
/// Who holds it changes what is installed.
pub(super) const LOCK: &str = "/var/lib/weir/lock";

/// The form this weir writes.
const FORMAT: u32 = 1;

/// How far an installation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Begun, and perhaps killed.
    Begun,
    /// All is there.
    Installed,
    /// Being taken away.
    Leaving,
}

/// Which folders things are installed to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Of the command `weir`.
    pub command: PathBuf,
    /// Of sources, templates and bundle.
    pub data: PathBuf,
    /// Of pages of the manual and the like.
    pub share: PathBuf,
    /// Of plugins.
    pub plugins: PathBuf,
    /// Of network configurations.
    pub networks: PathBuf,
}

/// A file that was installed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// What it may hold without having been changed by somebody else.
    pub contents: Vec<FileFacts>,
}

/// What the machine was like before the first installation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Before {
    /// Which boot that was.
    pub boot: String,
    /// Whether there was a BPF file system.
    pub had_bpffs: bool,
    /// Folders that weir makes while it works, and that were not there.
    pub absent: BTreeSet<PathBuf>,
    /// Settings of the kernel that pods change, by their file below `/proc/sys/net`.
    pub settings: BTreeMap<String, String>,
}

/// All that is known of an installation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its form.
    pub(super) format: u32,
    /// The version.
    pub version: String,
    /// How far it is.
    pub stage: Stage,
    /// Where things are.
    pub places: Places,
    /// The file name of the network configuration.
    pub network: String,
    /// The ranges that were asked for in place of the shipped ones.
    pub ranges: Vec<Prefix>,
    /// The folders that were made.
    pub folders: BTreeSet<PathBuf>,
    /// The files.
    pub files: BTreeMap<PathBuf, Installed>,
    /// The symbolic links, and where they lead.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// The machine before; an image has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Before>,
}

/// What a record of every form has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

impl Record {
    /// One that names nothing yet.
    pub(super) fn new(places: Places, network: String) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            stage: Stage::Begun,
            places,
            network,
            ranges: Vec::new(),
            folders: BTreeSet::new(),
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            before: None,
        }
    }

    /// The record of what is installed; none where nothing is.
    pub fn read(root: &Root) -> Result<Option<Self>, InstallError> {
        let path = Path::new(RECORD);
        let Some(text) = root.read(path)? else {
            return Ok(None);
        };
        let damaged = |reason: String| InstallError::Record {
            path: root.shown(path),
            reason,
        };
        let form: Form = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if form.format != FORMAT {
            return Err(damaged(format!(
                "it has form {}, and this weir knows {FORMAT}",
                form.format
            )));
        }
        let record = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        Ok(Some(record))
    }

    /// Puts it on disk.
    pub(super) fn write(&self, root: &Root) -> Result<(), InstallError> {
        let path = Path::new(RECORD);
        let mut text = serde_json::to_vec_pretty(self).map_err(|e| InstallError::Record {
            path: root.shown(path),
            reason: e.to_string(),
        })?;
        text.push(b'\n');
        Ok(root.write(path, &text, 0o644)?)
    }

    /// Whether a file holds what was installed there.
    pub fn has(&self, path: &Path, facts: &FileFacts) -> bool {
        let installed = self.files.get(path);
        installed.is_some_and(|file| file.contents.contains(facts))
    }

    /// The file of the network configuration.
    pub fn network_path(&self) -> PathBuf {
        self.places.networks.join(&self.network)
    }
}
