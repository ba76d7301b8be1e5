//! An endpoint's policy: which traffic of which peer passes.

use std::collections::BTreeMap;

use super::direction::Direction;
use super::edit::Generation;
use super::error::MapsError;
use super::table::Table;
use crate::abi::{PolicyKey, PolicyValue};

/// `POLICY_FIXED_BITS` of `bpf-src/abi.h`: revision, identity and direction, which every rule fixes.
const FIXED_BITS: u32 = 72;
/// The bits of the protocol behind them.
const PROTOCOL_BITS: u8 = 8;
/// The bits of a whole port.
const PORT_BITS: u8 = 16;

/// The traffic of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Traffic {
    /// All of it.
    Any,
    /// One protocol, whatever the port.
    Protocol(u8),
    /// The ports of a protocol that begin with these bits.
    Ports(Ports),
}

/// Ports that have their first bits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    /// The number of the protocol.
    pub protocol: u8,
    /// The lowest port.
    pub first: u16,
    /// How many of its bits count: 16 for one port.
    pub bits: u8,
}

impl Ports {
    /// One port.
    pub fn one(protocol: u8, port: u16) -> Self {
        Self {
            protocol,
            first: port,
            bits: PORT_BITS,
        }
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.first | !self.mask()
    }

    fn mask(self) -> u16 {
        let cut = u32::from(PORT_BITS.saturating_sub(self.bits));
        u16::MAX.checked_shl(cut).unwrap_or(0)
    }
}

impl Traffic {
    /// How many bits a rule for this fixes after its peer and direction: the more, the finer the rule.
    pub fn match_bits(self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Protocol(_) => PROTOCOL_BITS,
            Self::Ports(ports) => PROTOCOL_BITS + ports.bits.min(PORT_BITS),
        }
    }

    /// The traffic of a key; none for one that the datapath never takes.
    pub fn of(key: &PolicyKey) -> Option<Self> {
        let bits = u8::try_from(key.prefixlen.checked_sub(FIXED_BITS)?).ok()?;
        match bits {
            0 => Some(Self::Any),
            PROTOCOL_BITS => Some(Self::Protocol(key.protocol)),
            9..=24 => Some(Self::Ports(Ports {
                protocol: key.protocol,
                first: u16::from_be(key.dport),
                bits: bits - PROTOCOL_BITS,
            })),
            _ => None,
        }
    }
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule {
    /// The peer's identity, or the number of the network that it is in; 0 for any.
    pub identity: u32,
    /// Whether the peer is the sender or the receiver.
    pub direction: Direction,
    /// The traffic.
    pub traffic: Traffic,
}

impl Rule {
    /// Its key under a revision. Bits that do not count are zero, so that equal rules have equal keys.
    pub fn key(&self, revision: u32) -> PolicyKey {
        let (protocol, dport) = match self.traffic {
            Traffic::Any => (0, 0),
            Traffic::Protocol(protocol) => (protocol, 0),
            Traffic::Ports(ports) => (ports.protocol, ports.first & ports.mask()),
        };
        PolicyKey {
            prefixlen: FIXED_BITS + u32::from(self.traffic.match_bits()),
            revision,
            identity: self.identity,
            direction: self.direction.number(),
            protocol,
            dport: dport.to_be(),
        }
    }

    /// The rule of a key; none for one that the datapath never takes.
    pub fn of(key: &PolicyKey) -> Option<Self> {
        Some(Self {
            identity: key.identity,
            direction: Direction::of(key.direction)?,
            traffic: Traffic::of(key)?,
        })
    }
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it denies.
    pub deny: bool,
    /// The number of the rule in the endpoint's compiled policy.
    pub rule: u32,
}

/// How often a decision was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Counters {
    fn of(value: &PolicyValue) -> Self {
        Self {
            packets: value.packets,
            bytes: value.bytes,
        }
    }
}

fn value(rule: &Rule, decision: Decision, counters: Counters) -> PolicyValue {
    PolicyValue {
        packets: counters.packets,
        bytes: counters.bytes,
        rule: decision.rule,
        deny: u8::from(decision.deny),
        match_bits: rule.traffic.match_bits(),
        pad: [0; 2],
    }
}

/// The policy map of an endpoint. It may hold the entries of several revisions; the datapath sees those of the
/// one at which the endpoint stands ([`super::RevisionsMap`]).
pub struct PolicyMap(pub(super) Table<PolicyKey, PolicyValue>);

impl PolicyMap {
    /// Every entry of every revision, as it is.
    pub fn entries(&self) -> Result<Vec<(PolicyKey, PolicyValue)>, MapsError> {
        self.0.all()
    }

    /// How many entries there is room for, those of all revisions together.
    pub fn max_entries(&self) -> u32 {
        self.0.max_entries()
    }

    /// The entries of a revision.
    pub fn generation(&self, revision: u32) -> Result<Generation, MapsError> {
        let entries = self.entries()?.into_iter();
        let of_revision = entries.filter(|(key, _)| key.revision == revision);
        let entry = |(key, value): (PolicyKey, PolicyValue)| {
            let decision = Decision {
                deny: value.deny != 0,
                rule: value.rule,
            };
            Some((Rule::of(&key)?, (decision, Counters::of(&value))))
        };
        Ok(of_revision.filter_map(entry).collect())
    }

    /// What a revision says of this traffic: the decision of the finest rule for it, or for more than it.
    pub fn decision(&self, revision: u32, rule: &Rule) -> Result<Option<Decision>, MapsError> {
        let value = self.0.get(&rule.key(revision))?;
        Ok(value.map(|value| Decision {
            deny: value.deny != 0,
            rule: value.rule,
        }))
    }

    /// How often each rule of a revision has decided.
    pub fn counters(&self, revision: u32) -> Result<BTreeMap<Rule, Counters>, MapsError> {
        let entries = self.generation(revision)?.into_iter();
        Ok(entries
            .map(|(rule, (_, counters))| (rule, counters))
            .collect())
    }

    /// Sets a rule of a revision. Its counters begin at zero.
    pub fn insert(
        &mut self,
        revision: u32,
        rule: &Rule,
        decision: Decision,
    ) -> Result<(), MapsError> {
        let value = value(rule, decision, Counters::default());
        self.0.insert(&rule.key(revision), &value)
    }

    /// Sets rules of a revision, with what they have counted before. Where there is no room for one, others
    /// may have been set: [`PolicyMap::remove_generation`] takes them back.
    pub fn insert_all(
        &mut self,
        revision: u32,
        rules: &[(Rule, Decision, Counters)],
    ) -> Result<(), MapsError> {
        let entries = rules.iter().map(|(rule, decision, counters)| {
            (rule.key(revision), value(rule, *decision, *counters))
        });
        self.0.insert_all(&entries.collect::<Vec<_>>())
    }

    /// Removes a rule of a revision; whether it was there.
    pub fn remove(&mut self, revision: u32, rule: &Rule) -> Result<bool, MapsError> {
        self.0.remove(&rule.key(revision))
    }

    /// Removes the entries of every other revision.
    pub fn keep_only(&mut self, revision: u32) -> Result<(), MapsError> {
        self.remove_where(|key| key.revision != revision)
    }

    /// Removes the entries of a revision.
    pub fn remove_generation(&mut self, revision: u32) -> Result<(), MapsError> {
        self.remove_where(|key| key.revision == revision)
    }

    fn remove_where(&mut self, goes: impl Fn(&PolicyKey) -> bool) -> Result<(), MapsError> {
        let keys = self.entries()?.into_iter().map(|(key, _)| key);
        self.0.remove_all(&keys.filter(goes).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(first: u16, bits: u8) -> Traffic {
        Traffic::Ports(Ports {
            protocol: 6,
            first,
            bits,
        })
    }

    #[test]
    fn a_rule_comes_back_from_its_key() {
        let rows = [
            (Traffic::Any, 72, 0, 0),
            (Traffic::Protocol(17), 80, 17, 0),
            (Traffic::Ports(Ports::one(6, 443)), 96, 6, 443),
            (ports(8_080, 12), 92, 6, 8_080),
            (ports(0x8000, 1), 81, 6, 0x8000),
        ];
        for (traffic, prefixlen, protocol, dport) in rows {
            let rule = Rule {
                identity: 12_022,
                direction: Direction::Egress,
                traffic,
            };
            let key = rule.key(9);
            assert_eq!(key.revision, 9);
            assert_eq!(
                (
                    key.prefixlen,
                    key.protocol,
                    u16::from_be(key.dport),
                    key.direction
                ),
                (prefixlen, protocol, dport, 2)
            );
            assert_eq!(Rule::of(&key), Some(rule));
        }
    }

    #[test]
    fn bits_that_do_not_count_are_cleared() {
        let rule = |first, bits| Rule {
            identity: 0,
            direction: Direction::Ingress,
            traffic: ports(first, bits),
        };
        assert_eq!(rule(8_087, 12).key(0), rule(8_080, 12).key(0));
        let Traffic::Ports(range) = ports(8_080, 12) else {
            panic!("ports are ports");
        };
        assert_eq!((range.last(), Ports::one(6, 80).last()), (8_095, 80));
    }

    #[test]
    fn keys_that_are_no_rule_are_told() {
        let key = Rule {
            identity: 1,
            direction: Direction::Ingress,
            traffic: Traffic::Any,
        }
        .key(0);
        for prefixlen in [0, 40, 71, 73, 79, 97, u32::MAX] {
            assert_eq!(
                Rule::of(&PolicyKey { prefixlen, ..key }),
                None,
                "{prefixlen}"
            );
        }
        assert_eq!(
            Rule::of(&PolicyKey {
                direction: 3,
                ..key
            }),
            None
        );
    }
}
