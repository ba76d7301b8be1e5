//! Packets by description. What is not said is as it should be: checksums, lengths, the pod's own MAC.

use std::net::IpAddr;

pub(crate) const POD_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
pub(crate) const HOST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x11];
pub(crate) const OTHER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];
pub(crate) const OTHER_HOST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x12];

pub(crate) const ICMP: u8 = 1;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const ICMPV6: u8 = 58;
pub(crate) const SCTP: u8 = 132;

pub(crate) const FIN: u8 = 1;
pub(crate) const SYN: u8 = 2;
pub(crate) const RST: u8 = 4;
pub(crate) const ACK: u8 = 16;

/// A frame in the making.
#[derive(Clone, Debug)]
pub(crate) struct Packet {
    pub(crate) to_mac: [u8; 6],
    pub(crate) from_mac: [u8; 6],
    pub(crate) ethertype: Option<u16>,
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) ttl: u8,
    /// Options of IPv4.
    pub(crate) options: Vec<u8>,
    /// Extension headers of IPv6, each with its number, and its octets but the first.
    pub(crate) extensions: Vec<(u8, Vec<u8>)>,
    /// Of a fragment: identifier, place in units of 8, whether more follow.
    pub(crate) fragment: Option<(u16, u16, bool)>,
    pub(crate) protocol: u8,
    /// The transport header and what follows it.
    pub(crate) payload: Vec<u8>,
    /// What is patched into the frame at the end.
    patches: Vec<(usize, Vec<u8>)>,
    cut: Option<usize>,
    padding: usize,
}

impl Packet {
    pub(crate) fn new(from: IpAddr, to: IpAddr, protocol: u8, payload: Vec<u8>) -> Self {
        Self {
            to_mac: HOST_MAC,
            from_mac: POD_MAC,
            ethertype: None,
            from,
            to,
            ttl: 64,
            options: Vec::new(),
            extensions: Vec::new(),
            fragment: None,
            protocol,
            payload,
            patches: Vec::new(),
            cut: None,
            padding: 0,
        }
    }

    pub(crate) fn macs(mut self, to: [u8; 6], from: [u8; 6]) -> Self {
        (self.to_mac, self.from_mac) = (to, from);
        self
    }

    pub(crate) fn ethertype(mut self, ethertype: u16) -> Self {
        self.ethertype = Some(ethertype);
        self
    }

    pub(crate) fn ttl(mut self, ttl: u8) -> Self {
        self.ttl = ttl;
        self
    }

    pub(crate) fn options(mut self, options: &[u8]) -> Self {
        self.options = options.to_vec();
        self
    }

    pub(crate) fn extension(mut self, number: u8, octets: &[u8]) -> Self {
        self.extensions.push((number, octets.to_vec()));
        self
    }

    pub(crate) fn fragment(mut self, id: u16, place: u16, more: bool) -> Self {
        self.fragment = Some((id, place, more));
        self
    }

    /// These octets at this place of the frame, whatever should be there.
    pub(crate) fn patch(mut self, at: usize, octets: &[u8]) -> Self {
        self.patches.push((at, octets.to_vec()));
        self
    }

    /// The frame ends there.
    pub(crate) fn cut(mut self, length: usize) -> Self {
        self.cut = Some(length);
        self
    }

    /// Octets after the packet.
    pub(crate) fn padding(mut self, length: usize) -> Self {
        self.padding = length;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut frame = [&self.to_mac[..], &self.from_mac].concat();
        let ethertype = if self.from.is_ipv4() { 0x0800 } else { 0x86dd };
        frame.extend(self.ethertype.unwrap_or(ethertype).to_be_bytes());
        let header = match (self.from, self.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => self.ipv4(from.octets(), to.octets()),
            (IpAddr::V6(from), IpAddr::V6(to)) => self.ipv6(from.octets(), to.octets()),
            _ => panic!("addresses of two families"),
        };
        frame.extend(header);
        frame.extend(&self.payload);
        frame.resize(frame.len() + self.padding, 0);
        for (at, octets) in &self.patches {
            frame[*at..*at + octets.len()].copy_from_slice(octets);
        }
        frame.truncate(self.cut.unwrap_or(frame.len()));
        frame
    }

    fn ipv4(&self, from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
        let words = 5 + self.options.len() / 4;
        let total = words * 4 + self.payload.len();
        let (id, place, more) = self.fragment.unwrap_or((0, 0, false));
        let mut header = vec![0x40 | u8::try_from(words).unwrap(), 0];
        header.extend(u16::try_from(total).unwrap_or(0).to_be_bytes());
        header.extend(id.to_be_bytes());
        header.extend((place | u16::from(more) << 13).to_be_bytes());
        header.extend([self.ttl, self.protocol, 0, 0]);
        header.extend(from);
        header.extend(to);
        header.extend(&self.options);
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }

    fn ipv6(&self, from: [u8; 16], to: [u8; 16]) -> Vec<u8> {
        let mut chain = self.extensions.clone();
        if let Some((id, place, more)) = self.fragment {
            let word = place << 3 | u16::from(more);
            chain.push((
                44,
                [&[0][..], &word.to_be_bytes(), &[0, 0], &id.to_be_bytes()].concat(),
            ));
        }
        let numbers: Vec<u8> = chain
            .iter()
            .map(|(number, _)| *number)
            .chain([self.protocol])
            .collect();
        let extensions: Vec<u8> = chain
            .iter()
            .zip(&numbers[1..])
            .flat_map(|((_, octets), next)| [&[*next][..], octets].concat())
            .collect();
        let length = u16::try_from(extensions.len() + self.payload.len()).unwrap_or(0);
        let mut header = vec![0x60, 0, 0, 0];
        header.extend(length.to_be_bytes());
        header.extend([numbers[0], self.ttl]);
        header.extend(from);
        header.extend(to);
        header.extend(extensions);
        header
    }
}

/// The checksum of the Internet protocols (RFC 1071).
pub(crate) fn checksum(octets: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    let mut sum: u32 = octets.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

pub(crate) fn tcp(from: (IpAddr, u16), to: (IpAddr, u16), flags: u8) -> Packet {
    let mut header = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    header.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    Packet::new(from.0, to.0, TCP, header)
}

pub(crate) fn udp(from: (IpAddr, u16), to: (IpAddr, u16)) -> Packet {
    let mut header = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    header.extend([0, 12, 0, 0]);
    header.extend(b"data");
    Packet::new(from.0, to.0, UDP, header)
}

pub(crate) fn sctp(from: (IpAddr, u16), to: (IpAddr, u16)) -> Packet {
    let mut header = [from.1.to_be_bytes(), to.1.to_be_bytes()].concat();
    header.extend([0; 12]);
    Packet::new(from.0, to.0, SCTP, header)
}

/// A message of ICMP or `ICMPv6`, with its checksum.
pub(crate) fn icmp(from: IpAddr, to: IpAddr, kind: u8, code: u8, rest: &[u8]) -> Packet {
    let mut message = [&[kind, code, 0, 0][..], rest].concat();
    let (protocol, pseudo) = match from {
        IpAddr::V4(_) => (ICMP, Vec::new()),
        IpAddr::V6(_) => {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            let parts = [
                octets(from),
                octets(to),
                length.to_vec(),
                vec![0, 0, 0, ICMPV6],
            ];
            (ICMPV6, parts.concat())
        }
    };
    let sum = checksum(&[pseudo, message.clone()].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    Packet::new(from, to, protocol, message)
}

/// An echo request, or the reply to one.
pub(crate) fn echo(from: IpAddr, to: IpAddr, id: u16, is_request: bool) -> Packet {
    let kind = match (from, is_request) {
        (IpAddr::V4(_), true) => 8,
        (IpAddr::V4(_), false) => 0,
        (IpAddr::V6(_), true) => 128,
        (IpAddr::V6(_), false) => 129,
    };
    icmp(
        from,
        to,
        kind,
        0,
        &[&id.to_be_bytes()[..], &[0, 1]].concat(),
    )
}

/// "Port unreachable", about a packet.
pub(crate) fn unreachable(from: IpAddr, to: IpAddr, about: &Packet) -> Packet {
    let (kind, code) = if from.is_ipv4() { (3, 3) } else { (1, 4) };
    icmp(
        from,
        to,
        kind,
        code,
        &[&[0; 4][..], &about.bytes()[14..]].concat(),
    )
}

/// A message of ARP.
pub(crate) fn arp(operation: u16, sender: ([u8; 6], IpAddr), target: ([u8; 6], IpAddr)) -> Vec<u8> {
    let mut frame = [&[0xff; 6][..], &sender.0, &[8, 6, 0, 1, 8, 0, 6, 4]].concat();
    frame.extend(operation.to_be_bytes());
    frame.extend(sender.0);
    frame.extend(octets(sender.1));
    frame.extend(target.0);
    frame.extend(octets(target.1));
    frame
}
