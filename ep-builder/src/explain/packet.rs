//! Packets by description, as frames. What is not said is as a sender would have it: lengths, checksums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::endpoint::MacAddr;

/// The hop limit of most senders.
pub const HOP_LIMIT: u8 = 64;
/// The flag of TCP that opens a connection.
pub const SYN: u8 = 0x02;
/// The flag of TCP that every later packet has.
pub const ACK: u8 = 0x10;

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const TCP: u8 = 6;
const UDP: u8 = 17;
const SCTP: u8 = 132;
/// The protocol's number, and the types of the request and of the reply.
const ECHO_V4: (u8, u8, u8) = (1, 8, 0);
const ECHO_V6: (u8, u8, u8) = (58, 128, 129);

/// Who sends to whom, in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addresses {
    /// Source and destination.
    V4(Ipv4Addr, Ipv4Addr),
    /// Source and destination.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// None for addresses of two families.
    pub fn new(from: IpAddr, to: IpAddr) -> Option<Self> {
        match (from, to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Some(Self::V4(from, to)),
            (IpAddr::V6(from), IpAddr::V6(to)) => Some(Self::V6(from, to)),
            _ => None,
        }
    }

    /// The source.
    pub fn from(self) -> IpAddr {
        match self {
            Self::V4(from, _) => from.into(),
            Self::V6(from, _) => from.into(),
        }
    }

    /// The destination.
    pub fn to(self) -> IpAddr {
        match self {
            Self::V4(_, to) => to.into(),
            Self::V6(_, to) => to.into(),
        }
    }

    fn echo(self) -> (u8, u8, u8) {
        match self {
            Self::V4(..) => ECHO_V4,
            Self::V6(..) => ECHO_V6,
        }
    }
}

/// What is behind the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// A segment of TCP.
    Tcp {
        /// The port it is from.
        sport: u16,
        /// The port it is to.
        dport: u16,
        /// Its flags.
        flags: u8,
    },
    /// A datagram of UDP.
    Udp {
        /// The port it is from.
        sport: u16,
        /// The port it is to.
        dport: u16,
    },
    /// A packet of SCTP.
    Sctp {
        /// The port it is from.
        sport: u16,
        /// The port it is to.
        dport: u16,
    },
    /// An echo of ICMP.
    Echo {
        /// What request and reply have in common.
        identifier: u16,
        /// Whether it is the reply.
        is_reply: bool,
    },
    /// Another protocol, by its number; policy sees no ports of it.
    Other(u8),
}

impl Content {
    /// The ports, from and to; none for what has none.
    pub fn ports(self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp { sport, dport, .. }
            | Self::Udp { sport, dport }
            | Self::Sctp { sport, dport } => Some((sport, dport)),
            Self::Echo { .. } | Self::Other(_) => None,
        }
    }

    /// The next packet of a connection with this port, or identifier, at the sender's end.
    #[must_use]
    pub fn next(self, own: u16) -> Self {
        match self {
            Self::Tcp { dport, .. } => Self::Tcp {
                sport: own,
                dport,
                flags: ACK,
            },
            Self::Udp { dport, .. } => Self::Udp { sport: own, dport },
            Self::Sctp { dport, .. } => Self::Sctp { sport: own, dport },
            Self::Echo { is_reply, .. } => Self::Echo {
                identifier: own,
                is_reply,
            },
            Self::Other(number) => Self::Other(number),
        }
    }
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Packet {
    /// Its addresses.
    pub addresses: Addresses,
    /// Its hop limit.
    pub hop_limit: u8,
    /// What is in it.
    pub content: Content,
}

impl Packet {
    /// One with the usual hop limit.
    pub fn new(addresses: Addresses, content: Content) -> Self {
        Self {
            addresses,
            hop_limit: HOP_LIMIT,
            content,
        }
    }

    /// The number of its protocol.
    pub fn protocol(&self) -> u8 {
        match self.content {
            Content::Tcp { .. } => TCP,
            Content::Udp { .. } => UDP,
            Content::Sctp { .. } => SCTP,
            Content::Echo { .. } => self.addresses.echo().0,
            Content::Other(number) => number,
        }
    }

    /// The packet as a frame between two interfaces.
    pub fn frame(&self, from: MacAddr, to: MacAddr) -> Vec<u8> {
        let payload = self.payload();
        let mut frame = [to.0, from.0].concat();
        match self.addresses {
            Addresses::V4(source, destination) => {
                frame.extend(ETHERTYPE_IPV4.to_be_bytes());
                frame.extend(self.ipv4(source, destination, &payload));
            }
            Addresses::V6(source, destination) => {
                frame.extend(ETHERTYPE_IPV6.to_be_bytes());
                frame.extend(self.ipv6(source, destination, &payload));
            }
        }
        frame.extend(payload);
        frame
    }

    fn ipv4(&self, from: Ipv4Addr, to: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
        let header = |sum: [u8; 2]| {
            let mut header = vec![0x45, 0];
            header.extend(length(20, payload).to_be_bytes());
            // Whole, and not to be cut: a sender of today finds out what fits.
            header.extend([0, 0, 0x40, 0, self.hop_limit, self.protocol()]);
            header.extend(sum);
            header.extend(from.octets());
            header.extend(to.octets());
            header
        };
        header(checksum(&header([0; 2])))
    }

    fn ipv6(&self, from: Ipv6Addr, to: Ipv6Addr, payload: &[u8]) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(length(0, payload).to_be_bytes());
        header.extend([self.protocol(), self.hop_limit]);
        header.extend(from.octets());
        header.extend(to.octets());
        header
    }

    /// The transport header, with its checksum. SCTP has one of its own kind, which only the receiver's end
    /// looks at: it stays zero.
    fn payload(&self) -> Vec<u8> {
        let ports = |from: u16, to: u16| [from.to_be_bytes(), to.to_be_bytes()].concat();
        let (mut payload, sum_at) = match self.content {
            Content::Tcp {
                sport,
                dport,
                flags,
            } => {
                let rest = [0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
                ([&ports(sport, dport), &rest[..]].concat(), Some(16))
            }
            Content::Udp { sport, dport } => {
                ([&ports(sport, dport), &[0, 8, 0, 0][..]].concat(), Some(6))
            }
            Content::Sctp { sport, dport } => ([&ports(sport, dport), &[0; 12][..]].concat(), None),
            Content::Echo {
                identifier,
                is_reply,
            } => {
                let (_, request, reply) = self.addresses.echo();
                let kind = if is_reply { reply } else { request };
                let [high, low] = identifier.to_be_bytes();
                (vec![kind, 0, 0, 0, high, low, 0, 1], Some(2))
            }
            Content::Other(_) => (vec![0; 8], None),
        };
        if let Some(at) = sum_at {
            let sum = checksum(&[self.pseudo_header(&payload), payload.clone()].concat());
            let place = payload.iter_mut().skip(at);
            place.zip(sum).for_each(|(place, octet)| *place = octet);
        }
        payload
    }

    /// What is summed up besides the payload: nothing for ICMP of IPv4.
    fn pseudo_header(&self, payload: &[u8]) -> Vec<u8> {
        let [high, low] = length(0, payload).to_be_bytes();
        match (self.addresses, self.content) {
            (Addresses::V4(..), Content::Echo { .. }) => Vec::new(),
            (Addresses::V4(from, to), _) => {
                let rest = [0, self.protocol(), high, low];
                [from.octets(), to.octets(), rest].concat()
            }
            (Addresses::V6(from, to), _) => {
                let rest = [0, 0, high, low, 0, 0, 0, self.protocol()];
                [&from.octets()[..], &to.octets(), &rest].concat()
            }
        }
    }
}

/// No packet of ours is longer than the field can say.
fn length(header: usize, payload: &[u8]) -> u16 {
    u16::try_from(header + payload.len()).unwrap_or(u16::MAX)
}

/// The checksum of the Internet protocols (RFC 1071).
fn checksum(octets: &[u8]) -> [u8; 2] {
    let word = |pair: &[u8]| {
        let octet = |at: usize| pair.get(at).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([octet(0), octet(1)]))
    };
    let mut sum: u32 = octets.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(from: &str, to: &str, content: Content) -> Packet {
        let addresses = Addresses::new(from.parse().unwrap(), to.parse().unwrap());
        Packet::new(addresses.unwrap(), content)
    }

    const CONTENTS: [Content; 5] = [
        Content::Tcp {
            sport: 40_000,
            dport: 80,
            flags: SYN,
        },
        Content::Udp {
            sport: 40_000,
            dport: 53,
        },
        Content::Sctp { sport: 1, dport: 2 },
        Content::Echo {
            identifier: 7,
            is_reply: true,
        },
        Content::Other(47),
    ];

    #[test]
    fn the_monitor_reads_what_was_described() {
        use crate::events::packet::{Frame, IpPacket};
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            for content in CONTENTS {
                let packet = packet(from, to, content);
                let (own, other) = (MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2]));
                let bytes = packet.frame(own, other);
                let frame = Frame::decode(&bytes).unwrap();
                let ip = frame.ip().unwrap();
                assert_eq!(
                    (ip.source, ip.destination),
                    (packet.addresses.from(), packet.addresses.to())
                );
                assert_eq!((ip.protocol, ip.hop_limit), (packet.protocol(), HOP_LIMIT));
                let ports = IpPacket::sport(ip).zip(IpPacket::dport(ip));
                assert_eq!(ports, content.ports(), "{packet:?}");
            }
        }
    }

    #[test]
    fn sums_are_right() {
        // What is summed up together with its checksum is all ones.
        for (from, to) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::2")] {
            for content in CONTENTS {
                let packet = packet(from, to, content);
                if matches!(content, Content::Sctp { .. } | Content::Other(_)) {
                    continue;
                }
                let payload = packet.payload();
                let all = [packet.pseudo_header(&payload), payload].concat();
                assert_eq!(checksum(&all), [0, 0], "{packet:?}");
            }
        }
        let header =
            packet("10.0.0.1", "10.0.0.2", CONTENTS[0]).frame(MacAddr([0; 6]), MacAddr([0; 6]));
        assert_eq!(checksum(&header[14..34]), [0, 0]);
    }

    #[test]
    fn two_families_are_no_packet() {
        let (v4, v6) = ("10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap());
        assert_eq!(Addresses::new(v4, v6), None);
        assert_eq!(Addresses::new(v6, v4), None);
    }
}
