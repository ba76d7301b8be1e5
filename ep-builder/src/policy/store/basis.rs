//! What a revision is compiled from, as a file: what the documents say, so that a new identity needs no parser of
//! documents and the ADD that brings it none either.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `weirset` and the format |
//! | | the values, see [`super::coded`] |
//! | 32 | the SHA-256 of all before |
//!
//! The order of the fields below is the format: another one is another format.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::coded::{Coded, Reader, Writer};
use super::error::Damage;
use super::record::{Unreadable, checked, with_checksum};
use crate::maps::{Direction, OpenPort, Prefix};
use crate::policy::{
    Action, Document, Entity, Namespaces, NodeFacts, Operator, Peer, Place, PolicyKind, PolicyRule,
    PolicySet, PortMatch, PortRule, Protocol, Requirement, Rules, Scope, Selector, Target,
};

/// The newest format that is read. It is written where a document speaks for the node, which the one before cannot say.
pub(super) const FORMAT: u8 = b'2';
/// The format of pods alone: an older weir reads it, too.
const OF_PODS: u8 = b'1';

const MAGIC: &[u8; 7] = b"weirset";

/// What identities are compiled from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whether the node reaches its pods whatever isolates them.
    pub allow_localhost: bool,
    /// What the documents say.
    pub set: PolicySet,
    /// What was known of the node; nothing where no document speaks for it.
    pub node: NodeBasis,
}

/// What the policy of the node follows from, besides the documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeBasis {
    /// The node as documents see it.
    pub facts: NodeFacts,
    /// The ports that no policy of the node closes.
    pub open: BTreeSet<OpenPort>,
}

impl Basis {
    /// What these documents are compiled from, on this node.
    pub fn new(allow_localhost: bool, set: PolicySet, node: NodeBasis) -> Self {
        let node = if set.speaks_for_nodes() {
            node
        } else {
            NodeBasis::default()
        };
        Self {
            allow_localhost,
            set,
            node,
        }
    }

    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        let format = self.format();
        self.allow_localhost.put(&mut writer);
        self.set.put(&mut writer);
        if format == FORMAT {
            self.node.put(&mut writer);
        }
        let mut bytes = MAGIC.to_vec();
        bytes.push(format);
        bytes.append(&mut writer.into_bytes());
        with_checksum(bytes)
    }

    fn format(&self) -> u8 {
        if self.set.speaks_for_nodes() {
            FORMAT
        } else {
            OF_PODS
        }
    }

    /// Reads the bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let body = checked(bytes).ok_or(Damage::Checksum)?;
        match body.split_first_chunk::<8>() {
            Some(([magic @ .., format], _)) if magic == MAGIC && *format > FORMAT => {
                Err(Unreadable::Newer(*format))
            }
            Some(([magic @ .., format @ (OF_PODS | FORMAT)], values)) if magic == MAGIC => {
                Self::of(values, *format).ok_or(Unreadable::Damage(Damage::Entry))
            }
            _ => Err(Unreadable::Damage(Damage::Entry)),
        }
    }

    fn of(values: &[u8], format: u8) -> Option<Self> {
        let mut reader = Reader::new(values)?;
        let basis = Self {
            allow_localhost: Coded::get(&mut reader)?,
            set: Coded::get(&mut reader)?,
            node: match format {
                FORMAT => Coded::get(&mut reader)?,
                _ => NodeBasis::default(),
            },
        };
        reader.is_at_end().then_some(basis)
    }
}

macro_rules! structures {
    ($($structure:ident: $($field:ident)*;)*) => {$(
        impl Coded for $structure {
            fn put(&self, out: &mut Writer) {
                $(self.$field.put(out);)*
            }

            fn get(from: &mut Reader<'_>) -> Option<Self> {
                $(let $field = Coded::get(from)?;)*
                Some(Self { $($field),* })
            }
        }
    )*};
}

structures! {
    NodeBasis: facts open;
    NodeFacts: labels;
    OpenPort: port protocol direction;
    PolicySet: policies namespaces;
    Document: kind namespace name place scope ingress egress;
    Place: file line;
    Target: namespaces pods;
    Requirement: key operator values;
    Rules: isolates rules;
    PolicyRule: place action peers ports;
    PortRule: protocol port;
}

macro_rules! names {
    ($($choice:ident: $($name:ident = $number:literal)*;)*) => {$(
        impl Coded for $choice {
            fn put(&self, out: &mut Writer) {
                let number: u8 = match self {
                    $(Self::$name => $number,)*
                };
                number.put(out);
            }

            fn get(from: &mut Reader<'_>) -> Option<Self> {
                match u8::get(from)? {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    )*};
}

names! {
    PolicyKind: NetworkPolicy = 0 WeirPolicy = 1;
    Operator: In = 0 NotIn = 1 Exists = 2 DoesNotExist = 3;
    Action: Allow = 0 Deny = 1;
    Direction: Ingress = 1 Egress = 2;
    Entity: Host = 0 World = 1 All = 2;
    Protocol: Tcp = 6 Udp = 17 Sctp = 132;
}

impl Coded for Selector {
    fn put(&self, out: &mut Writer) {
        self.0.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        Coded::get(from).map(Self)
    }
}

/// What a scope, or the namespaces of a target, begin with.
const NAMED: u8 = 0;
/// See [`NAMED`].
const LABELLED: u8 = 1;
/// See [`NAMED`].
const NODE: u8 = 2;

impl Coded for Namespaces {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Named(name) => put_choice(NAMED, name, out),
            Self::Labelled(selector) => put_choice(LABELLED, selector, out),
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            NAMED => Coded::get(from).map(Self::Named),
            LABELLED => Coded::get(from).map(Self::Labelled),
            _ => None,
        }
    }
}

/// Pods begin with the number of their namespaces, as they did when there was nothing else.
impl Coded for Scope {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Pods(target) => target.put(out),
            Self::Node(selector) => put_choice(NODE, selector, out),
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let namespaces = match u8::get(from)? {
            NAMED => Namespaces::Named(Coded::get(from)?),
            LABELLED => Namespaces::Labelled(Coded::get(from)?),
            NODE => return Coded::get(from).map(Self::Node),
            _ => return None,
        };
        let pods = Coded::get(from)?;
        Some(Self::Pods(Target { namespaces, pods }))
    }
}

impl Coded for Peer {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Pods(target) => put_choice(0, target, out),
            Self::Network { network, except } => {
                put_choice(1, network, out);
                except.put(out);
            }
            Self::Entity(entity) => put_choice(2, entity, out),
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            0 => Coded::get(from).map(Self::Pods),
            1 => Some(Self::Network {
                network: Coded::get(from)?,
                except: Coded::get(from)?,
            }),
            2 => Coded::get(from).map(Self::Entity),
            _ => None,
        }
    }
}

impl Coded for PortMatch {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Any => 0_u8.put(out),
            Self::Range(first, last) => {
                put_choice(1, first, out);
                last.put(out);
            }
            Self::Named(name) => put_choice(2, name, out),
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            0 => Some(Self::Any),
            1 => Some(Self::Range(u16::get(from)?, u16::get(from)?)),
            2 => Coded::get(from).map(Self::Named),
            _ => None,
        }
    }
}

impl Coded for Prefix {
    fn put(&self, out: &mut Writer) {
        match self.address() {
            IpAddr::V4(address) => put_choice(4, &address.to_bits(), out),
            IpAddr::V6(address) => put_choice(6, &address.to_bits(), out),
        }
        self.bits().put(out);
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        let address = match u8::get(from)? {
            4 => IpAddr::V4(u32::get(from)?.into()),
            6 => IpAddr::V6(u128::get(from)?.into()),
            _ => return None,
        };
        Self::new(address, u8::get(from)?).ok()
    }
}

fn put_choice(number: u8, value: &impl Coded, out: &mut Writer) {
    number.put(out);
    value.put(out);
}

#[cfg(test)]
mod tests;
