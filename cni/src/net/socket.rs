//! Requests to the kernel's routing half, several in one datagram.
//!
//! The kernel works a datagram off in order and answers each request, also behind one that failed. So a
//! whole half of the wiring is one `sendmsg`. It is done when that returns, so the answers lie there already: nobody
//! waits for anything, unless the kernel is late.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::error::{NetError, Place, Task};

/// Requests wait for the lock of all links, behind whatever else changes links. An answer that takes longer does
/// not come: the runtime is told so before it loses its own patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// A list that changed while it was sent is asked for again.
const TRIES: u32 = 10;
/// The kernel puts 32 KiB of a list into a datagram. An attribute has 64 KiB at most, and the largest, that of a link's
/// virtual functions, stands once in an answer.
const LARGEST_DATAGRAM: usize = 1 << 17;
/// `NLMSG_ALIGNTO`
const ALIGNMENT: usize = 4;
/// `NLMSGERR_ATTR_MSG`, behind the header of the request.
const WORDS: u16 = 1;
const REQUEST_HEADER: usize = 16;

/// A socket in the namespace of the thread that opened it.
pub(super) struct Socket {
    kernel: netlink_sys::Socket,
    /// The number of the next request.
    next: Cell<u32>,
    place: Place,
}

type Message = NetlinkMessage<RouteNetlinkMessage>;

/// One request.
pub(super) struct Request {
    /// What it is, for the error.
    pub(super) task: Task,
    /// The link it is about.
    pub(super) link: String,
    /// Flags beside those of every request.
    pub(super) flags: u16,
    /// The message.
    pub(super) message: RouteNetlinkMessage,
}

/// What a request brought.
pub(super) type Answer = Result<Vec<RouteNetlinkMessage>, NetError>;

impl Socket {
    /// Opens a socket where the thread is; `place` is what errors call it.
    pub(super) fn open(place: Place) -> Result<Self, NetError> {
        let open = || -> io::Result<netlink_sys::Socket> {
            let socket = netlink_sys::Socket::new(NETLINK_ROUTE)?;
            // To the kernel, and from nobody else.
            socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
            // Errors with words, and without a copy of the request.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            Ok(socket)
        };
        let kernel = open().map_err(|source| NetError::Socket { place, source })?;
        Ok(Self {
            kernel,
            next: Cell::new(1),
            place,
        })
    }

    /// Sends requests in one datagram, and returns what each brought, in order.
    pub(super) fn ask(&self, requests: Vec<Request>) -> Result<Vec<Answer>, NetError> {
        let messages = requests.iter();
        let messages: Vec<_> = messages
            .map(|request| with_flags(request, NLM_F_REQUEST | NLM_F_ACK | request.flags))
            .collect();
        let replies = self.replies(messages)?;
        let answers = requests.into_iter().zip(replies);
        Ok(answers
            .map(|(request, replies)| self.answer(&request, replies))
            .collect())
    }

    /// Sends requests of which none may fail.
    pub(super) fn demand(
        &self,
        requests: Vec<Request>,
    ) -> Result<Vec<Vec<RouteNetlinkMessage>>, NetError> {
        self.ask(requests)?.into_iter().collect()
    }

    /// Asks for a whole list.
    pub(super) fn list(&self, request: &Request) -> Result<Vec<RouteNetlinkMessage>, NetError> {
        for _ in 0..TRIES {
            let message = with_flags(request, NLM_F_REQUEST | NLM_F_DUMP);
            let replies = self.replies(vec![message])?;
            let replies = replies.into_iter().flatten().collect::<Vec<_>>();
            let mut flags = replies.iter().map(|reply| reply.header.flags);
            if !flags.any(|flags| flags & NLM_F_DUMP_INTR != 0) {
                return self.answer(request, replies);
            }
        }
        Err(self.refused(
            request,
            Errno::EINTR,
            "the list never stood still".to_owned(),
        ))
    }

    fn answer(&self, request: &Request, replies: Vec<Message>) -> Answer {
        let mut found = Vec::new();
        for reply in replies {
            match reply.payload {
                NetlinkPayload::InnerMessage(message) => found.push(message),
                NetlinkPayload::Error(error) => self.end(request, &error)?,
                _ => {}
            }
        }
        Ok(found)
    }

    /// Sends messages, and returns the answers to each, its end included.
    fn replies(&self, messages: Vec<Message>) -> Result<Vec<Vec<Message>>, NetError> {
        self.exchange(messages).map_err(|source| NetError::Socket {
            place: self.place,
            source,
        })
    }

    fn exchange(&self, messages: Vec<Message>) -> io::Result<Vec<Vec<Message>>> {
        let first = self.next.get();
        let mut replies: Vec<_> = messages.iter().map(|_| Vec::new()).collect();
        let mut open = messages.len();
        self.kernel.send(&self.datagram(messages), 0)?;
        let deadline = Instant::now() + PATIENCE;
        let mut datagram = Vec::with_capacity(LARGEST_DATAGRAM);
        while open > 0 {
            self.receive(&mut datagram, deadline)?;
            for reply in parts(&datagram) {
                let place = reply.header.sequence_number.wrapping_sub(first);
                let place = usize::try_from(place).unwrap_or(usize::MAX);
                // Others are the end of what nobody waited for any more.
                if let Some(replies) = replies.get_mut(place) {
                    open = open.saturating_sub(usize::from(is_end(&reply)));
                    replies.push(reply);
                }
            }
        }
        Ok(replies)
    }

    /// Messages behind one another, each with a number of its own.
    fn datagram(&self, messages: Vec<Message>) -> Vec<u8> {
        let mut bytes = Vec::new();
        for mut message in messages {
            message.header.sequence_number = self.next.get();
            self.next.set(self.next.get().wrapping_add(1));
            message.finalize();
            let start = bytes.len();
            let end = start + message.buffer_len();
            bytes.resize(end.next_multiple_of(ALIGNMENT), 0);
            if let Some(own) = bytes.get_mut(start..end) {
                message.serialize(own);
            }
        }
        bytes
    }

    /// Receives a datagram. The kernel has mostly sent it by now; only if not, it is waited for.
    fn receive(&self, datagram: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
        loop {
            datagram.clear();
            match self.kernel.recv(datagram, MSG_DONTWAIT | MSG_TRUNC) {
                Ok(length) if length == datagram.len() => return Ok(()),
                Ok(length) => {
                    let text = format!("the kernel's answer has {length} bytes");
                    return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait(self.kernel.as_fd(), deadline)?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The end of a request carries a negative error number, or zero.
    fn end(&self, request: &Request, error: &ErrorMessage) -> Result<(), NetError> {
        match error.code {
            None => Ok(()),
            Some(code) => Err(self.refused(
                request,
                Errno::from_raw(code.get().saturating_neg()),
                words(&error.header),
            )),
        }
    }

    fn refused(&self, request: &Request, source: Errno, detail: String) -> NetError {
        NetError::Kernel {
            task: request.task,
            link: request.link.clone(),
            place: self.place,
            detail,
            source,
        }
    }
}

/// The messages in a datagram. What means nothing to us is passed over: an answer to one of ours ends with what does.
fn parts(datagram: &[u8]) -> impl Iterator<Item = Message> {
    let mut rest = datagram;
    let split = std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?);
        let length = usize::try_from(length).ok()?.max(REQUEST_HEADER);
        let message = rest.get(..length)?;
        rest = rest
            .get(length.next_multiple_of(ALIGNMENT)..)
            .unwrap_or_default();
        Some(message)
    });
    split.filter_map(|message| Message::deserialize(message).ok())
}

/// Whether nothing more comes for a request.
fn is_end(reply: &Message) -> bool {
    matches!(
        reply.payload,
        NetlinkPayload::Error(_) | NetlinkPayload::Done(_)
    )
}

/// Waits for answers, but not for ever.
fn wait(socket: BorrowedFd<'_>, deadline: Instant) -> io::Result<()> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let text = "the kernel did not answer in time";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        // Rounded up: a poll of no time would run in circles.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1));
        let mut sockets = [PollFd::new(socket, PollFlags::POLLIN)];
        match poll(&mut sockets, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn with_flags(request: &Request, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = NetlinkMessage::from(request.message.clone());
    message.header.flags = flags;
    message
}

/// What the kernel says to an error: an attribute behind the header of the request.
fn words(error: &[u8]) -> String {
    let mut rest = error.get(REQUEST_HEADER..).unwrap_or_default();
    while let Some(([l0, l1, k0, k1], value)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let value = value.get(..length.saturating_sub(4)).unwrap_or_default();
        if u16::from_ne_bytes([*k0, *k1]) == WORDS {
            let text = String::from_utf8_lossy(value);
            return text.trim_end_matches('\0').to_owned();
        }
        rest = rest
            .get(length.max(4).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    String::new()
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
    fn requests_are_answered_one_by_one_whatever_became_of_the_others() {
        let socket = Socket::open(Place::Host).unwrap();
        let question = |name: &str| {
            super::super::host::find_request(name.to_owned(), super::super::link::by_name(name))
        };
        for _ in 0..3 {
            let requests = ["lo", "no-such-link", "lo"].map(question);
            let answers = socket.ask(requests.into()).unwrap();
            let found: Vec<_> = answers
                .iter()
                .map(|answer| answer.as_ref().map_or(0, Vec::len))
                .collect();
            assert_eq!(found, [1, 0, 1]);
        }
        let all = socket.list(&super::super::route::list_addresses("lo"));
        assert!(all.is_ok());
    }

    #[test]
    fn a_datagram_that_is_cut_or_bent_is_survived() {
        let socket = Socket::open(Place::Host).unwrap();
        let message = || NetlinkMessage::from(super::super::link::by_name("lo"));
        let whole = socket.datagram(vec![message(), message()]);
        let numbers: Vec<_> = parts(&whole)
            .map(|part| part.header.sequence_number)
            .collect();
        assert_eq!(numbers, [1, 2]);
        for at in 0..whole.len() {
            assert!(parts(&whole[..at]).count() < 2);
            for byte in [0, 1, 255] {
                let mut bent = whole.clone();
                bent[at] = byte;
                assert!(parts(&bent).count() <= 2);
            }
        }
    }

    #[test]
    fn the_kernels_words_are_found_and_garbage_is_survived() {
        let header = [0; REQUEST_HEADER];
        let offset = attribute(2, &[1, 2, 3, 4]);
        let said = attribute(WORDS, b"no such thing\0");
        let whole = [&header[..], &offset, &said].concat();
        assert_eq!(words(&whole), "no such thing");
        assert_eq!(words(&[&header[..], &offset].concat()), "");
        for length in 0..whole.len() {
            words(&whole[..length]);
            let mut bent = whole.clone();
            bent[length] = 0;
            words(&bent);
            bent[length] = 255;
            words(&bent);
        }
    }
}
