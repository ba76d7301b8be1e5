//! Where the traffic starts and ends: the endpoint's pod, and the node or another pod.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use super::error::ProveError;
use super::namespace::Namespace;
use super::stream::Stream;
use crate::endpoint::Endpoint;
use crate::maps::Direction;

/// The port of a socket that is never used: connecting one asks the kernel for its route.
const DISCARD: u16 = 9;

/// A pod: who it is, and where.
#[derive(Debug)]
pub struct Pod {
    /// The facts of its endpoint.
    pub endpoint: Endpoint,
    /// Its network namespace.
    pub namespace: Namespace,
}

/// The other end of the traffic.
#[derive(Debug)]
pub enum Other {
    /// This node, in the namespace of the calling thread.
    Node,
    /// Another endpoint.
    Pod(Box<Pod>),
}

/// A family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Pod {
    fn address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.endpoint.ipv4.map(IpAddr::V4),
            Family::V6 => self.endpoint.ipv6.map(IpAddr::V6),
        }
    }

    fn socket(&self, address: IpAddr) -> io::Result<UdpSocket> {
        self.namespace.inside(|| UdpSocket::bind((address, 0)))
    }
}

impl Other {
    /// Its address in the family of `peer`, by which `peer` can reach it.
    fn address(&self, peer: IpAddr, family: Family) -> Result<IpAddr, String> {
        match self {
            Self::Pod(pod) => pod
                .address(family)
                .ok_or_else(|| format!("endpoint {} has no {}", pod.endpoint.id, family.name())),
            Self::Node => node_address(peer),
        }
    }

    fn socket(&self, address: IpAddr) -> io::Result<UdpSocket> {
        match self {
            Self::Pod(pod) => pod.socket(address),
            Self::Node => UdpSocket::bind((address, 0)),
        }
    }
}

impl Family {
    fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The address that this node sends to `peer` from.
fn node_address(peer: IpAddr) -> Result<IpAddr, String> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let ask = || {
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((peer, DISCARD))?;
        socket.local_addr()
    };
    let address = ask()
        .map_err(|error| format!("the node has no route to {peer} ({error})"))?
        .ip();
    match address {
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Err(format!(
            "the node has no IPv6 address but {v6}, which is of the link alone"
        )),
        _ => Ok(address),
    }
}

/// Every stream that the two ends can have.
pub(super) struct Streams {
    pub(super) all: Vec<Stream>,
    /// The direction of each, as the pod sees it.
    pub(super) directions: Vec<Direction>,
    /// Why there is none for a family.
    pub(super) reasons: Vec<String>,
}

/// Opens the streams of both directions and of every family that both ends have.
pub(super) fn streams(pod: &Pod, other: &Other, per_second: u32) -> Result<Streams, ProveError> {
    let (mut streams, mut directions, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for family in [Family::V4, Family::V6] {
        let Some(own) = pod.address(family) else {
            continue;
        };
        let others = match other.address(own, family) {
            Ok(address) => address,
            Err(reason) => {
                reasons.push(reason);
                continue;
            }
        };
        // A connection of its own for each direction: what one end begins is judged by another rule than
        // what the other end begins.
        for direction in [Direction::Egress, Direction::Ingress] {
            let stream = stream(pod, other, [own, others], direction, per_second)?;
            stream.open()?;
            streams.push(stream);
            directions.push(direction);
        }
    }
    if streams.is_empty() {
        return Err(ProveError::NoWay { reasons });
    }
    Ok(Streams {
        all: streams,
        directions,
        reasons,
    })
}

fn stream(
    pod: &Pod,
    other: &Other,
    [own, others]: [IpAddr; 2],
    direction: Direction,
    per_second: u32,
) -> Result<Stream, ProveError> {
    let open = || {
        let (own, others) = (pod.socket(own)?, other.socket(others)?);
        match direction {
            Direction::Egress => Stream::new(own, others, per_second),
            Direction::Ingress => Stream::new(others, own, per_second),
        }
    };
    let (from, to) = match direction {
        Direction::Egress => (own, others),
        Direction::Ingress => (others, own),
    };
    open().map_err(|source| ProveError::Socket { from, to, source })
}
