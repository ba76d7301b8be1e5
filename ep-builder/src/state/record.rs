//! `endpoint.json`: the facts of an endpoint and of its generation, under a checksum.
//!
//! The file is pretty JSON whose last line is the checksum: the SHA-256 of the same JSON without that
//! line, byte for byte. Every byte of the file is covered, so a flipped one is found even where the
//! result is still valid JSON. The rule belongs to no format: a newer weir keeps it, and so an older
//! one can tell a newer record from a damaged one.

use serde::{Deserialize, Serialize};

use super::error::Damage;
use crate::digest::{FileFacts, sha256_hex};
use crate::endpoint::Endpoint;
use crate::key::TemplateKey;

/// The format written here, and the newest one read.
pub(super) const FORMAT: u32 = 1;

/// What is kept of one generation of an endpoint. JSON names are those of `weir endpoint -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointRecord {
    /// The endpoint's facts, in the same object.
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// How far it came.
    pub state: EndpointState,
    /// What policy its programs enforce.
    pub policy: PolicyState,
    /// Counts the builds of this endpoint, from 1. The store sets it. 0: unknown.
    pub generation: u64,
    /// The template that its object is a patched copy of, unless it was compiled directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<TemplateKey>,
}

impl EndpointRecord {
    /// A record for a new generation; the store fills in what it alone knows.
    pub fn new(endpoint: Endpoint, template: Option<TemplateKey>, policy: PolicyState) -> Self {
        Self {
            endpoint,
            state: EndpointState::Ready,
            policy,
            generation: 0,
            template,
        }
    }

    /// What a header gives back. The header has no place for generation, policy, template and digests:
    /// those are lost.
    pub(super) fn restored(endpoint: Endpoint) -> Self {
        Self {
            state: EndpointState::Restored,
            ..Self::new(endpoint, None, PolicyState::default())
        }
    }

    /// The text of the file.
    pub(super) fn encode(&self, files: &Files) -> Result<Vec<u8>, serde_json::Error> {
        let to_store = ToStore {
            format: FORMAT,
            record: self,
            files,
        };
        Ok(seal(serde_json::to_vec_pretty(&to_store)?))
    }

    /// Reads the text of the file.
    pub(super) fn decode(text: &[u8]) -> Result<(Self, Files), RecordError> {
        let json = unseal(text)?;
        let Format { format } = serde_json::from_slice(&json).map_err(Damage::Record)?;
        match format {
            0 => Err(Damage::Format(format).into()),
            1..=FORMAT => {
                let stored: Stored = serde_json::from_slice(&json).map_err(Damage::Record)?;
                Ok((stored.record, stored.files))
            }
            newer => Err(RecordError::Newer(newer)),
        }
    }
}

/// How far an endpoint came. A live folder without any file is an endpoint being built for the first
/// time, and has no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointState {
    /// Built and committed.
    Ready,
    /// The build failed: a record of `_next_fail`.
    Failed,
    /// The record was lost; these facts are from the header. Never written.
    Restored,
}

/// What policy the endpoint's programs enforce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyState {
    /// Whether packets to the pod need an allowing rule.
    pub ingress: bool,
    /// Whether packets from the pod need an allowing rule.
    pub egress: bool,
    /// The revision of the policy in force.
    pub revision: u64,
}

/// What the two files beside the record must be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files {
    /// `bpf_lxc.o`
    #[serde(rename = "bpf_lxc.o")]
    pub object: FileFacts,
    /// `ep_config.h`
    #[serde(rename = "ep_config.h")]
    pub header: FileFacts,
}

impl FileFacts {
    /// Compares the length.
    pub(super) fn check_size(&self, found: u64) -> Result<(), Damage> {
        let expected = self.size;
        if found == expected {
            Ok(())
        } else {
            Err(Damage::Size { found, expected })
        }
    }

    /// Compares length and digest.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), Damage> {
        self.check_size(bytes.len() as u64)?;
        if sha256_hex(bytes) == self.sha256 {
            Ok(())
        } else {
            Err(Damage::Digest)
        }
    }
}

/// Why the text of a record was refused.
#[derive(Debug)]
pub(super) enum RecordError {
    /// It is whole, and too new.
    Newer(u32),
    /// It is not what was written.
    Damage(Damage),
}

impl From<Damage> for RecordError {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

#[derive(Serialize)]
struct ToStore<'a> {
    format: u32,
    #[serde(flatten)]
    record: &'a EndpointRecord,
    files: &'a Files,
}

#[derive(Deserialize)]
struct Stored {
    #[serde(flatten)]
    record: EndpointRecord,
    files: Files,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

const BEFORE_CHECKSUM: &[u8] = b",\n  \"checksum\": \"";
const AFTER_CHECKSUM: &[u8] = b"\"\n}\n";
/// How pretty JSON of an object ends.
const END: &[u8] = b"\n}";
const HEX: usize = 64;

/// Puts the checksum into pretty JSON, as its last line.
fn seal(mut json: Vec<u8>) -> Vec<u8> {
    let checksum = sha256_hex(&json);
    json.truncate(json.len() - END.len());
    json.extend_from_slice(BEFORE_CHECKSUM);
    json.extend_from_slice(checksum.as_bytes());
    json.extend_from_slice(AFTER_CHECKSUM);
    json
}

/// Takes the checksum out again and compares it.
fn unseal(text: &[u8]) -> Result<Vec<u8>, Damage> {
    let parts = || {
        let rest = text.strip_suffix(AFTER_CHECKSUM)?;
        let (rest, checksum) = rest.split_at_checked(rest.len().checked_sub(HEX)?)?;
        Some((rest.strip_suffix(BEFORE_CHECKSUM)?, checksum))
    };
    let (json, checksum) = parts().ok_or(Damage::NoChecksum)?;
    let json = [json, END].concat();
    if sha256_hex(&json).as_bytes() == checksum {
        Ok(json)
    } else {
        Err(Damage::Checksum)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::endpoint::{EndpointId, Label, MacAddr, Pod};

    pub(in crate::state) fn endpoint(id: u16) -> Endpoint {
        Endpoint {
            container_id: format!("container-{id}"),
            ifname: "eth0".into(),
            host_ifname: "lxc0123456789ab".into(),
            host_ifindex: 19,
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            host_mac: MacAddr([2, 0, 0, 0, 0, 2]),
            ipv4: Some([10, 88, 0, 7].into()),
            ipv6: Some("fd88::7".parse().unwrap()),
            identity: 300,
            labels: [Label::new("app", "*/ \0 \u{1F980}", "k8s")]
                .into_iter()
                .collect(),
            verdict_log_filter: 3,
            pod: Some(Pod {
                namespace: "default".into(),
                name: "web".into(),
                uid: String::new(),
            }),
            ..Endpoint::bare(EndpointId::new(id).unwrap())
        }
    }

    fn record() -> EndpointRecord {
        let policy = PolicyState {
            ingress: true,
            egress: false,
            revision: u64::MAX,
        };
        EndpointRecord {
            generation: 12,
            ..EndpointRecord::new(
                endpoint(2665),
                Some("ab".repeat(32).parse().unwrap()),
                policy,
            )
        }
    }

    fn files() -> Files {
        Files {
            object: FileFacts::of(b"object"),
            header: FileFacts::of(b"header"),
        }
    }

    fn text() -> Vec<u8> {
        record().encode(&files()).unwrap()
    }

    #[test]
    fn reads_back_what_it_writes_under_the_fixed_names() {
        let text = text();
        assert_eq!(EndpointRecord::decode(&text).unwrap(), (record(), files()));
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap();
        for name in [
            "format",
            "id",
            "state",
            "containerId",
            "ifname",
            "hostIfname",
            "hostIfindex",
            "mac",
            "hostMac",
            "ipv4",
            "ipv6",
            "identity",
            "labels",
            "policy",
            "generation",
            "template",
            "pod",
            "checksum",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["policy"]["revision"], u64::MAX);
        assert_eq!(json["pod"]["namespace"], "default");
        assert_eq!(json["state"], "ready");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let text = text();
        for at in 0..text.len() {
            let cut = EndpointRecord::decode(&text[..at]);
            assert!(matches!(cut, Err(RecordError::Damage(_))), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                let result = EndpointRecord::decode(&flipped);
                assert!(
                    matches!(result, Err(RecordError::Damage(_))),
                    "bit {bit} of byte {at}"
                );
            }
        }
    }

    #[test]
    fn formats_are_told_apart_from_damage() {
        let with = |format: &str| {
            let json = String::from_utf8(unseal(&text()).unwrap()).unwrap();
            seal(
                json.replacen("\"format\": 1", &format!("\"format\": {format}"), 1)
                    .into_bytes(),
            )
        };
        assert_eq!(EndpointRecord::decode(&with("1")).unwrap().0, record());
        assert!(matches!(
            EndpointRecord::decode(&with("2")),
            Err(RecordError::Newer(2))
        ));
        assert!(matches!(
            EndpointRecord::decode(&with("0")),
            Err(RecordError::Damage(Damage::Format(0)))
        ));
        for odd in ["\"1\"", "-1", "99999999999", "null"] {
            assert!(matches!(
                EndpointRecord::decode(&with(odd)),
                Err(RecordError::Damage(Damage::Record(_)))
            ));
        }
        // A newer format may have dropped or renamed everything else.
        let bare = seal(b"{\n  \"format\": 7\n}".to_vec());
        assert!(matches!(
            EndpointRecord::decode(&bare),
            Err(RecordError::Newer(7))
        ));
    }
}
