//! TCP, UDP and its kin, ICMP.

use std::fmt;

use super::bytes::Bytes;
use super::names;

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp(Tcp),
    /// UDP, SCTP and others whose header begins with two ports.
    UdpLike(UdpLike),
    /// ICMP or `ICMPv6`.
    Icmp(Icmp),
    /// A later fragment: the header went with the first one.
    Later,
    /// The header is cut short.
    Broken,
    /// Another protocol.
    Other,
}

/// A segment of TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The sender's port.
    pub sport: u16,
    /// The receiver's port.
    pub dport: u16,
    /// What it says about the connection.
    pub flags: TcpFlags,
}

/// The ports of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpLike {
    /// The sender's port.
    pub sport: u16,
    /// The receiver's port.
    pub dport: u16,
}

/// A message of ICMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Icmp {
    /// Whether it is one of `ICMPv6`, which has other numbers.
    pub is_v6: bool,
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
}

impl Icmp {
    /// The name of its type.
    pub fn name(self) -> Option<&'static str> {
        names::icmp(self.is_v6, self.kind)
    }
}

/// The flags of TCP: one byte of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    const NAMES: [&'static str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

    /// The names of those that are set, in the order of their bits.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |bit: &usize| self.0 & (1 << bit) != 0;
        let bits = (0..Self::NAMES.len()).filter(set);
        bits.filter_map(|bit| Self::NAMES.get(bit).copied())
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.names().collect();
        f.write_str(&names.join("|"))
    }
}

impl Transport {
    /// Reads what stands behind the IP header, `offset` bytes into its datagram.
    pub(super) fn decode(protocol: u8, offset: u16, rest: Bytes<'_>) -> Self {
        if offset != 0 {
            return Self::Later;
        }
        let decoded = match protocol {
            1 => icmp(false, rest),
            58 => icmp(true, rest),
            6 => tcp(rest),
            // UDP, DCCP, SCTP, UDP-Lite.
            17 | 33 | 132 | 136 => udp_like(rest),
            _ => return Self::Other,
        };
        decoded.unwrap_or(Self::Broken)
    }

    /// The ports of sender and receiver.
    pub fn ports(&self) -> Option<(u16, u16)> {
        match self {
            Self::Tcp(Tcp { sport, dport, .. }) | Self::UdpLike(UdpLike { sport, dport }) => {
                Some((*sport, *dport))
            }
            _ => None,
        }
    }
}

fn tcp(mut rest: Bytes<'_>) -> Option<Transport> {
    let (sport, dport) = (rest.u16()?, rest.u16()?);
    rest.skip(9)?;
    let flags = TcpFlags(rest.u8()?);
    Some(Transport::Tcp(Tcp {
        sport,
        dport,
        flags,
    }))
}

fn udp_like(mut rest: Bytes<'_>) -> Option<Transport> {
    let (sport, dport) = (rest.u16()?, rest.u16()?);
    Some(Transport::UdpLike(UdpLike { sport, dport }))
}

fn icmp(is_v6: bool, mut rest: Bytes<'_>) -> Option<Transport> {
    let (kind, code) = (rest.u8()?, rest.u8()?);
    Some(Transport::Icmp(Icmp { is_v6, kind, code }))
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(tcp) => write!(f, " {}", tcp.flags),
            Self::Icmp(icmp) => {
                match icmp.name() {
                    Some(name) => write!(f, " {name}")?,
                    None => write!(f, " type {}", icmp.kind)?,
                }
                match icmp.code {
                    0 => Ok(()),
                    code => write!(f, " code {code}"),
                }
            }
            Self::Broken => f.write_str(" broken header"),
            Self::UdpLike(_) | Self::Later | Self::Other => Ok(()),
        }
    }
}
