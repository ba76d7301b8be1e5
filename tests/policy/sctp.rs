//! As much of SCTP as two ends need to see that they reach each other: INIT and INIT ACK (RFC 9260, 3.3.2 and
//! 3.3.3) in raw sockets. So it is asked and answered without SCTP in the kernel, which few configurations have.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;

use crate::socket::{FAMILIES, open};

const PROTOCOL: i32 = 132;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
/// Ports, verification tag, checksum; then type, flags and length of a chunk, and its initiate tag.
const LENGTH: usize = 32;

/// All SCTP that comes to a namespace, and what is sent there.
pub(crate) struct Sctp {
    family: usize,
    socket: UdpSocket,
}

/// The first chunk of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    kind: u8,
    source: u16,
    destination: u16,
    /// What the asking end called its question.
    tag: u32,
}

impl Sctp {
    /// In the namespace of the calling thread.
    pub(crate) fn new(family: usize) -> Self {
        let socket = UdpSocket::from(open(FAMILIES[family], libc::SOCK_RAW, PROTOCOL));
        Self { family, socket }
    }

    /// Asks a port of an address.
    pub(crate) fn ask(&self, to: IpAddr, ports: (u16, u16), tag: u32) {
        let question = Packet {
            kind: INIT,
            source: ports.0,
            destination: ports.1,
            tag,
        };
        self.send(to, question);
    }

    /// The tags of the questions that have been answered.
    pub(crate) fn answers(&self) -> Vec<u32> {
        let answers = self.received().into_iter();
        let answers = answers.filter(|(_, packet)| packet.kind == INIT_ACK);
        answers.map(|(_, packet)| packet.tag).collect()
    }

    /// Answers what has been asked.
    pub(crate) fn answer(&self) {
        for (from, packet) in self.received() {
            if packet.kind == INIT {
                let answer = Packet {
                    kind: INIT_ACK,
                    source: packet.destination,
                    destination: packet.source,
                    tag: packet.tag,
                };
                self.send(from, answer);
            }
        }
    }

    /// A full queue loses a packet, as any network does.
    fn send(&self, to: IpAddr, packet: Packet) {
        let place = SocketAddr::new(to, 0);
        let _lost = self.socket.send_to(&packet.bytes(), place).is_err();
    }

    fn received(&self) -> Vec<(IpAddr, Packet)> {
        let mut packets = Vec::new();
        let mut bytes = [0; 256];
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            // Raw IPv4 comes with its header.
            let header = match self.family {
                0 => usize::from(bytes[0] & 15) * 4,
                _ => 0,
            };
            if let Some(packet) = Packet::read(&bytes[header.min(length)..length]) {
                packets.push((from.ip(), packet));
            }
        }
        packets
    }
}

impl AsFd for Sctp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Packet {
    fn bytes(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0..2].copy_from_slice(&self.source.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.destination.to_be_bytes());
        // An INIT has no verification tag; its answer has the one that it named.
        let (verification, initiate) = match self.kind {
            INIT => (0, self.tag),
            _ => (self.tag, 1),
        };
        bytes[4..8].copy_from_slice(&verification.to_be_bytes());
        bytes[12] = self.kind;
        bytes[15] = 20;
        bytes[16..20].copy_from_slice(&initiate.to_be_bytes());
        bytes[24..28].copy_from_slice(&[0, 1, 0, 1]);
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let half = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let kind = *bytes.get(12)?;
        Some(Self {
            kind,
            source: half(0)?,
            destination: half(2)?,
            tag: word(if kind == INIT { 16 } else { 4 })?,
        })
    }
}

#[test]
fn a_packet_says_what_was_meant() {
    for kind in [INIT, INIT_ACK] {
        let packet = Packet {
            kind,
            source: 20_000,
            destination: 80,
            tag: 0x0102_0304,
        };
        assert_eq!(Packet::read(&packet.bytes()), Some(packet));
        assert_eq!(Packet::read(&packet.bytes()[..12]), None);
    }
}
