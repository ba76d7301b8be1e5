//! Echo requests, which every kernel answers by itself (RFC 792 and RFC 4443, 4.1 and 4.2).

use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::libc;

use crate::socket::{FAMILIES, open};

/// By family, as all that follows.
const PROTOCOLS: [i32; 2] = [libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6];
const REQUESTS: [u8; 2] = [8, 128];
const REPLIES: [u8; 2] = [0, 129];
/// Type, code, checksum, identifier, number; then a tag.
const LENGTH: usize = 12;

/// All ICMP that comes to a namespace, and what is sent there.
pub(crate) struct Icmp {
    family: usize,
    socket: UdpSocket,
}

impl Icmp {
    /// In the namespace of the calling thread.
    pub(crate) fn new(family: usize) -> Self {
        let socket = open(FAMILIES[family], libc::SOCK_RAW, PROTOCOLS[family]);
        let socket = UdpSocket::from(socket);
        Self { family, socket }
    }

    /// Asks an address. A full queue loses a packet, as any network does.
    pub(crate) fn ask(&self, to: IpAddr, identifier: u16, tag: u32) {
        let mut packet = [0; LENGTH];
        packet[0] = REQUESTS[self.family];
        packet[4..6].copy_from_slice(&identifier.to_be_bytes());
        packet[8..].copy_from_slice(&tag.to_be_bytes());
        // That of ICMPv6 takes in the addresses, and the kernel writes it.
        let sum = checksum(packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
        let place = SocketAddr::new(to, 0);
        let _lost = self.socket.send_to(&packet, place).is_err();
    }

    /// The tags of the requests that have been answered.
    pub(crate) fn answers(&self) -> Vec<u32> {
        let (mut tags, mut bytes) = (Vec::new(), [0; 256]);
        while let Ok(length) = self.socket.recv(&mut bytes) {
            // Raw IPv4 comes with its header.
            let header = match self.family {
                0 => usize::from(bytes[0] & 15) * 4,
                _ => 0,
            };
            let packet = &bytes[header.min(length)..length];
            if packet.first() == Some(&REPLIES[self.family]) && packet.len() == LENGTH {
                let tag = packet[8..].try_into().unwrap();
                tags.push(u32::from_be_bytes(tag));
            }
        }
        tags
    }
}

/// The checksum of a packet whose own is 0 (RFC 1071).
fn checksum(packet: [u8; LENGTH]) -> u16 {
    let words = packet.chunks(2);
    let sum: u32 = words
        .map(|word| u32::from(word[0]) << 8 | u32::from(word[1]))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

#[test]
fn a_packet_and_its_checksum_make_all_ones() {
    let mut packet = [8, 0, 0, 0, 0xff, 0xfe, 0, 0, 1, 2, 3, 0xfd];
    let sum = checksum(packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(checksum(packet), 0);
}
