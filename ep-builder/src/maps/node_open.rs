//! The ports of the node that are open whatever its policy says.

use std::collections::BTreeSet;
use std::fmt;

use super::direction::Direction;
use super::error::MapsError;
use super::table::Table;
use crate::abi::NodeOpenKey;

/// The value of an entry, which nobody reads.
const THERE: [u8; 1] = [1];

/// A port of the side that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpenPort {
    /// The port: of the node for [`Direction::Ingress`], of its peer for [`Direction::Egress`].
    pub port: u16,
    /// The number of the protocol.
    pub protocol: u8,
    /// Who begins: somebody else, or the node.
    pub direction: Direction,
}

impl OpenPort {
    fn key(self) -> NodeOpenKey {
        NodeOpenKey {
            port: self.port.to_be(),
            protocol: self.protocol,
            direction: self.direction.number(),
        }
    }

    fn from_key(key: NodeOpenKey) -> Option<Self> {
        Some(Self {
            port: u16::from_be(key.port),
            protocol: key.protocol,
            direction: Direction::of(key.direction)?,
        })
    }
}

impl fmt::Display for OpenPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            port, direction, ..
        } = self;
        match self.protocol {
            6 => write!(f, "{port}/tcp {direction}"),
            17 => write!(f, "{port}/udp {direction}"),
            132 => write!(f, "{port}/sctp {direction}"),
            other => write!(f, "{port}/{other} {direction}"),
        }
    }
}

/// The map of the ports that are always open.
pub struct NodeOpenMap(pub(super) Table<NodeOpenKey, [u8; 1]>);

impl NodeOpenMap {
    /// Every port.
    pub fn entries(&self) -> Result<BTreeSet<OpenPort>, MapsError> {
        let keys = self.0.keys()?;
        Ok(keys.into_iter().filter_map(OpenPort::from_key).collect())
    }

    /// Makes these the ports: what stays is there all the time.
    pub fn replace(&mut self, wanted: &BTreeSet<OpenPort>) -> Result<(), MapsError> {
        let there = self.entries()?;
        for new in wanted.difference(&there) {
            self.0.insert(&new.key(), &THERE)?;
        }
        for old in there.difference(wanted) {
            self.0.remove(&old.key())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Record;

    #[test]
    fn a_port_comes_back_from_its_key() {
        for (port, protocol, direction, bytes, text) in [
            (22, 6, Direction::Ingress, [0, 22, 6, 1], "22/tcp ingress"),
            (53, 17, Direction::Egress, [0, 53, 17, 2], "53/udp egress"),
            (
                258,
                132,
                Direction::Ingress,
                [1, 2, 132, 1],
                "258/sctp ingress",
            ),
        ] {
            let open = OpenPort {
                port,
                protocol,
                direction,
            };
            assert_eq!(open.key().to_bytes(), bytes, "{text}");
            assert_eq!(OpenPort::from_key(open.key()), Some(open));
            assert_eq!(open.to_string(), text);
        }
    }
}
