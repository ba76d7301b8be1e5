//! Requests to the kernel's routing half, several in one datagram.
//!
//! The kernel works a datagram off in order and answers each request, also behind one that failed. So a
//! whole half of the wiring is one `sendmsg`, and no request waits for a turn of the runtime.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use netlink_packet_route::RouteNetlinkMessage;
use nix::errno::Errno;
use rtnetlink::packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload,
};
use rtnetlink::proto::{ConnectionHandle, new_connection};
use rtnetlink::sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use super::error::{NetError, Place, Task};

/// Requests wait for the lock of all links, behind whatever else changes links. An answer that takes longer does
/// not come: the runtime is told so before it loses its own patience.
const PATIENCE: Duration = Duration::from_secs(30);
/// A list that changed while it was sent is asked for again.
const TRIES: u32 = 10;
/// `NLMSGERR_ATTR_MSG`, behind the header of the request.
const WORDS: u16 = 1;
const REQUEST_HEADER: usize = 16;

/// A socket in the namespace of the thread that opened it.
pub(super) struct Socket {
    handle: ConnectionHandle<RouteNetlinkMessage>,
    place: Place,
}

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

/// The runtime of a process that talks to the kernel and to nobody else.
pub(super) fn runtime() -> Result<Runtime, NetError> {
    let built = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build();
    built.map_err(|source| NetError::Socket {
        place: Place::Host,
        source,
    })
}

impl Socket {
    /// Opens a socket where the thread is; `place` is what errors call it.
    pub(super) fn open(runtime: &Runtime, place: Place) -> Result<Self, NetError> {
        let open = || -> io::Result<ConnectionHandle<RouteNetlinkMessage>> {
            let _inside = runtime.enter();
            let (mut connection, handle, _) = new_connection(NETLINK_ROUTE)?;
            connection.set_forward_ack(true);
            connection.set_forward_done(true);
            let socket = connection.socket_mut().socket_mut();
            // Errors with words, and without a copy of the request.
            socket.set_ext_ack(true)?;
            socket.set_cap_ack(true)?;
            runtime.spawn(connection);
            Ok(handle)
        };
        let handle = open().map_err(|source| NetError::Socket { place, source })?;
        Ok(Self { handle, place })
    }

    /// Sends requests in one datagram, and returns what each brought, in order.
    pub(super) fn ask(
        &self,
        runtime: &Runtime,
        requests: Vec<Request>,
    ) -> Result<Vec<Answer>, NetError> {
        let messages: Vec<_> = requests
            .iter()
            .map(|request| with_flags(request, NLM_F_REQUEST | NLM_F_ACK | request.flags))
            .collect();
        let mut replies = self.replies(runtime, messages)?.into_iter();
        let answer = |request: Request| {
            let mut found = Vec::new();
            for reply in replies.by_ref() {
                match reply.payload {
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    NetlinkPayload::Error(error) => {
                        return self.end(&request, &error).map(|()| found);
                    }
                    _ => {}
                }
            }
            Err(self.silence())
        };
        Ok(requests.into_iter().map(answer).collect())
    }

    /// Sends requests of which none may fail.
    pub(super) fn demand(
        &self,
        runtime: &Runtime,
        requests: Vec<Request>,
    ) -> Result<Vec<Vec<RouteNetlinkMessage>>, NetError> {
        self.ask(runtime, requests)?.into_iter().collect()
    }

    /// Asks for a whole list.
    pub(super) fn list(
        &self,
        runtime: &Runtime,
        request: &Request,
    ) -> Result<Vec<RouteNetlinkMessage>, NetError> {
        for _ in 0..TRIES {
            let message = with_flags(request, NLM_F_REQUEST | NLM_F_DUMP);
            let replies = self.replies(runtime, vec![message])?;
            let is_torn = replies
                .iter()
                .any(|r| r.header.flags & NLM_F_DUMP_INTR != 0);
            let mut found = Vec::new();
            for reply in replies {
                match reply.payload {
                    NetlinkPayload::InnerMessage(message) => found.push(message),
                    NetlinkPayload::Error(error) => self.end(request, &error)?,
                    _ => {}
                }
            }
            if !is_torn {
                return Ok(found);
            }
        }
        Err(self.refused(
            request,
            Errno::EINTR,
            "the list never stood still".to_owned(),
        ))
    }

    fn replies(
        &self,
        runtime: &Runtime,
        messages: Vec<NetlinkMessage<RouteNetlinkMessage>>,
    ) -> Result<Vec<NetlinkMessage<RouteNetlinkMessage>>, NetError> {
        let kernel = SocketAddr::new(0, 0);
        let stream = self.handle.request_batch(messages, kernel);
        let stream = stream.map_err(|_closed| self.silence())?;
        let answers = in_time(runtime, PATIENCE, stream.collect());
        answers.map_err(|source| NetError::Socket {
            place: self.place,
            source,
        })
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

    fn silence(&self) -> NetError {
        NetError::Socket {
            place: self.place,
            source: io::Error::new(io::ErrorKind::UnexpectedEof, "the kernel did not answer"),
        }
    }
}

/// Waits for answers, but not for ever.
fn in_time<T>(
    runtime: &Runtime,
    patience: Duration,
    answers: impl Future<Output = T>,
) -> io::Result<T> {
    let answered = runtime.block_on(async { timeout(patience, answers).await });
    answered.map_err(|_elapsed| {
        let text = format!("no answer within {} s", patience.as_secs_f32());
        io::Error::new(io::ErrorKind::TimedOut, text)
    })
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
        let runtime = runtime().unwrap();
        let never = std::future::pending::<()>();
        let error = in_time(&runtime, Duration::from_millis(20), never).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(in_time(&runtime, PATIENCE, async { 7 }).unwrap(), 7);
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
