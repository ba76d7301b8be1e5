//! The packet of an event, as `-o json` gives it.

use std::net::IpAddr;

use ep_builder::abi::EventPacket;
use ep_builder::endpoint::MacAddr;
use ep_builder::events::captured;
use ep_builder::events::packet::{Frame, IpPacket, Transport, protocol};
use serde::Serialize;

/// Bytes in a line.
const DUMPED: usize = 16;

/// What is known of a packet; null what its first bytes do not show.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Packet {
    pub(super) ifindex: u32,
    pub(super) len: u32,
    captured: u16,
    /// In a line, for people.
    pub(super) summary: String,
    source_mac: Option<MacAddr>,
    destination_mac: Option<MacAddr>,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    protocol: Option<String>,
    sport: Option<u16>,
    dport: Option<u16>,
    hop_limit: Option<u8>,
    tcp_flags: Option<Vec<&'static str>>,
    icmp_type: Option<u8>,
    icmp_code: Option<u8>,
    fragment_offset: Option<u16>,
    /// Its first bytes in hexadecimal digits, with `--verbose`.
    pub(super) bytes: Option<String>,
}

impl Packet {
    pub(super) fn new(packet: &EventPacket, with_bytes: bool) -> Self {
        let frame = Frame::decode(captured(packet));
        let ip = frame.as_ref().and_then(Frame::ip);
        let transport = ip.map(|ip| ip.transport);
        let icmp = match transport {
            Some(Transport::Icmp(icmp)) => Some(icmp),
            _ => None,
        };
        let flags = match transport {
            Some(Transport::Tcp(tcp)) => Some(tcp.flags.names().collect()),
            _ => None,
        };
        Self {
            ifindex: packet.ifindex,
            len: packet.len,
            captured: packet.captured,
            summary: summary(frame.as_ref()),
            source_mac: frame.as_ref().map(|frame| frame.source),
            destination_mac: frame.as_ref().map(|frame| frame.destination),
            source: ip.map(|ip| ip.source),
            destination: ip.map(|ip| ip.destination),
            protocol: ip.map(|ip| protocol(ip.protocol)),
            sport: ip.and_then(IpPacket::sport),
            dport: ip.and_then(IpPacket::dport),
            hop_limit: ip.map(|ip| ip.hop_limit),
            tcp_flags: flags,
            icmp_type: icmp.map(|icmp| icmp.kind),
            icmp_code: icmp.map(|icmp| icmp.code),
            fragment_offset: ip
                .and_then(|ip| ip.fragment)
                .map(|fragment| fragment.offset),
            bytes: with_bytes.then(|| digits(captured(packet))),
        }
    }

    /// Its first bytes in lines, with the place where each begins.
    pub(super) fn dump(&self) -> String {
        let digits = self.bytes.as_deref().unwrap_or_default().as_bytes();
        let mut text = String::new();
        for (row, line) in digits.chunks(2 * DUMPED).enumerate() {
            let groups: Vec<_> = line.chunks(4).map(String::from_utf8_lossy).collect();
            let line = format!("    {:04x}  {}\n", row * DUMPED, groups.join(" "));
            text.push_str(&line);
        }
        text
    }

    /// The Ethernet addresses.
    pub(super) fn macs(&self) -> Option<String> {
        let (source, destination) = self.source_mac.zip(self.destination_mac)?;
        Some(format!("{source} -> {destination}"))
    }
}

fn digits(bytes: &[u8]) -> String {
    let each: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    each.concat()
}

fn summary(frame: Option<&Frame>) -> String {
    frame.map_or("no whole Ethernet header".to_owned(), Frame::to_string)
}
