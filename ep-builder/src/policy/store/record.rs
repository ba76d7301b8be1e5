//! The compiled policy of one identity as a file: what every ADD reads, so it is a few bytes for each entry
//! and needs no parser.
//!
//! All numbers are little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `weirpol` and the format |
//! | 4 | the identity |
//! | 4 | flags |
//! | 64 | the digest of its labels, in hex |
//! | 16 for each entry | see [`put`] |
//! | 32 | the SHA-256 of all before |

use sha2::{Digest, Sha256};

use super::error::Damage;
use crate::maps::{Decision, Direction, Ports, Rule, Traffic};
use crate::policy::{PolicyEntry, SubjectPolicy};

/// The format written here, and the newest one read.
pub(super) const FORMAT: u8 = b'1';

const MAGIC: &[u8; 7] = b"weirpol";
const DIGEST: usize = 64;
const HEAD: usize = 16 + DIGEST;
const ENTRY: usize = 16;
const CHECKSUM: usize = 32;

const ISOLATES_INGRESS: u32 = 1;
const ISOLATES_EGRESS: u32 = 2;
const IS_COMPLETE: u32 = 4;

/// The policy of an identity, and of which labels it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The identity.
    pub identity: u32,
    /// The digest of its labels. A number may have been given to another set since, and what the others'
    /// entries say of the number is then about the wrong pods.
    pub labels: String,
    /// Whether the policies of all others know it as a peer. If not, it is about to be introduced, and whoever
    /// needs it finishes that.
    pub is_complete: bool,
    /// The policy.
    pub policy: SubjectPolicy,
}

impl Stored {
    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let policy = &self.policy;
        let mut bytes = Vec::with_capacity(HEAD + policy.entries.len() * ENTRY + CHECKSUM);
        bytes.extend_from_slice(MAGIC);
        bytes.push(FORMAT);
        bytes.extend_from_slice(&self.identity.to_le_bytes());
        let flags = [
            (policy.isolates_ingress, ISOLATES_INGRESS),
            (policy.isolates_egress, ISOLATES_EGRESS),
            (self.is_complete, IS_COMPLETE),
        ];
        let flags = flags.iter().filter(|(is_set, _)| *is_set);
        let flags = flags.fold(0, |all, (_, flag)| all | flag);
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(self.labels.as_bytes());
        for entry in &policy.entries {
            bytes.extend_from_slice(&put(entry));
        }
        with_checksum(bytes)
    }

    /// Reads the bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let newer = |format: &u8| (bytes.starts_with(MAGIC) && *format > FORMAT).then_some(*format);
        let body = checked(bytes).ok_or(Damage::Checksum)?;
        if let Some(format) = body.get(MAGIC.len()).and_then(newer) {
            return Err(Unreadable::Newer(format));
        }
        Self::of(body).ok_or(Unreadable::Damage(Damage::Entry))
    }

    fn of(body: &[u8]) -> Option<Self> {
        let (magic, rest) = body.split_first_chunk::<8>()?;
        if magic[..7] != MAGIC[..] || magic[7] != FORMAT {
            return None;
        }
        let (identity, rest) = rest.split_first_chunk()?;
        let (flags, rest) = rest.split_first_chunk()?;
        let (labels, rest) = rest.split_first_chunk::<DIGEST>()?;
        let (entries, []) = rest.as_chunks::<ENTRY>() else {
            return None;
        };
        let flags = u32::from_le_bytes(*flags);
        let has = |flag| flags & flag != 0;
        Some(Self {
            identity: u32::from_le_bytes(*identity),
            labels: std::str::from_utf8(labels).ok()?.to_owned(),
            is_complete: has(IS_COMPLETE),
            policy: SubjectPolicy {
                isolates_ingress: has(ISOLATES_INGRESS),
                isolates_egress: has(ISOLATES_EGRESS),
                entries: entries.iter().map(get).collect::<Option<_>>()?,
            },
        })
    }
}

/// Why the bytes of a file mean nothing.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A newer weir wrote them.
    Newer(u8),
    /// They are not what was written.
    Damage(Damage),
}

impl From<Damage> for Unreadable {
    fn from(damage: Damage) -> Self {
        Self::Damage(damage)
    }
}

/// Adds the checksum.
pub(super) fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}

/// What stands before the checksum, if that is right.
pub(super) fn checked(bytes: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = bytes.split_at(bytes.len().checked_sub(CHECKSUM)?);
    (Sha256::digest(body).as_slice() == checksum).then_some(body)
}

/// Peer (4), rule (4), port (2), protocol, kind of traffic, bits of the port, direction, whether it denies, 0.
fn put(entry: &PolicyEntry) -> [u8; ENTRY] {
    let PolicyEntry { rule, decision } = entry;
    let (kind, protocol, port, bits) = match rule.traffic {
        Traffic::Any => (0, 0, 0, 0),
        Traffic::Protocol(protocol) => (1, protocol, 0, 0),
        Traffic::Ports(ports) => (2, ports.protocol, ports.first, ports.bits),
    };
    let [i0, i1, i2, i3] = rule.identity.to_le_bytes();
    let [r0, r1, r2, r3] = decision.rule.to_le_bytes();
    let [p0, p1] = port.to_le_bytes();
    let (direction, deny) = (rule.direction.number(), u8::from(decision.deny));
    [
        i0, i1, i2, i3, r0, r1, r2, r3, p0, p1, protocol, kind, bits, direction, deny, 0,
    ]
}

fn get(bytes: &[u8; ENTRY]) -> Option<PolicyEntry> {
    let &[
        i0,
        i1,
        i2,
        i3,
        r0,
        r1,
        r2,
        r3,
        p0,
        p1,
        protocol,
        kind,
        bits,
        direction,
        deny,
        0,
    ] = bytes
    else {
        return None;
    };
    let traffic = match kind {
        0 => Traffic::Any,
        1 => Traffic::Protocol(protocol),
        2 => Traffic::Ports(Ports {
            protocol,
            first: u16::from_le_bytes([p0, p1]),
            bits,
        }),
        _ => return None,
    };
    Some(PolicyEntry {
        rule: Rule {
            identity: u32::from_le_bytes([i0, i1, i2, i3]),
            direction: Direction::of(direction)?,
            traffic,
        },
        decision: Decision {
            deny: deny != 0,
            rule: u32::from_le_bytes([r0, r1, r2, r3]),
        },
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn traffic() -> impl Strategy<Value = Traffic> {
        prop_oneof![
            Just(Traffic::Any),
            any::<u8>().prop_map(Traffic::Protocol),
            (any::<u8>(), any::<u16>(), 1..=16_u8).prop_map(|(protocol, first, bits)| {
                Traffic::Ports(Ports {
                    protocol,
                    first,
                    bits,
                })
            }),
        ]
    }

    fn entry() -> impl Strategy<Value = PolicyEntry> {
        let direction = prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)];
        (any::<u32>(), direction, traffic(), any::<(bool, u32)>()).prop_map(
            |(identity, direction, traffic, (deny, rule))| PolicyEntry {
                rule: Rule {
                    identity,
                    direction,
                    traffic,
                },
                decision: Decision { deny, rule },
            },
        )
    }

    proptest! {
        #[test]
        fn a_file_reads_back_and_no_flipped_bit_does(
            identity in any::<u32>(),
            entries in proptest::collection::vec(entry(), 0..8),
            flags in any::<(bool, bool, bool)>(),
            at in any::<prop::sample::Index>(),
            bit in 0..8,
        ) {
            let stored = Stored {
                identity,
                labels: "0".repeat(DIGEST),
                is_complete: flags.0,
                policy: SubjectPolicy { isolates_ingress: flags.1, isolates_egress: flags.2, entries },
            };
            let mut bytes = stored.encode();
            prop_assert_eq!(Stored::decode(&bytes).unwrap(), stored);
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
            prop_assert!(Stored::decode(&bytes).is_err());
        }
    }

    #[test]
    fn a_newer_format_is_not_damage() {
        let with = |format: u8| {
            let body = [MAGIC.as_slice(), &[format], b"whatever it holds"].concat();
            [body.as_slice(), Sha256::digest(&body).as_slice()].concat()
        };
        assert!(matches!(
            Stored::decode(&with(b'2')),
            Err(Unreadable::Newer(b'2'))
        ));
        for format in [b'0', b'1'] {
            let decoded = Stored::decode(&with(format));
            assert!(matches!(decoded, Err(Unreadable::Damage(Damage::Entry))));
        }
        assert!(Stored::decode(b"").is_err());
    }
}
