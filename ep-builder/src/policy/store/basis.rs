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

use std::net::IpAddr;

use super::coded::{Coded, Reader, Writer};
use super::error::Damage;
use super::record::{Unreadable, checked, with_checksum};
use crate::maps::Prefix;
use crate::policy::{
    Action, Document, Entity, Namespaces, Operator, Peer, Place, PolicyKind, PolicyRule, PolicySet,
    PortMatch, PortRule, Protocol, Requirement, Rules, Selector, Target,
};

/// The format written here, and the newest one read.
pub(super) const FORMAT: u8 = b'1';

const MAGIC: &[u8; 7] = b"weirset";

/// What identities are compiled from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// Whether the node reaches its pods whatever isolates them.
    pub allow_localhost: bool,
    /// What the documents say.
    pub set: PolicySet,
}

impl Basis {
    /// The bytes of the file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.put(&mut writer);
        let mut bytes = MAGIC.to_vec();
        bytes.push(FORMAT);
        bytes.append(&mut writer.into_bytes());
        with_checksum(bytes)
    }

    /// Reads the bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        let body = checked(bytes).ok_or(Damage::Checksum)?;
        match body.split_first_chunk::<8>() {
            Some(([magic @ .., format], _)) if magic == MAGIC && *format > FORMAT => {
                Err(Unreadable::Newer(*format))
            }
            Some(([magic @ .., FORMAT], values)) if magic == MAGIC => {
                Self::of(values).ok_or(Unreadable::Damage(Damage::Entry))
            }
            _ => Err(Unreadable::Damage(Damage::Entry)),
        }
    }

    fn of(values: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(values)?;
        let basis = Self::get(&mut reader)?;
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
    Basis: allow_localhost set;
    PolicySet: policies namespaces;
    Document: kind namespace name place target ingress egress;
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

impl Coded for Namespaces {
    fn put(&self, out: &mut Writer) {
        match self {
            Self::Named(name) => put_choice(0, name, out),
            Self::Labelled(selector) => put_choice(1, selector, out),
        }
    }

    fn get(from: &mut Reader<'_>) -> Option<Self> {
        match u8::get(from)? {
            0 => Coded::get(from).map(Self::Named),
            1 => Coded::get(from).map(Self::Labelled),
            _ => None,
        }
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
mod tests {
    use super::*;
    use crate::digest::sha256_hex;
    use crate::policy::documents::{SourceFile, parse};
    use crate::policy::oracle::random::{Choices, case};

    /// A word of everything.
    const ALL: &str = "apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {env: prod}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all, namespace: shop}
spec:
  podSelector:
    matchExpressions: [{key: app, operator: NotIn, values: [a, b]}, {key: tier, operator: Exists}]
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: 'fd00::/8'}}]
    ports: [{port: 80, endPort: 90}, {protocol: SCTP, port: sctp}, {protocol: UDP}]
  egress:
  - to: [{namespaceSelector: {matchLabels: {env: prod}}, podSelector: {}}]
";

    /// Random documents, in which all that the model can say occurs.
    fn random(seed: u64) -> Basis {
        let case = case(&mut Choices::seeded(seed), 0);
        Basis {
            allow_localhost: case.allow_localhost,
            set: case.set,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let all: Vec<_> = (0..500).map(random).collect();
        for (seed, basis) in all.iter().enumerate() {
            assert_eq!(&Basis::decode(&basis.encode()).unwrap(), basis, "{seed}");
        }
        let said = format!("{all:?}");
        let choices = [
            "WeirPolicy",
            "Labelled(",
            "NotIn",
            "DoesNotExist",
            "Exists",
            "Deny",
            "Network {",
            "World",
            "Host",
            "All",
            "Sctp",
            "Range(",
            "Named(",
            "Any",
            "peers: None",
            "ports: None",
            "address: fd",
            "address: 10.",
        ];
        for choice in choices {
            assert!(said.contains(choice), "{choice} was not tried");
        }
    }

    /// Another digest is another layout of the file, and that needs another [`FORMAT`].
    #[test]
    fn the_format_is_this_one() {
        let file = SourceFile {
            path: "all.yaml".into(),
            text: ALL.into(),
        };
        let basis = Basis {
            allow_localhost: true,
            set: parse(vec![file]).unwrap().set,
        };
        let digest = "7f36b44893cbcbba9181c77bc191952d0dd097db8b0c7c615f5a4e981ea95161";
        assert_eq!(sha256_hex(&basis.encode()), digest);
    }

    #[test]
    fn what_is_no_basis_is_refused_and_costs_nothing() {
        let good = random(7).encode();
        let body = checked(&good).unwrap();
        for at in 0..body.len() {
            // With the right checksum: what it says is what is wrong.
            let cut = with_checksum(body[..at].to_vec());
            assert!(Basis::decode(&cut).is_err(), "cut at {at}");
            let mut other = body.to_vec();
            other[at] = 0xff;
            if let Ok(read) = Basis::decode(&with_checksum(other.clone())) {
                assert_eq!(read.encode().len(), good.len(), "byte {at}");
            }
            assert!(
                Basis::decode(&[&other, &good[body.len()..]].concat()).is_err() || other == body
            );
        }
        let newer = with_checksum([MAGIC.as_slice(), b"2anything"].concat());
        assert!(matches!(
            Basis::decode(&newer),
            Err(Unreadable::Newer(b'2'))
        ));
        let longer = with_checksum([body, &[0]].concat());
        assert!(Basis::decode(&longer).is_err());
    }
}
