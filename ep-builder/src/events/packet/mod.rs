//! The beginning of a captured packet, as far as it goes. Total: any bytes give a value.
//!
//! Events carry the first bytes of a packet, and drops are of packets that are broken, so nothing is taken
//! for granted: what is cut short or contradicts itself is said to be, and what came before it is kept.

mod bytes;
mod ip;
mod names;
mod transport;

use std::fmt;
use std::net::Ipv4Addr;

use crate::endpoint::MacAddr;
use bytes::Bytes;

pub use ip::{Fragment, IpPacket};
pub use names::protocol;
pub use transport::{Icmp, Tcp, TcpFlags, Transport, UdpLike};

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Customer and service tags.
const ETHERTYPES_VLAN: [u16; 2] = [0x8100, 0x88a8];
/// Nothing sends more than two tags; what does is shown as another protocol.
const MAX_TAGS: usize = 2;

/// An Ethernet frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Who sent it.
    pub source: MacAddr,
    /// Who gets it.
    pub destination: MacAddr,
    /// The numbers of its VLANs, the outer one first.
    pub vlans: Vec<u16>,
    /// What it carries.
    pub payload: Payload,
}

/// What a frame carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// ARP for IPv4.
    Arp(Arp),
    /// IPv4 or IPv6.
    Ip(IpPacket),
    /// Another protocol, by its ethertype.
    Other(u16),
    /// A protocol whose header is cut short or contradicts itself, by its ethertype.
    Broken(u16),
}

/// A question or an answer of ARP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arp {
    /// 1 for a question, 2 for an answer.
    pub operation: u16,
    /// Who asks or answers.
    pub sender_mac: MacAddr,
    /// Likewise.
    pub sender: Ipv4Addr,
    /// The address asked for, or who asked.
    pub target: Ipv4Addr,
}

impl Frame {
    /// Reads a packet's first bytes; none if not even the Ethernet header is there.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = Bytes(bytes);
        let destination = MacAddr(rest.take()?);
        let source = MacAddr(rest.take()?);
        let mut ethertype = rest.u16()?;
        let mut vlans = Vec::new();
        while ETHERTYPES_VLAN.contains(&ethertype) && vlans.len() < MAX_TAGS {
            let Some((tag, next)) = rest.u16().zip(rest.u16()) else {
                break;
            };
            vlans.push(tag & 0x0fff);
            ethertype = next;
        }
        Some(Self {
            source,
            destination,
            vlans,
            payload: payload(ethertype, rest),
        })
    }

    /// The IP packet in it, if there is one.
    pub fn ip(&self) -> Option<&IpPacket> {
        match &self.payload {
            Payload::Ip(packet) => Some(packet),
            _ => None,
        }
    }
}

fn payload(ethertype: u16, rest: Bytes<'_>) -> Payload {
    let decoded = match ethertype {
        ETHERTYPE_IPV4 => ip::v4(rest).map(Payload::Ip),
        ETHERTYPE_IPV6 => ip::v6(rest).map(Payload::Ip),
        ETHERTYPE_ARP => arp(rest).map(Payload::Arp),
        _ => return Payload::Other(ethertype),
    };
    decoded.unwrap_or(Payload::Broken(ethertype))
}

fn arp(mut rest: Bytes<'_>) -> Option<Arp> {
    // Ethernet, IPv4, and the lengths of their addresses.
    if rest.take()? != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    let operation = rest.u16()?;
    let sender_mac = MacAddr(rest.take()?);
    let sender = Ipv4Addr::from(rest.take::<4>()?);
    rest.skip(6)?;
    Some(Arp {
        operation,
        sender_mac,
        sender,
        target: Ipv4Addr::from(rest.take::<4>()?),
    })
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for vlan in &self.vlans {
            write!(f, "vlan {vlan} ")?;
        }
        let (from, to) = (self.source, self.destination);
        match &self.payload {
            Payload::Arp(arp) => arp.fmt(f),
            Payload::Ip(packet) => packet.fmt(f),
            Payload::Other(ethertype) => write!(f, "{from} -> {to} ethertype {ethertype:#06x}"),
            Payload::Broken(ethertype) => {
                let name = names::ethertype(*ethertype);
                write!(f, "{from} -> {to} broken {name} header")
            }
        }
    }
}

impl fmt::Display for Arp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            sender_mac,
            sender,
            target,
        } = self;
        match operation {
            1 => write!(f, "arp who-has {target} tell {sender}"),
            2 => write!(f, "arp {sender} is-at {sender_mac}"),
            _ => write!(f, "arp operation {operation} {sender} -> {target}"),
        }
    }
}

#[cfg(test)]
mod tests;
