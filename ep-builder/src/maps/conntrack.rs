//! Tracked connections.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::address;
use super::codec::Record;
use super::direction::Direction;
use super::error::MapsError;
use super::name::{Conntrack, Family, MapName};
use super::table::Table;
use crate::abi::{Ct4Key, Ct6Key, CtValue};

/// `CT_INGRESS` of `bpf-src/abi.h`: the peer began.
const INGRESS: u16 = 0x0001;
/// `CT_POLICY_AUDIT` of `bpf-src/abi.h`: audit mode alone let it pass.
const AUDITED: u16 = 0x0002;

/// The key of a connection. A connection between two pods of a node has one for each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// The pod that the entry belongs to.
    pub pod: SocketAddr,
    /// The other side.
    pub peer: SocketAddr,
    /// The number of the protocol.
    pub protocol: u8,
}

/// A connection, and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The key.
    pub connection: Connection,
    /// The value.
    pub value: CtValue,
}

impl Tracked {
    /// Whether the pod was called, or called.
    pub fn direction(&self) -> Direction {
        match self.value.flags & INGRESS {
            0 => Direction::Egress,
            _ => Direction::Ingress,
        }
    }

    /// Who began.
    pub fn from(&self) -> SocketAddr {
        match self.direction() {
            Direction::Egress => self.connection.pod,
            Direction::Ingress => self.connection.peer,
        }
    }

    /// Who was called.
    pub fn to(&self) -> SocketAddr {
        match self.direction() {
            Direction::Egress => self.connection.peer,
            Direction::Ingress => self.connection.pod,
        }
    }

    /// Whether audit mode alone let it pass.
    pub fn is_audited(&self) -> bool {
        self.value.flags & AUDITED != 0
    }
}

impl From<&Ct4Key> for Connection {
    fn from(key: &Ct4Key) -> Self {
        Self {
            pod: socket(address::ipv4(key.saddr).into(), key.sport),
            peer: socket(address::ipv4(key.daddr).into(), key.dport),
            protocol: key.protocol,
        }
    }
}

impl From<&Ct6Key> for Connection {
    fn from(key: &Ct6Key) -> Self {
        Self {
            pod: socket(address::ipv6(key.saddr).into(), key.sport),
            peer: socket(address::ipv6(key.daddr).into(), key.dport),
            protocol: key.protocol,
        }
    }
}

fn socket(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, u16::from_be(port))
}

enum Keys {
    Ipv4(Table<Ct4Key, CtValue>),
    Ipv6(Table<Ct6Key, CtValue>),
}

/// One of the conntrack maps.
pub struct ConntrackMap(Keys);

impl ConntrackMap {
    pub(super) fn open(map: Conntrack, path: &Path) -> Result<Self, MapsError> {
        let name = MapName::Conntrack(map);
        Ok(Self(match map.family {
            Family::Ipv4 => Keys::Ipv4(Table::open(name, path)?),
            Family::Ipv6 => Keys::Ipv6(Table::open(name, path)?),
        }))
    }

    /// Every connection.
    pub fn entries(&self) -> Result<Vec<Tracked>, MapsError> {
        match &self.0 {
            Keys::Ipv4(table) => entries(table),
            Keys::Ipv6(table) => entries(table),
        }
    }

    /// How many entries there are.
    pub fn count(&self) -> Result<usize, MapsError> {
        match &self.0 {
            Keys::Ipv4(table) => table.count(),
            Keys::Ipv6(table) => table.count(),
        }
    }

    /// Forgets the connections of an address, whichever side it is, and returns how many there were: what is
    /// left of an endpoint must not let traffic of the next one with its address pass.
    pub fn flush(&mut self, address: IpAddr) -> Result<usize, MapsError> {
        self.remove_where(|of| of.pod.ip() == address || of.peer.ip() == address)
    }

    /// Forgets the connections that `chosen` says, and returns how many there were.
    pub fn remove_where(
        &mut self,
        chosen: impl Fn(&Connection) -> bool,
    ) -> Result<usize, MapsError> {
        match &mut self.0 {
            Keys::Ipv4(table) => remove_where(table, chosen),
            Keys::Ipv6(table) => remove_where(table, chosen),
        }
    }
}

fn entries<K: Record>(table: &Table<K, CtValue>) -> Result<Vec<Tracked>, MapsError>
where
    for<'a> Connection: From<&'a K>,
{
    let tracked = |(key, value): (K, CtValue)| Tracked {
        connection: Connection::from(&key),
        value,
    };
    let mut all: Vec<_> = table.entries()?.into_iter().map(tracked).collect();
    all.sort_by_key(|tracked| tracked.connection);
    Ok(all)
}

fn remove_where<K: Record>(
    table: &mut Table<K, CtValue>,
    chosen: impl Fn(&Connection) -> bool,
) -> Result<usize, MapsError>
where
    for<'a> Connection: From<&'a K>,
{
    let mut removed = 0;
    for key in table.keys()? {
        if chosen(&Connection::from(&key)) && table.remove(&key)? {
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_begins_at_the_side_that_the_flags_say() {
        let key = Ct4Key {
            daddr: u32::from_ne_bytes([10, 0, 0, 2]),
            saddr: u32::from_ne_bytes([10, 0, 0, 1]),
            dport: 80_u16.to_be(),
            sport: 40_000_u16.to_be(),
            protocol: 6,
            flags: 0,
            pad: [0; 2],
        };
        let connection = Connection::from(&key);
        let (pod, peer) = ("10.0.0.1:40000", "10.0.0.2:80");
        assert_eq!(connection.pod.to_string(), pod);
        assert_eq!(connection.peer.to_string(), peer);
        for (flags, from, to, audited) in [(0, pod, peer, false), (3, peer, pod, true)] {
            let value = CtValue {
                flags,
                ..CtValue::from_bytes(&[])
            };
            let tracked = Tracked { connection, value };
            assert_eq!(tracked.from().to_string(), from);
            assert_eq!(tracked.to().to_string(), to);
            assert_eq!(tracked.is_audited(), audited);
        }
    }
}
