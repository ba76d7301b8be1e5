//! The listener: so many connections at once, so long for each, one request, and then it is closed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::collect::Scraper;
use super::http::{self, LONGEST_HEAD, Request, Status};
use super::privileges;
use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::screen::talk;

/// More scrapers than anybody has.
const MOST: usize = 16;
/// From the first byte of a request to the last one of the answer.
const LONGEST: Duration = Duration::from_secs(10);
/// What a closed connection may still send: without reading it, closing would take the answer away.
const TAIL: usize = 64 << 10;

/// Answers until a signal comes.
pub(super) fn serve(address: SocketAddr, scraper: Scraper) -> Result<(), Failure> {
    let signals = Signals::block()?;
    let failed = |source| Failure::System {
        what: format!("cannot listen at {address}"),
        source,
    };
    let listener = TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let own = listener.local_addr().map_err(failed)?;
    privileges::give_up()?;
    let scraper = Arc::new(Mutex::new(scraper));
    let at_once = Arc::new(AtomicUsize::new(0));
    talk(&format!(
        "listening at http://{own}/metrics; Ctrl-C ends it"
    ));
    while !signals.wait(&[listener.as_fd()], Duration::MAX)? {
        match listener.accept() {
            Ok((stream, _)) => admit(stream, &scraper, &at_once),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // Out of descriptors, or the peer is gone already: neither may become a circle without rest.
            Err(_) => thread::sleep(Duration::from_millis(50)),
        }
    }
    Ok(())
}

/// A place among those that are served at once; given back when it goes away, after a panic too.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(at_once: &Arc<AtomicUsize>) -> Option<Self> {
        let seat = Self(Arc::clone(at_once));
        (at_once.fetch_add(1, Ordering::AcqRel) < MOST).then_some(seat)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn admit(stream: TcpStream, scraper: &Arc<Mutex<Scraper>>, at_once: &Arc<AtomicUsize>) {
    let Some(seat) = Seat::take(at_once) else {
        // One write that fits into the socket, to somebody who may not read it.
        let mut stream = stream;
        let _unheard = stream
            .set_nonblocking(true)
            .and_then(|()| stream.write_all(&http::refusal(Status::Unavailable)));
        return;
    };
    let scraper = Arc::clone(scraper);
    let serving = thread::Builder::new().spawn(move || {
        let _seat = seat;
        // The peer has gone away, or is too slow: there is nobody to be told.
        let _gone = converse(stream, &scraper);
    });
    if let Err(error) = serving {
        talk(&format!("note: a connection is refused: {error}"));
    }
}

fn converse(mut stream: TcpStream, scraper: &Mutex<Scraper>) -> io::Result<()> {
    let end = Instant::now() + LONGEST;
    let answer = match head(&mut stream, end)? {
        Ok(head) => answer(http::request(&head), scraper, end),
        Err(status) => http::refusal(status),
    };
    send(&mut stream, &answer, end)?;
    stream.shutdown(Shutdown::Write)?;
    drain(&mut stream, end)
}

/// A timeout is for one write alone, and a peer may take a few bytes of each. The first is tried even if the time is
/// over: that it is may be what is to be said.
fn send(stream: &mut TcpStream, bytes: &[u8], end: Instant) -> io::Result<()> {
    let mut rest = bytes;
    loop {
        stream.set_write_timeout(Some(left(end)))?;
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(length) => rest = rest.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if rest.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}

fn answer(request: Request, scraper: &Mutex<Scraper>, end: Instant) -> Vec<u8> {
    match request {
        Request::Metrics { with_body } => {
            // One at a time: what a second one would find is the same. A panic of the one before changes nothing.
            let mut scraper = scraper.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody waits for it any more, and those behind would wait the longer.
            if Instant::now() >= end {
                return http::refusal(Status::Unavailable);
            }
            http::metrics(&scraper.collect().text(), with_body)
        }
        Request::Health { with_body } => http::health(with_body),
        Request::Other(status) => http::refusal(status),
    }
}

/// The head of the request, or why there is none.
fn head(stream: &mut TcpStream, end: Instant) -> io::Result<Result<Vec<u8>, Status>> {
    stream.set_nonblocking(false)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 1 << 10];
    loop {
        stream.set_read_timeout(Some(left(end)))?;
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Ok(Err(Status::BadRequest)),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) => return Ok(Err(Status::Timeout)),
            Err(error) => return Err(error),
        };
        bytes.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let Some(end) = http::end_of_head(&bytes) {
            bytes.truncate(end);
            return Ok(Ok(bytes));
        }
        if bytes.len() > LONGEST_HEAD {
            return Ok(Err(Status::TooLarge));
        }
        if Instant::now() >= end {
            return Ok(Err(Status::Timeout));
        }
    }
}

fn drain(stream: &mut TcpStream, end: Instant) -> io::Result<()> {
    let mut buffer = [0; 1 << 10];
    let mut read = 0;
    while read < TAIL && Instant::now() < end {
        stream.set_read_timeout(Some(left(end).min(Duration::from_secs(1))))?;
        match stream.read(&mut buffer)? {
            0 => break,
            length => read += length,
        }
    }
    Ok(())
}

/// The system has no timeout of nothing.
fn left(end: Instant) -> Duration {
    end.saturating_duration_since(Instant::now())
        .max(Duration::from_millis(1))
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
