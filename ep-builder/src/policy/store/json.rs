//! The files of a revision that people may want to read: JSON under a checksum.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Damage, StoreError};
use super::pending::Pending;
use super::read;
use crate::maps::Prefix;
use crate::policy::Origin;
use crate::sealed;

/// The format written here, and the newest one read.
const FORMAT: u32 = 1;

/// What is read at most. Documents have 64 MiB; JSON may need two bytes for one.
const LIMIT: u64 = 1 << 28;

/// What a revision was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sources {
    /// Whether the node reached its pods whatever isolated them.
    pub allow_localhost: bool,
    /// The files, by path, with what they held.
    pub files: Vec<(Arc<str>, Arc<str>)>,
}

/// Every file: its format, then what it is about.
#[derive(Serialize, Deserialize)]
struct Formatted<T> {
    format: u32,
    #[serde(flatten)]
    content: T,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

#[derive(Serialize, Deserialize)]
struct Current {
    revision: u32,
}

#[derive(Serialize, Deserialize)]
struct Origins<T> {
    origins: T,
}

#[derive(Serialize, Deserialize)]
struct Networks {
    networks: Vec<(String, u32)>,
}

pub(super) fn write_current(revision: u32) -> Result<Vec<u8>, StoreError> {
    encode(Current { revision })
}

pub(super) fn write_sources(sources: &Sources) -> Result<Vec<u8>, StoreError> {
    encode(sources)
}

pub(super) fn write_origins(origins: &[Origin]) -> Result<Vec<u8>, StoreError> {
    encode(Origins { origins })
}

pub(super) fn write_networks(networks: &[(Prefix, u32)]) -> Result<Vec<u8>, StoreError> {
    let networks = networks.iter();
    let networks = networks.map(|(prefix, number)| (prefix.to_string(), *number));
    encode(Networks {
        networks: networks.collect(),
    })
}

pub(super) fn write_pending(pending: &Pending) -> Result<Vec<u8>, StoreError> {
    encode(pending)
}

pub(super) fn pending(path: &Path) -> Result<Pending, StoreError> {
    decode(path)
}

pub(super) fn current(path: &Path) -> Result<u32, StoreError> {
    decode::<Current>(path).map(|current| current.revision)
}

pub(super) fn sources(path: &Path) -> Result<Sources, StoreError> {
    decode_part(path)
}

pub(super) fn origins(path: &Path) -> Result<Vec<Origin>, StoreError> {
    decode_part::<Origins<_>>(path).map(|origins| origins.origins)
}

pub(super) fn networks(path: &Path) -> Result<Vec<(Prefix, u32)>, StoreError> {
    let Networks { networks } = decode_part(path)?;
    let networks = networks
        .into_iter()
        .map(|(prefix, number)| Some((prefix.parse().ok()?, number)));
    let networks: Option<_> = networks.collect();
    networks.ok_or_else(|| StoreError::damaged(path)(Damage::Entry))
}

fn encode<T: Serialize>(content: T) -> Result<Vec<u8>, StoreError> {
    let formatted = Formatted {
        format: FORMAT,
        content,
    };
    let line = serde_json::to_vec(&formatted).map_err(StoreError::Encode)?;
    Ok(sealed::seal(line))
}

/// Reads a file that is there as long as its revision.
fn decode_part<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    decode(path).map_err(|error| {
        if error.is_absent() {
            StoreError::damaged(path)(Damage::Gone)
        } else {
            error
        }
    })
}

fn decode<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let text = read(path, LIMIT)?;
    let line = sealed::unseal(&text);
    let line = line.ok_or_else(|| StoreError::damaged(path)(Damage::Checksum))?;
    let parse = |error| StoreError::damaged(path)(Damage::Json(error));
    let Format { format } = serde_json::from_slice(line).map_err(parse)?;
    match format {
        FORMAT => {
            let formatted: Formatted<T> = serde_json::from_slice(line).map_err(parse)?;
            Ok(formatted.content)
        }
        0 => Err(StoreError::damaged(path)(Damage::Format(0))),
        found => Err(StoreError::NewerFormat {
            path: path.to_owned(),
            found,
            known: FORMAT,
        }),
    }
}
