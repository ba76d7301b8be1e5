//! IPv4 and IPv6.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::bytes::Bytes;
use super::names;
use super::transport::Transport;

/// A packet of IPv4 or IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpPacket {
    /// Who sent it.
    pub source: IpAddr,
    /// Who gets it.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub hop_limit: u8,
    /// The number of the protocol it carries, behind all extension headers that could be read.
    pub protocol: u8,
    /// Where in its datagram it belongs, if that was cut into several.
    pub fragment: Option<Fragment>,
    /// What it carries.
    pub transport: Transport,
}

/// The place of a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The number of its datagram.
    pub id: u32,
    /// Bytes before it.
    pub offset: u16,
    /// Whether there are more behind it.
    pub more: bool,
}

impl IpPacket {
    /// The source with its port, where the packet shows one.
    pub fn sport(&self) -> Option<u16> {
        self.transport.ports().map(|(sport, _)| sport)
    }

    /// The destination's port, where the packet shows one.
    pub fn dport(&self) -> Option<u16> {
        self.transport.ports().map(|(_, dport)| dport)
    }
}

/// Reads behind the Ethernet header; none if it is no IPv4 header.
pub(super) fn v4(mut rest: Bytes<'_>) -> Option<IpPacket> {
    let whole = rest;
    let first = rest.u8()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 {
        return None;
    }
    rest.skip(1)?;
    let total = usize::from(rest.u16()?);
    let id = rest.u16()?;
    let place = rest.u16()?;
    let hop_limit = rest.u8()?;
    let protocol = rest.u8()?;
    rest.skip(2)?;
    let source = Ipv4Addr::from(rest.take::<4>()?);
    let destination = Ipv4Addr::from(rest.take::<4>()?);
    let fragment = Fragment {
        id: id.into(),
        offset: (place & 0x1fff) * 8,
        more: place & 0x2000 != 0,
    };
    // Zero is what segmentation offload leaves in a packet that is too large for the field.
    let mut behind = if total == 0 {
        whole
    } else {
        whole.end_after(total)
    };
    let carried = behind.skip(header).map_or(Bytes(&[]), |()| behind);
    Some(IpPacket {
        source: source.into(),
        destination: destination.into(),
        hop_limit,
        protocol,
        fragment: (fragment.offset != 0 || fragment.more).then_some(fragment),
        transport: Transport::decode(protocol, fragment.offset, carried),
    })
}

/// Likewise for IPv6.
pub(super) fn v6(mut rest: Bytes<'_>) -> Option<IpPacket> {
    if rest.u32()? >> 28 != 6 {
        return None;
    }
    let length = usize::from(rest.u16()?);
    let next = rest.u8()?;
    let hop_limit = rest.u8()?;
    let source = Ipv6Addr::from(rest.take::<16>()?);
    let destination = Ipv6Addr::from(rest.take::<16>()?);
    let behind = if length == 0 {
        rest
    } else {
        rest.end_after(length)
    };
    let chain = Chain::follow(next, behind);
    let offset = chain.fragment.map_or(0, |fragment| fragment.offset);
    Some(IpPacket {
        source: source.into(),
        destination: destination.into(),
        hop_limit,
        protocol: chain.protocol,
        fragment: chain.fragment,
        transport: Transport::decode(chain.protocol, offset, chain.rest),
    })
}

/// What is behind the extension headers.
struct Chain<'a> {
    protocol: u8,
    fragment: Option<Fragment>,
    rest: Bytes<'a>,
}

impl<'a> Chain<'a> {
    /// Each header has at least eight bytes, so a chain ends with the packet.
    fn follow(protocol: u8, rest: Bytes<'a>) -> Self {
        let mut chain = Self {
            protocol,
            fragment: None,
            rest,
        };
        while chain.is_first() && chain.step().is_some() {}
        chain
    }

    /// A later fragment has no headers behind that of the fragment.
    fn is_first(&self) -> bool {
        self.fragment.is_none_or(|fragment| fragment.offset == 0)
    }

    /// Goes past one header, if it is one and is whole.
    fn step(&mut self) -> Option<()> {
        let mut rest = self.rest;
        let header = rest.take::<8>()?;
        let [next, length, place_high, place_low, id @ ..] = header;
        let more = match self.protocol {
            // Hop-by-hop, routing, destination, mobility, host identity, shim6: units of eight bytes.
            0 | 43 | 60 | 135 | 139 | 140 => usize::from(length) * 8,
            // Authentication: units of four bytes, two less than there are.
            51 => usize::from(length) * 4,
            44 => {
                let place = u16::from_be_bytes([place_high, place_low]);
                self.fragment = Some(Fragment {
                    id: u32::from_be_bytes(id),
                    offset: place & 0xfff8,
                    more: place & 1 != 0,
                });
                0
            }
            _ => return None,
        };
        rest.skip(more)?;
        self.protocol = next;
        self.rest = rest;
        Some(())
    }
}

impl fmt::Display for IpPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (source, destination) = (self.source, self.destination);
        match self.transport.ports() {
            Some((sport, dport)) => {
                let (from, to) = (
                    SocketAddr::new(source, sport),
                    SocketAddr::new(destination, dport),
                );
                write!(f, "{from} -> {to}")?;
            }
            None => write!(f, "{source} -> {destination}")?,
        }
        write!(f, " {}{}", names::protocol(self.protocol), self.transport)?;
        match self.fragment {
            Some(Fragment { offset, more, .. }) => {
                let last = if more { "" } else { ", the last" };
                write!(f, " fragment at {offset}{last}")
            }
            None => Ok(()),
        }
    }
}
