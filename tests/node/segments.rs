//! Single segments of TCP, as somebody sends them who is no end of the connection, and all that come to a place.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use nix::libc;

use crate::socket::{FAMILIES, open};
use crate::world::Place;

const PROTOCOL: u8 = 6;
const HEADER: usize = 20;
/// That the connection is over, at once.
pub(crate) const RST: u8 = 0x04;
/// Data.
pub(crate) const PSH_ACK: u8 = 0x18;

/// A socket for segments.
pub(crate) struct Segments {
    family: usize,
    socket: UdpSocket,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) flags: u8,
    /// Sequence number and the number that is acknowledged.
    pub(crate) numbers: [u32; 2],
    pub(crate) text: Vec<u8>,
}

impl Segments {
    /// In a place. It sends with whatever source its routes say.
    pub(crate) fn new(place: Place, family: usize) -> Self {
        let protocol = PROTOCOL.into();
        let socket = place.inside(|| open(FAMILIES[family], libc::SOCK_RAW, protocol));
        Self {
            family,
            socket: UdpSocket::from(socket),
        }
    }

    /// Sends one, from an address that the routes must say.
    pub(crate) fn send(&self, segment: &Segment) {
        let place = SocketAddr::new(segment.to.ip(), 0);
        self.socket.send_to(&segment.bytes(), place).unwrap();
    }

    /// What has come to an address since the last time.
    pub(crate) fn heard(&self, own: IpAddr) -> Vec<Segment> {
        let (mut segments, mut bytes) = (Vec::new(), [0; 2048]);
        while let Ok((length, from)) = self.socket.recv_from(&mut bytes) {
            // Raw IPv4 comes with its header.
            let header = match self.family {
                0 => usize::from(bytes[0] & 15) * 4,
                _ => 0,
            };
            let packet = &bytes[header.min(length)..length];
            segments.extend(Segment::read(packet, from.ip(), own));
        }
        segments
    }
}

impl Segment {
    fn bytes(&self) -> Vec<u8> {
        let [sequence, acknowledged] = self.numbers;
        let mut bytes = [self.from.port(), self.to.port()]
            .map(u16::to_be_bytes)
            .concat();
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(acknowledged.to_be_bytes());
        // The length of the header in words, flags, window; checksum and urgent pointer.
        bytes.extend([5 << 4, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
        bytes.extend(&self.text);
        let sum = self.checksum(&bytes);
        bytes[16..18].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// Over the addresses, the protocol, the length and the segment (RFC 9293, 3.1).
    fn checksum(&self, bytes: &[u8]) -> u16 {
        let mut all = octets(self.from.ip());
        all.extend(octets(self.to.ip()));
        let length = u16::try_from(bytes.len()).unwrap();
        all.extend(u16::from(PROTOCOL).to_be_bytes());
        all.extend(length.to_be_bytes());
        all.extend(bytes);
        if all.len() % 2 == 1 {
            all.push(0);
        }
        let (words, _) = all.as_chunks::<2>();
        let words = words
            .iter()
            .map(|word| u64::from(u16::from_be_bytes(*word)));
        let mut sum: u64 = words.sum();
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !u16::try_from(sum).unwrap()
    }

    fn read(packet: &[u8], from: IpAddr, to: IpAddr) -> Option<Self> {
        let half = |at: usize| Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
        let word = |at: usize| Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?));
        let header = usize::from(packet.get(12)? >> 4) * 4;
        Some(Self {
            from: (from, half(0)?).into(),
            to: (to, half(2)?).into(),
            flags: *packet.get(13)?,
            numbers: [word(4)?, word(8)?],
            text: packet.get(header.max(HEADER)..)?.to_vec(),
        })
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[test]
fn a_segment_says_what_was_meant_and_its_sum_is_right() {
    let ends = [
        ("192.0.2.1", "198.51.100.2"),
        ("2001:db8::1", "2001:db8::2"),
    ];
    for (from, to) in ends.map(|(a, b)| (a.parse::<IpAddr>(), b.parse::<IpAddr>())) {
        let segment = Segment {
            from: (from.unwrap(), 7).into(),
            to: (to.unwrap(), 8).into(),
            flags: PSH_ACK,
            numbers: [0x0102_0304, 0x0506_0708],
            text: b"odd".to_vec(),
        };
        let bytes = segment.bytes();
        let read = Segment::read(&bytes, segment.from.ip(), segment.to.ip());
        assert_eq!(read.as_ref(), Some(&segment));
        // With the sum in its place the sum of all is none.
        assert_eq!(segment.checksum(&bytes), 0);
        assert_eq!(
            Segment::read(&bytes[..12], segment.from.ip(), segment.to.ip()),
            None
        );
    }
}
