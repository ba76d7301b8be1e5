//! A socket to the kernel's routing half: bytes there, datagrams back. What they say is its users' matter.
//!
//! The kernel works while it is sent to: the answers lie there when that returns, and nobody waits for
//! anything, unless the kernel is late.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::attach::bytes::{attributes, text};

/// A list that changed while it was sent is asked for again, this often.
pub const TRIES: u32 = 10;
/// Requests wait for the lock of all links, behind whatever else changes links. An answer that takes longer does
/// not come: who called is told so before its own caller loses patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// The kernel puts 32 KiB of a list into a datagram. An attribute has 64 KiB at most, and the largest, that of a link's
/// virtual functions, stands once in an answer.
const LARGEST_DATAGRAM: usize = 1 << 17;
/// The header of every message.
pub const HEADER: usize = 16;
/// `NLMSGERR_ATTR_MSG`
const WORDS: u16 = 1;

/// A socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct RouteSocket(Socket);

impl RouteSocket {
    /// Opens a socket: to the kernel, and from nobody else.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE)?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // Errors with words, and without a copy of the request.
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        Ok(Self(socket))
    }

    /// Has the kernel judge requests for lists, and send what they ask for alone.
    pub(crate) fn ask_strictly(&self) -> io::Result<()> {
        self.0.set_netlink_get_strict_chk(true)
    }

    /// Sends a datagram, and begins to wait for what the kernel says to it.
    pub fn send(&self, datagram: &[u8]) -> io::Result<Inbox<'_>> {
        self.0.send(datagram, 0)?;
        Ok(Inbox {
            socket: self,
            deadline: Instant::now() + PATIENCE,
            datagram: Vec::with_capacity(LARGEST_DATAGRAM),
        })
    }
}

/// What comes back for what was sent.
pub struct Inbox<'a> {
    socket: &'a RouteSocket,
    deadline: Instant,
    datagram: Vec<u8>,
}

impl Inbox<'_> {
    /// The next datagram. It is mostly there by now; only if not, it is waited for.
    pub fn receive(&mut self) -> io::Result<&[u8]> {
        let socket = &self.socket.0;
        loop {
            self.datagram.clear();
            match socket.recv(&mut self.datagram, MSG_DONTWAIT | MSG_TRUNC) {
                Ok(length) if length == self.datagram.len() => return Ok(&self.datagram),
                Ok(length) => {
                    let text = format!("the kernel's answer has {length} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(socket.as_fd(), self.deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Waits for an answer, but not for ever.
fn wait(socket: BorrowedFd<'_>, deadline: Instant) -> io::Result<()> {
    loop {
        // Looked at even when nothing is left: on a machine that was stopped meanwhile, the answer is there.
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: a poll of no time would run in circles.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        let mut sockets = [PollFd::new(socket, PollFlags::POLLIN)];
        match poll(&mut sockets, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => {
                let text = "the kernel did not answer in time";
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What the kernel says to an error: an attribute behind the header of the request, with which `refused` begins.
pub fn kernel_words(refused: &[u8]) -> String {
    let words = attributes(refused, HEADER).find(|(kind, _)| *kind == WORDS);
    words.map(|(_, value)| text(value)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An attribute with its padding.
    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let head = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        let mut bytes = [&head, value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let (ours, theirs) = std::os::unix::net::UnixDatagram::pair().unwrap();
        let soon = || Instant::now() + Duration::from_millis(20);
        let error = wait(ours.as_fd(), soon()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        theirs.send(b"x").unwrap();
        wait(ours.as_fd(), Instant::now() + PATIENCE).unwrap();
    }

    #[test]
    fn the_kernels_words_are_found_and_garbage_is_survived() {
        let header = [0; HEADER];
        let offset = attribute(2, &[1, 2, 3, 4]);
        let said = attribute(WORDS, b"no such thing\0");
        let whole = [&header[..], &offset, &said].concat();
        assert_eq!(kernel_words(&whole), "no such thing");
        assert_eq!(kernel_words(&[&header[..], &offset].concat()), "");
        for length in 0..whole.len() {
            kernel_words(&whole[..length]);
            let mut bent = whole.clone();
            bent[length] = 0;
            kernel_words(&bent);
            bent[length] = 255;
            kernel_words(&bent);
        }
    }
}
