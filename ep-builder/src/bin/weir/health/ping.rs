//! One question to one address, and how long the answer takes: ICMP echo, by a raw socket.
#![expect(unsafe_code, reason = "the standard library makes no raw sockets")]

use std::io;
use std::net::{IpAddr, UdpSocket};
use std::os::fd::{FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;

/// How often it is asked, and how long one answer is waited for: a second in all.
const TRIES: u16 = 4;
const PATIENCE: Duration = Duration::from_millis(250);
/// Type, code, checksum, id, number.
const HEADER: usize = 8;
/// What tells our packets from those of others: process and time.
const NONCE: usize = 16;
const LARGEST: usize = 256;

/// What became of a question.
#[derive(Debug)]
pub(crate) enum Echo {
    /// It was answered, after this time.
    Answered(Duration),
    /// Nobody answered.
    Silence,
    /// It could not be asked.
    Unasked(io::Error),
}

/// Asks an address until it answers, for a second at most.
pub(crate) fn ping(address: IpAddr) -> Echo {
    let mut refused = None;
    let socket = match socket(address) {
        Ok(socket) => socket,
        Err(error) => return Echo::Unasked(error),
    };
    for number in 0..TRIES {
        match ask(&socket, address, number) {
            Ok(Some(time)) => return Echo::Answered(time),
            Ok(None) => {}
            Err(error) => refused = Some(error),
        }
    }
    refused.map_or(Echo::Silence, Echo::Unasked)
}

/// The type of a question and that of its answer.
fn types(address: IpAddr) -> (u8, u8) {
    match address {
        IpAddr::V4(_) => (8, 0),
        IpAddr::V6(_) => (128, 129),
    }
}

/// Connected, so that the kernel hands over what comes from that address alone. The type of the standard library is
/// that of datagrams, which is what a raw socket is to send, receive and wait.
fn socket(address: IpAddr) -> io::Result<UdpSocket> {
    let (family, protocol) = match address {
        IpAddr::V4(_) => (libc::AF_INET, libc::IPPROTO_ICMP),
        IpAddr::V6(_) => (libc::AF_INET6, libc::IPPROTO_ICMPV6),
    };
    // SAFETY: no memory is passed, and what is returned is an error or a descriptor that nobody else has.
    let socket = unsafe {
        let fd = libc::socket(family, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol);
        UdpSocket::from(OwnedFd::from_raw_fd(Errno::result(fd)?))
    };
    socket.connect((address, 0))?;
    Ok(socket)
}

fn ask(socket: &UdpSocket, address: IpAddr, number: u16) -> io::Result<Option<Duration>> {
    let asked = Instant::now();
    let nonce = nonce();
    socket.send(&question(types(address).0, number, nonce))?;
    let mut packet = [0; LARGEST];
    loop {
        let left = PATIENCE.saturating_sub(asked.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        let length = match socket.recv(&mut packet) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let got = packet.get(..length).unwrap_or_default();
        if is_answer(address, got, number, nonce) {
            return Ok(Some(asked.elapsed()));
        }
    }
}

fn nonce() -> [u8; NONCE] {
    let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let time = time.unwrap_or_default().as_nanos();
    (time ^ u128::from(std::process::id()) << 64).to_ne_bytes()
}

fn question(kind: u8, number: u16, nonce: [u8; NONCE]) -> Vec<u8> {
    let mut packet = vec![kind, 0, 0, 0, 0, 0];
    packet.extend(number.to_be_bytes());
    packet.extend(nonce);
    // Of IPv6 the kernel writes the checksum itself.
    let sum = checksum(&packet).to_be_bytes();
    if let Some(place) = packet.get_mut(2..4) {
        place.copy_from_slice(&sum);
    }
    packet
}

/// RFC 1071: the complement of the sum of all words, with what is carried added again.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        _ => 0,
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

/// Whether a packet is the answer to ours. Of IPv4 it comes with its header.
fn is_answer(address: IpAddr, packet: &[u8], number: u16, nonce: [u8; NONCE]) -> bool {
    let start = match (address, packet.first()) {
        (IpAddr::V4(_), Some(first)) => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let Some(message) = packet.get(start..) else {
        return false;
    };
    let expected = types(address).1;
    message.first() == Some(&expected)
        && message.get(6..HEADER) == Some(&number.to_be_bytes())
        && message.get(HEADER..HEADER + NONCE) == Some(&nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_sums_up_to_nothing() {
        for number in [0, 1, 0x1234, u16::MAX] {
            let packet = question(8, number, [0xa5; NONCE]);
            assert_eq!(checksum(&packet), 0, "{packet:?}");
        }
    }

    #[test]
    fn only_the_answer_to_this_question_is_one() {
        let (v4, v6) = ([10, 0, 0, 1].into(), IpAddr::from([0xfd; 16]));
        let mut answer = question(129, 7, [1; NONCE]);
        assert!(is_answer(v6, &answer, 7, [1; NONCE]));
        for (number, nonce) in [(8, [1; NONCE]), (7, [2; NONCE])] {
            assert!(!is_answer(v6, &answer, number, nonce));
        }
        // Another type, a packet that is cut, and none at all.
        assert!(!is_answer(v6, &question(128, 7, [1; NONCE]), 7, [1; NONCE]));
        assert!(!is_answer(v6, &answer[..HEADER], 7, [1; NONCE]));
        assert!(!is_answer(v4, &[], 7, [1; NONCE]));
        answer[0] = 0;
        let with_header = [vec![0x46; 24], answer].concat();
        assert!(is_answer(v4, &with_header, 7, [1; NONCE]));
        assert!(!is_answer(v4, &with_header[..20], 7, [1; NONCE]));
    }
}
