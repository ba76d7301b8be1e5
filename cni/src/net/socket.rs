//! Requests to the kernel's routing half, several in one datagram.
//!
//! The kernel works a datagram off in order and answers each request, also behind one that failed. So a
//! whole half of the wiring is one `sendmsg`.

use std::cell::Cell;
use std::io;

use ep_builder::route_socket::{HEADER, RouteSocket, TRIES, kernel_words};
use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;

use super::error::{NetError, Place, Task};

/// `NLMSG_ALIGNTO`
const ALIGNMENT: usize = 4;

/// A socket in the namespace of the thread that opened it.
pub(super) struct Socket {
    kernel: RouteSocket,
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
        let kernel = RouteSocket::open().map_err(|source| NetError::Socket { place, source })?;
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
        let mut inbox = self.kernel.send(&self.datagram(messages))?;
        while open > 0 {
            for reply in parts(inbox.receive()?) {
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

    /// The end of a request carries a negative error number, or zero.
    fn end(&self, request: &Request, error: &ErrorMessage) -> Result<(), NetError> {
        match error.code {
            None => Ok(()),
            Some(code) => Err(self.refused(
                request,
                Errno::from_raw(code.get().saturating_neg()),
                kernel_words(&error.header),
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
        let length = usize::try_from(length).ok()?.max(HEADER);
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

fn with_flags(request: &Request, flags: u16) -> NetlinkMessage<RouteNetlinkMessage> {
    let mut message = NetlinkMessage::from(request.message.clone());
    message.header.flags = flags;
    message
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
