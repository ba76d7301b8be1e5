//! One note, and its form on disk.

use std::net::IpAddr;
use std::path::PathBuf;

use ep_builder::endpoint::EndpointId;
use ep_builder::trouble;
use ep_builder::whole_file::FileError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::names::{Attachment, ContainerId, InterfaceName, InvalidName, NetworkName};

/// What is known of one interface of a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    /// Which one.
    pub(crate) attachment: Attachment,
    /// The pod's network namespace, as the runtime gave it.
    pub(crate) netns: PathBuf,
    /// How far it got.
    pub(crate) stage: Stage,
}

/// How far an interface got.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// An ADD began. It may have made anything, and its runtime has no answer.
    Begun,
    /// An ADD made this.
    Wired(Wired),
}

/// What an ADD made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wired {
    /// The endpoint.
    pub(crate) endpoint: EndpointId,
    /// Its addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// The answer, as of the newest version of the protocol.
    pub(crate) result: Value,
    /// A GC has found it invalid while its pod was alive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) condemned: bool,
}

/// The names on disk; a file of an older weir lacks none of them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    network: String,
    container_id: String,
    ifname: String,
    netns: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    wired: Option<Wired>,
}

/// Why a note cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Damage {
    /// It is no plain file.
    #[error(transparent)]
    Unreadable(FileError),
    /// It is not what was written.
    #[error("the note is damaged")]
    Malformed(#[from] serde_json::Error),
    /// It has a name that no runtime can have given.
    #[error("the note is damaged")]
    Name(#[from] InvalidName),
}

impl Damage {
    /// What the disk does not give for a while: nothing is known to be wrong with the note then.
    pub(crate) fn of_the_disk(self) -> Result<FileError, Self> {
        match self {
            Self::Unreadable(error) if trouble::advice(&error).is_some() => Ok(error),
            other => Err(other),
        }
    }
}

impl Note {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Damage> {
        let written: Written = serde_json::from_slice(bytes)?;
        Ok(Self {
            attachment: Attachment {
                network: NetworkName::new(&written.network)?,
                container: ContainerId::new(&written.container_id)?,
                ifname: InterfaceName::new(&written.ifname)?,
            },
            netns: written.netns,
            stage: written.wired.map_or(Stage::Begun, Stage::Wired),
        })
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let written = Written {
            network: self.attachment.network.to_string(),
            container_id: self.attachment.container.to_string(),
            ifname: self.attachment.ifname.to_string(),
            netns: self.netns.clone(),
            wired: match &self.stage {
                Stage::Begun => None,
                Stage::Wired(wired) => Some(wired.clone()),
            },
        };
        // Strings, numbers and a value that was JSON before: there is nothing that could not be written.
        serde_json::to_vec(&written).unwrap_or_default()
    }
}
