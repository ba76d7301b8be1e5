//! One socket to the kernel's routing half: requests and their answers.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::bytes::word;
use super::error::AttachError;
use crate::route_socket::{HEADER, Inbox, RouteSocket, TRIES, kernel_words};

const ERROR: u16 = 2;
const DONE: u16 = 3;
/// The error's number stands before the header of the request.
const ERROR_NUMBER: usize = 4;

/// A socket in the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Rtnl {
    socket: RouteSocket,
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

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Socket(error) => error,
            Failure::Refused(refusal) => {
                let error = Self::from(refusal.errno);
                match refusal.detail {
                    words if words.is_empty() => error,
                    words => Self::new(error.kind(), format!("{error} ({words})")),
                }
            }
        }
    }
}

/// The answers to a request, without headers.
type Answers = Vec<Vec<u8>>;

impl Rtnl {
    /// Opens a socket.
    pub fn open() -> Result<Self, AttachError> {
        let socket = RouteSocket::open().map_err(AttachError::Socket)?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Has the kernel judge requests for lists, and send what they ask for alone.
    pub(crate) fn ask_strictly(&self) -> Result<(), AttachError> {
        self.socket.ask_strictly().map_err(AttachError::Socket)
    }

    /// Has the kernel change something; a refusal has its words.
    pub fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        Ok(self.request(message, flags).map(drop)?)
    }

    /// Sends a request and waits until the kernel has done it.
    pub(crate) fn request(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> Result<Answers, Failure> {
        let (inbox, number) = self.send(message, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        receive(inbox, number).map(|(answers, _)| answers)
    }

    /// Asks for a whole list.
    pub(crate) fn list(&mut self, message: &RouteNetlinkMessage) -> Result<Answers, Failure> {
        for _ in 0..TRIES {
            let (inbox, number) = self.send(message.clone(), NLM_F_REQUEST | NLM_F_DUMP)?;
            let (answers, is_torn) = receive(inbox, number)?;
            if !is_torn {
                return Ok(answers);
            }
        }
        Err(Failure::Refused(Refusal {
            errno: Errno::EINTR,
            detail: "the list never stood still".to_owned(),
        }))
    }

    /// Sends a message; its number is that of its answers.
    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<(Inbox<'_>, u32)> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        header.sequence_number = self.sequence;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        Ok((self.socket.send(&bytes)?, self.sequence))
    }
}

/// Receives until the request is acknowledged or its list complete; says whether the list is torn.
fn receive(mut inbox: Inbox<'_>, number: u32) -> Result<(Answers, bool), Failure> {
    let (mut answers, mut is_torn) = (Vec::new(), false);
    loop {
        let mut rest = inbox.receive()?;
        while let Some(message) = Message::take(&mut rest) {
            if message.sequence != number {
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
        let refused = self.payload.get(ERROR_NUMBER..).unwrap_or_default();
        (code != 0).then(|| Refusal {
            errno: Errno::from_raw(code.saturating_neg()),
            detail: kernel_words(refused),
        })
    }
}
