//! Ports of the node that lead to pods.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use super::address;
use super::error::MapsError;
use super::table::Table;
use crate::abi::{HostPortKey, HostPortValue};
use crate::endpoint::{EndpointId, HostPort};

/// A port of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodePort {
    /// Where the node is called; the unspecified address stands for each that it has in this family.
    pub host: SocketAddr,
    /// The number of the protocol.
    pub protocol: u8,
}

impl NodePort {
    /// The port that a host port is about.
    pub fn of(port: &HostPort) -> Self {
        Self {
            host: port.host(),
            protocol: port.protocol.number(),
        }
    }

    /// Whether some packet could be meant for either: the same port and protocol, at the same address or,
    /// for one of them, at every address of the family.
    pub fn meets(&self, other: &Self) -> bool {
        let (own, others) = (self.host.ip(), other.host.ip());
        (self.protocol, self.host.port()) == (other.protocol, other.host.port())
            && own.is_ipv4() == others.is_ipv4()
            && (own == others || own.is_unspecified() || others.is_unspecified())
    }

    fn key(&self) -> HostPortKey {
        let address = self.host.ip();
        HostPortKey {
            address: address::words(address),
            port: self.host.port().to_be(),
            protocol: self.protocol,
            family: address::family(address),
        }
    }

    fn from_key(key: &HostPortKey) -> Self {
        let address = address::address(key.family, key.address);
        Self {
            host: SocketAddr::new(address, u16::from_be(key.port)),
            protocol: key.protocol,
        }
    }
}

impl fmt::Display for NodePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            6 => write!(f, "{}/tcp", self.host),
            17 => write!(f, "{}/udp", self.host),
            132 => write!(f, "{}/sctp", self.host),
            other => write!(f, "{}/{other}", self.host),
        }
    }
}

/// Where a port of the node leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// The pod's address and port.
    pub pod: SocketAddr,
    /// The endpoint.
    pub id: u16,
}

impl Lead {
    /// To an endpoint at this address of the host port's family.
    pub fn new(id: EndpointId, address: IpAddr, port: &HostPort) -> Self {
        Self {
            pod: SocketAddr::new(address, port.container_port),
            id: id.get(),
        }
    }

    fn value(&self) -> HostPortValue {
        HostPortValue {
            address: address::words(self.pod.ip()),
            port: self.pod.port().to_be(),
            lxc_id: self.id,
        }
    }

    fn from_value(family: u8, value: &HostPortValue) -> Self {
        let address = address::address(family, value.address);
        Self {
            pod: SocketAddr::new(address, u16::from_be(value.port)),
            id: value.lxc_id,
        }
    }
}

/// The map of host ports.
pub struct HostPortsMap(pub(super) Table<HostPortKey, HostPortValue>);

impl HostPortsMap {
    /// Every port and where it leads, in their order.
    pub fn entries(&self) -> Result<Vec<(NodePort, Lead)>, MapsError> {
        let entries = self.0.all()?.into_iter();
        let mut entries: Vec<_> = entries
            .map(|(key, value)| {
                let lead = Lead::from_value(key.family, &value);
                (NodePort::from_key(&key), lead)
            })
            .collect();
        entries.sort_by_key(|(port, _)| *port);
        Ok(entries)
    }

    /// Where a port leads.
    pub fn get(&self, port: &NodePort) -> Result<Option<Lead>, MapsError> {
        let key = port.key();
        let value = self.0.get(&key)?;
        Ok(value.map(|value| Lead::from_value(key.family, &value)))
    }

    /// Lets a port lead to a pod if it leads nowhere yet; whether it did not.
    pub fn insert_new(&mut self, port: &NodePort, lead: &Lead) -> Result<bool, MapsError> {
        self.0.insert_new(&port.key(), &lead.value())
    }

    /// Lets a port lead to a pod, wherever it led.
    pub fn insert(&mut self, port: &NodePort, lead: &Lead) -> Result<(), MapsError> {
        self.0.insert(&port.key(), &lead.value())
    }

    /// Closes a port; whether it led anywhere.
    pub fn remove(&mut self, port: &NodePort) -> Result<bool, MapsError> {
        self.0.remove(&port.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Record;

    fn port(host: &str, protocol: u8) -> NodePort {
        NodePort {
            host: host.parse().unwrap(),
            protocol,
        }
    }

    #[test]
    fn a_port_and_its_pod_come_back() {
        for (host, pod) in [
            ("0.0.0.0:8080", "10.1.2.3:80"),
            ("192.0.2.1:1", "10.1.2.3:65535"),
            ("[::]:53", "[fd00::7]:53"),
            ("[2001:db8::1]:443", "[fd00::7]:8443"),
        ] {
            let node_port = port(host, 17);
            let key = node_port.key();
            assert_eq!(NodePort::from_key(&key), node_port);
            assert_eq!(node_port.to_string(), format!("{host}/udp"));
            let lead = Lead {
                pod: pod.parse().unwrap(),
                id: 2665,
            };
            assert_eq!(Lead::from_value(key.family, &lead.value()), lead);
        }
    }

    #[test]
    fn a_key_lies_as_the_datapath_reads_it() {
        let key = port("10.1.2.3:258", 6).key().to_bytes();
        assert_eq!(key[..4], [10, 1, 2, 3]);
        assert_eq!(key[4..16], [0; 12]);
        assert_eq!(key[16..], [1, 2, 6, 1]);
        let every = port("[::]:80", 132).key().to_bytes();
        assert_eq!(
            (&every[..16], &every[16..]),
            (&[0; 16][..], &[0, 80, 132, 2][..])
        );
    }

    #[test]
    fn ports_meet_where_a_packet_could_be_meant_for_either() {
        for (one, other, expected) in [
            ("0.0.0.0:80", "0.0.0.0:80", true),
            ("0.0.0.0:80", "192.0.2.1:80", true),
            ("192.0.2.1:80", "192.0.2.1:80", true),
            ("192.0.2.1:80", "192.0.2.2:80", false),
            ("0.0.0.0:80", "0.0.0.0:81", false),
            ("0.0.0.0:80", "[::]:80", false),
            ("[::]:80", "[2001:db8::1]:80", true),
            ("192.0.2.1:80", "[::]:80", false),
        ] {
            for (one, other) in [(one, other), (other, one)] {
                assert_eq!(
                    port(one, 6).meets(&port(other, 6)),
                    expected,
                    "{one} {other}"
                );
                assert!(!port(one, 6).meets(&port(other, 17)), "{one} {other}");
            }
        }
    }
}
