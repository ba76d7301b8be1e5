//! All ICMP that comes to a place.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::libc;

use crate::socket::{FAMILIES, open};
use crate::world::Place;

const PROTOCOLS: [i32; 2] = [libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6];
const HEADER: usize = 8;
/// The types of echo requests, by family.
pub(crate) const ECHO_REQUEST: [u8; 2] = [8, 128];
/// The types of errors that say that a packet has lived too long.
pub(crate) const TIME_EXCEEDED: [u8; 2] = [11, 3];
/// The types of errors that say that there is no way, or nobody.
pub(crate) const UNREACHABLE: [u8; 2] = [3, 1];

/// A socket that hears ICMP.
pub(crate) struct Ears {
    family: usize,
    socket: UdpSocket,
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) from: IpAddr,
    pub(crate) kind: u8,
    body: Vec<u8>,
}

/// What an error is about: the packet that its receiver is said to have sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) protocol: u8,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

impl Ears {
    pub(crate) fn new(place: Place, family: usize) -> Self {
        let socket = place.inside(|| open(FAMILIES[family], libc::SOCK_RAW, PROTOCOLS[family]));
        let socket = UdpSocket::from(socket);
        Self { family, socket }
    }

    /// What has come since the last time.
    pub(crate) fn heard(&self) -> Vec<Message> {
        let (mut messages, mut bytes) = (Vec::new(), [0; 2048]);
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            // Raw IPv4 comes with its header.
            let header = match self.family {
                0 => usize::from(bytes[0] & 15) * 4,
                _ => 0,
            };
            let packet = &bytes[header.min(length)..length];
            if packet.len() >= HEADER {
                messages.push(Message {
                    from: from.ip(),
                    kind: packet[0],
                    body: packet[HEADER..].to_vec(),
                });
            }
        }
        messages
    }

    /// The packets that errors of a type are about.
    pub(crate) fn errors(&self, kind: u8) -> Vec<(IpAddr, Packet)> {
        let messages = self.heard().into_iter().filter(|it| it.kind == kind);
        let about = messages.filter_map(|it| Some((it.from, it.about()?)));
        about.collect()
    }
}

impl Message {
    fn about(&self) -> Option<Packet> {
        let bytes = &self.body[..];
        let (source, destination, protocol, length) = if bytes.first()? >> 4 == 4 {
            let word = |at: usize| <[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok();
            let header = usize::from(bytes[0] & 15) * 4;
            let ends = (IpAddr::from(word(12)?), IpAddr::from(word(16)?));
            (ends.0, ends.1, *bytes.get(9)?, header)
        } else {
            let words = |at: usize| <[u8; 16]>::try_from(bytes.get(at..at + 16)?).ok();
            let ends = (IpAddr::from(words(8)?), IpAddr::from(words(24)?));
            (ends.0, ends.1, *bytes.get(6)?, 40)
        };
        let port = |at: usize| {
            let bytes = bytes.get(length + at..length + at + 2)?;
            Some(u16::from_be_bytes(bytes.try_into().ok()?))
        };
        Some(Packet {
            protocol,
            source: (source, port(0)?).into(),
            destination: (destination, port(2)?).into(),
        })
    }
}
