//! Translated connections, by their halves (`bpf-src/lib/nat.h`).

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::address;
use super::codec::Record;
use super::error::MapsError;
use super::name::{Family, MapName};
use super::table::Table;
use crate::abi::{Snat4Key, Snat4Value, Snat6Key, Snat6Value};

/// `SNAT_IN` of `bpf-src/abi.h`: the half that packets from outside find.
const IN: u8 = 0x01;

/// A half of a translated connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NatHalf {
    /// The pod's end.
    pub pod: SocketAddr,
    /// What stands in its place outside: an end of the node.
    pub node: SocketAddr,
    /// The end of somebody outside.
    pub peer: SocketAddr,
    /// The number of the protocol.
    pub protocol: u8,
    /// Whether packets from outside find this half, or those to outside.
    pub is_in: bool,
    /// The flags of TCP that packets of this half have had; for other protocols whether there was one.
    pub seen: u8,
    /// Likewise those of the other half.
    pub seen_back: u8,
    /// Until when it counts, in seconds of the monotonic clock.
    pub lifetime: u32,
    /// Since when it is there, likewise.
    pub created: u32,
}

impl NatHalf {
    /// Whether an address is the pod's.
    pub fn is_of(&self, pod: IpAddr) -> bool {
        self.pod.ip() == pod
    }

    /// What both maps have alike. The end in the key is the pod's or the node's, that in the value is the other one.
    fn new(own: SocketAddr, other: SocketAddr, peer: SocketAddr, about: &About) -> Self {
        let is_in = about.flags & IN != 0;
        let (pod, node) = if is_in { (other, own) } else { (own, other) };
        Self {
            pod,
            node,
            peer,
            protocol: about.protocol,
            is_in,
            seen: about.seen,
            seen_back: about.seen_back,
            lifetime: about.lifetime,
            created: about.created,
        }
    }
}

/// The fields that are the same in both families.
struct About {
    protocol: u8,
    flags: u8,
    seen: u8,
    seen_back: u8,
    lifetime: u32,
    created: u32,
}

macro_rules! about {
    ($key:expr, $value:expr) => {
        About {
            protocol: $key.protocol,
            flags: $key.flags,
            seen: $value.seen,
            seen_back: $value.seen_back,
            lifetime: $value.lifetime,
            created: $value.created,
        }
    };
}

fn end(address: impl Into<IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), u16::from_be(port))
}

impl From<(&Snat4Key, &Snat4Value)> for NatHalf {
    fn from((key, value): (&Snat4Key, &Snat4Value)) -> Self {
        let own = end(address::ipv4(key.saddr), key.sport);
        let other = end(address::ipv4(value.address), value.port);
        let peer = end(address::ipv4(key.daddr), key.dport);
        Self::new(own, other, peer, &about!(key, value))
    }
}

impl From<(&Snat6Key, &Snat6Value)> for NatHalf {
    fn from((key, value): (&Snat6Key, &Snat6Value)) -> Self {
        let own = end(address::ipv6(key.saddr), key.sport);
        let other = end(address::ipv6(value.address), value.port);
        let peer = end(address::ipv6(key.daddr), key.dport);
        Self::new(own, other, peer, &about!(key, value))
    }
}

enum Halves {
    Ipv4(Table<Snat4Key, Snat4Value>),
    Ipv6(Table<Snat6Key, Snat6Value>),
}

/// The map of the translated connections of a family.
pub struct NatMap(Halves);

impl NatMap {
    pub(super) fn open(family: Family, path: &Path) -> Result<Self, MapsError> {
        let name = MapName::Snat(family);
        Ok(Self(match family {
            Family::Ipv4 => Halves::Ipv4(Table::open(name, path)?),
            Family::Ipv6 => Halves::Ipv6(Table::open(name, path)?),
        }))
    }

    /// Every half.
    pub fn entries(&self) -> Result<Vec<NatHalf>, MapsError> {
        let mut all = match &self.0 {
            Halves::Ipv4(table) => halves(table)?,
            Halves::Ipv6(table) => halves(table)?,
        };
        all.sort_unstable();
        Ok(all)
    }

    /// How many halves there are.
    pub fn count(&self) -> Result<usize, MapsError> {
        match &self.0 {
            Halves::Ipv4(table) => table.count(),
            Halves::Ipv6(table) => table.count(),
        }
    }

    /// Forgets the connections of a pod's address, and returns how many halves there were: answers to it must not
    /// reach the next pod that has it.
    pub fn flush(&mut self, pod: IpAddr) -> Result<usize, MapsError> {
        self.remove_where(|half| half.is_of(pod))
    }

    /// Forgets the halves that `chosen` says, and returns how many there were.
    pub fn remove_where(&mut self, chosen: impl Fn(&NatHalf) -> bool) -> Result<usize, MapsError> {
        match &mut self.0 {
            Halves::Ipv4(table) => remove_where(table, chosen),
            Halves::Ipv6(table) => remove_where(table, chosen),
        }
    }
}

fn halves<K: Record, V: Record>(table: &Table<K, V>) -> Result<Vec<NatHalf>, MapsError>
where
    for<'a> NatHalf: From<(&'a K, &'a V)>,
{
    let entries = table.all()?;
    let half = |(key, value): &(K, V)| NatHalf::from((key, value));
    Ok(entries.iter().map(half).collect())
}

fn remove_where<K: Record, V: Record>(
    table: &mut Table<K, V>,
    chosen: impl Fn(&NatHalf) -> bool,
) -> Result<usize, MapsError>
where
    for<'a> NatHalf: From<(&'a K, &'a V)>,
{
    let mut removed = 0;
    for (key, value) in table.all()? {
        if chosen(&NatHalf::from((&key, &value))) && table.remove(&key)? {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_of_a_connection_say_the_same() {
        let key = |sport: u16, saddr: [u8; 4], flags| Snat4Key {
            daddr: u32::from_ne_bytes([198, 51, 100, 9]),
            saddr: u32::from_ne_bytes(saddr),
            dport: 443_u16.to_be(),
            sport: sport.to_be(),
            protocol: 6,
            flags,
            pad: [0; 2],
        };
        let value = |port: u16, address| Snat4Value {
            address: u32::from_ne_bytes(address),
            port: port.to_be(),
            seen: 2,
            seen_back: 18,
            lifetime: 7,
            created: 3,
        };
        let (pod, node) = ([10, 0, 0, 1], [192, 0, 2, 1]);
        let out = NatHalf::from((&key(40_000, pod, 0), &value(50_000, node)));
        let back = NatHalf::from((&key(50_000, node, IN), &value(40_000, pod)));
        let expected = NatHalf {
            pod: "10.0.0.1:40000".parse().unwrap(),
            node: "192.0.2.1:50000".parse().unwrap(),
            peer: "198.51.100.9:443".parse().unwrap(),
            protocol: 6,
            is_in: false,
            seen: 2,
            seen_back: 18,
            lifetime: 7,
            created: 3,
        };
        assert_eq!(out, expected);
        let is_in = true;
        assert_eq!(back, NatHalf { is_in, ..expected });
        assert!(out.is_of(pod.into()) && back.is_of(pod.into()) && !out.is_of(node.into()));
    }
}
