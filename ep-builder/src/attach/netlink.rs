//! One socket to the kernel's routing half: requests and their answers.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::bytes::{attributes, text, word};
use super::error::AttachError;

const HEADER: usize = 16;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The error's number and the header of the request stand before its attributes.
const ERROR_ATTRIBUTES: usize = 4 + HEADER;
const ERROR_TEXT: u16 = 1;
/// Requests wait for the lock of all links, behind whatever else changes links. An answer that takes longer does
/// not come, and who called is better told so than left alone.
const PATIENCE: Duration = Duration::from_secs(30);
/// A list that changed while it was sent is asked for again.
const TRIES: u32 = 10;
/// The kernel puts 32 KiB of a list into a datagram. An attribute has 64 KiB at most, and the largest, that of a link's
/// virtual functions, stands once in an answer.
const LARGEST_DATAGRAM: usize = 1 << 17;

/// A socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Rtnl {
    socket: Socket,
    sequence: u32,
}

/// The kernel's refusal.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) errno: Errno,
    pub(crate) detail: String,
}

/// Why a request has no answer.
pub(crate) enum Failure {
    Socket(io::Error),
    Refused(Refusal),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// The answers to a request, without headers.
type Answers = Vec<Vec<u8>>;

impl Rtnl {
    /// Opens a socket.
    pub fn open() -> Result<Self, AttachError> {
        let open = || -> io::Result<Socket> {
            let mut socket = Socket::new(NETLINK_ROUTE)?;
            socket.bind_auto()?;
            socket.connect(&SocketAddr::new(0, 0))?;
            // Errors with words, and without a copy of the request.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let socket = open().map_err(AttachError::Socket)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Has the kernel judge requests for lists, and send what they ask for alone.
    pub(crate) fn ask_strictly(&self) -> Result<(), AttachError> {
        let set = self.socket.set_netlink_get_strict_chk(true);
        set.map_err(AttachError::Socket)
    }

    /// Sends a request and waits until the kernel has done it.
    pub(crate) fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Answers, Failure> {
        self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.receive().map(|(answers, _)| answers)
    }

    /// Asks for a whole list.
    pub(crate) fn list(&mut self, message: &RouteNetlinkMessage) -> Result<Answers, Failure> {
        for _ in 0..TRIES {
            self.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let (answers, is_torn) = self.receive()?;
            if !is_torn {
                return Ok(answers);
            }
        }
        Err(Failure::Refused(Refusal {
            errno: Errno::EINTR,
            detail: "the list never stood still".to_owned(),
        }))
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        Ok(())
    }

    /// Receives a datagram. The kernel works while it is sent to, so there is mostly one by now, and only if not it is
    /// waited for.
    fn receive_one(&self, datagram: &mut Vec<u8>) -> io::Result<()> {
        loop {
            datagram.clear();
            match self.socket.recv(datagram, MSG_DONTWAIT | MSG_TRUNC) {
                Ok(length) if length == datagram.len() => return Ok(()),
                Ok(length) => {
                    let text = format!("the kernel's answer has {length} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(PATIENCE)?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until there is something to receive.
    fn wait(&self, patience: Duration) -> io::Result<()> {
        let end = Instant::now() + patience;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let text = format!("no answer within {} s", patience.as_secs_f32());
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            // Rounded up: a poll of no time would run in circles.
            let timeout = left + Duration::from_millis(1);
            let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
            let mut sockets = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut sockets, timeout) {
                Ok(0) | Err(Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Receives until the request is acknowledged or its list complete; says whether the list is torn.
    fn receive(&mut self) -> Result<(Answers, bool), Failure> {
        let (mut answers, mut is_torn) = (Vec::new(), false);
        let mut datagram = Vec::with_capacity(LARGEST_DATAGRAM);
        loop {
            self.receive_one(&mut datagram)?;
            let mut rest = datagram.as_slice();
            while let Some(message) = Message::take(&mut rest) {
                if message.sequence != self.sequence {
                    continue;
                }
                is_torn |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    ERROR | DONE => {
                        return match message.refusal() {
                            None => Ok((answers, is_torn)),
                            Some(refusal) => Err(Failure::Refused(refusal)),
                        };
                    }
                    _ => answers.push(message.payload.to_vec()),
                }
            }
        }
    }
}

/// One message of a datagram.
struct Message<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let bytes = *rest;
        let length = usize::try_from(word(bytes, 0)?).ok()?;
        let [_, _, _, _, kind @ .., f0, f1] = *bytes.first_chunk::<8>()?;
        let message = Self {
            kind: u16::from_ne_bytes(kind),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: word(bytes, 8)?,
            payload: bytes.get(HEADER..length)?,
        };
        *rest = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message)
    }

    /// The end of a request carries a negative error number, or zero.
    fn refusal(&self) -> Option<Refusal> {
        let code = word(self.payload, 0).map_or(0, u32::cast_signed);
        let words =
            attributes(self.payload, ERROR_ATTRIBUTES).find(|(kind, _)| *kind == ERROR_TEXT);
        (code != 0).then(|| Refusal {
            errno: Errno::from_raw(code.saturating_neg()),
            detail: words.map(|(_, value)| text(value)).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let mut rtnl = Rtnl::open().unwrap();
        let error = rtnl.wait(Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        // One that has come is taken.
        let loopback = rtnl.device("lo").unwrap();
        assert_eq!(loopback.index, 1);
    }
}
