//! An endpoint's policy: which traffic of which peer passes.

use super::direction::Direction;
use super::error::MapsError;
use super::table::Table;
use crate::abi::{PolicyKey, PolicyValue};

/// `POLICY_FIXED_BITS` of `bpf-src/abi.h`: identity and direction, which every rule fixes.
const FIXED_BITS: u32 = 40;
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
    /// How many bits a rule for this fixes after identity and direction: the more, the finer the rule.
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
    /// The peer's identity; 0 for any.
    pub identity: u32,
    /// Whether the peer is the sender or the receiver.
    pub direction: Direction,
    /// The traffic.
    pub traffic: Traffic,
}

impl Rule {
    /// Its key. Bits that do not count are zero, so that equal rules have equal keys.
    pub fn key(&self) -> PolicyKey {
        let (protocol, dport) = match self.traffic {
            Traffic::Any => (0, 0),
            Traffic::Protocol(protocol) => (protocol, 0),
            Traffic::Ports(ports) => (ports.protocol, ports.first & ports.mask()),
        };
        PolicyKey {
            prefixlen: FIXED_BITS + u32::from(self.traffic.match_bits()),
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

/// The policy map of an endpoint.
pub struct PolicyMap(pub(super) Table<PolicyKey, PolicyValue>);

impl PolicyMap {
    /// Every entry, as it is.
    pub fn entries(&self) -> Result<Vec<(PolicyKey, PolicyValue)>, MapsError> {
        self.0.entries()
    }

    /// Sets a rule. Its counters begin at zero.
    pub fn insert(&mut self, rule: &Rule, decision: Decision) -> Result<(), MapsError> {
        let value = PolicyValue {
            packets: 0,
            bytes: 0,
            rule: decision.rule,
            deny: u8::from(decision.deny),
            match_bits: rule.traffic.match_bits(),
            pad: [0; 2],
        };
        self.0.insert(&rule.key(), &value)
    }

    /// Removes a rule; whether it was there.
    pub fn remove(&mut self, rule: &Rule) -> Result<bool, MapsError> {
        self.0.remove(&rule.key())
    }

    /// Removes an entry by its key; whether it was there.
    pub fn remove_key(&mut self, key: &PolicyKey) -> Result<bool, MapsError> {
        self.0.remove(key)
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
            (Traffic::Any, 40, 0, 0),
            (Traffic::Protocol(17), 48, 17, 0),
            (Traffic::Ports(Ports::one(6, 443)), 64, 6, 443),
            (ports(8_080, 12), 60, 6, 8_080),
            (ports(0x8000, 1), 49, 6, 0x8000),
        ];
        for (traffic, prefixlen, protocol, dport) in rows {
            let rule = Rule {
                identity: 12_022,
                direction: Direction::Egress,
                traffic,
            };
            let key = rule.key();
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
        assert_eq!(rule(8_087, 12).key(), rule(8_080, 12).key());
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
        .key();
        for prefixlen in [0, 39, 41, 47, 65, u32::MAX] {
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
