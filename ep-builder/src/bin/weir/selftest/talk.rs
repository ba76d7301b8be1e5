//! Conversations between places: what gets through, and who the other side sees.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::place::Place;

/// Far longer than an answer takes, and short enough for a person who waits: nothing here is far away.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long something is waited for that should not come: an answer that comes at all is there in a thousandth of it.
const SILENCE: Duration = Duration::from_millis(400);
/// How often a datagram is sent that may be lost to a full queue of the machine's.
const TRIES: u32 = 4;
const TICK: Duration = Duration::from_millis(1);
const QUESTION: &[u8] = b"is anybody there?";

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::Tcp, Self::Udp];

    /// As people write it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        }
    }
}

/// Asks whoever `dial` leads to, from an address of its own, and waits for the answer. `server` is who should be asked,
/// and at which address it listens. Returns whom the server saw.
pub(super) fn ask(
    protocol: Protocol,
    (from, own): (&Place, IpAddr),
    (server, at): (&Place, SocketAddr),
    dial: SocketAddr,
) -> io::Result<IpAddr> {
    match protocol {
        Protocol::Tcp => {
            let (_, seen) = open(from, (server, at), dial)?;
            Ok(seen)
        }
        Protocol::Udp => {
            let server = server.inside(|| UdpSocket::bind(at))?;
            let client = from.inside(|| UdpSocket::bind((own, 0)))?;
            client.connect(dial)?;
            let seen = said(&client, &server)?.ok_or(ErrorKind::TimedOut)?;
            server.send_to(QUESTION, seen)?;
            hears(&client, PATIENCE)?.ok_or(ErrorKind::TimedOut)?;
            Ok(seen.ip())
        }
    }
}

/// Whether a connection comes about with whoever listens there, or a datagram arrives; waits for what should not come.
pub(super) fn gets_through(
    protocol: Protocol,
    (from, own): (&Place, IpAddr),
    (server, at): (&Place, SocketAddr),
) -> io::Result<bool> {
    match protocol {
        Protocol::Tcp => {
            let _listener = server.inside(|| TcpListener::bind(at))?;
            let connected = from.inside(|| Ok(TcpStream::connect_timeout(&at, SILENCE)))?;
            Ok(connected.is_ok())
        }
        Protocol::Udp => {
            let server = server.inside(|| UdpSocket::bind(at))?;
            let client = from.inside(|| UdpSocket::bind((own, 0)))?;
            client.connect(at)?;
            // An error of ICMP that answers is told here, and is no answer.
            client.send(QUESTION).unwrap_or_default();
            Ok(hears(&server, SILENCE)?.is_some())
        }
    }
}

/// Sends until the server hears it; whom it saw.
fn said(client: &UdpSocket, server: &UdpSocket) -> io::Result<Option<SocketAddr>> {
    for _ in 0..TRIES {
        // Likewise: told by nothing arriving.
        client.send(QUESTION).unwrap_or_default();
        if let Some(seen) = hears(server, PATIENCE / TRIES)? {
            return Ok(Some(seen));
        }
    }
    Ok(None)
}

/// Who sent the question, if it comes in time.
fn hears(socket: &UdpSocket, patience: Duration) -> io::Result<Option<SocketAddr>> {
    let (mut heard, start) = ([0; 64], Instant::now());
    loop {
        let left = patience.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        socket.set_read_timeout(Some(left))?;
        match socket.recv_from(&mut heard) {
            Ok((length, from)) if heard.get(..length) == Some(QUESTION) => return Ok(Some(from)),
            // Not ours; or an error of ICMP; or the time is over, which is seen above.
            Ok(_) | Err(_) => {}
        }
    }
}

/// A connection, with both of its ends.
#[derive(Debug)]
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
}

/// Connects, and has a question go there and come back; the connection, and whom the server saw.
pub(super) fn open(
    from: &Place,
    (server, at): (&Place, SocketAddr),
    dial: SocketAddr,
) -> io::Result<(Connection, IpAddr)> {
    let listener = server.inside(|| TcpListener::bind(at))?;
    listener.set_nonblocking(true)?;
    let is_over = AtomicBool::new(false);
    let (client, accepted) = thread::scope(|scope| {
        let accepting = scope.spawn(|| accept(&listener, &is_over));
        let client = from.inside(|| TcpStream::connect_timeout(&dial, PATIENCE));
        is_over.store(client.is_err(), Ordering::Relaxed);
        (client, accepting.join())
    });
    let client = client?;
    let accepted = accepted.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let (server, seen) = accepted?;
    let mut connection = Connection { client, server };
    connection.echo(PATIENCE)?;
    Ok((connection, seen.ip()))
}

fn accept(listener: &TcpListener, is_over: &AtomicBool) -> io::Result<(TcpStream, SocketAddr)> {
    let start = Instant::now();
    loop {
        match listener.accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if is_over.load(Ordering::Relaxed) || start.elapsed() > PATIENCE {
                    return Err(ErrorKind::TimedOut.into());
                }
                thread::sleep(TICK);
            }
            Err(error) => return Err(error),
            Ok((stream, seen)) => {
                stream.set_nonblocking(false)?;
                return Ok((stream, seen));
            }
        }
    }
}

impl Connection {
    /// A question there, and back.
    fn echo(&mut self, patience: Duration) -> io::Result<()> {
        let mut heard = [0; QUESTION.len()];
        self.client.write_all(QUESTION)?;
        self.server.set_read_timeout(Some(patience))?;
        self.server.read_exact(&mut heard)?;
        self.server.write_all(&heard)?;
        self.client.set_read_timeout(Some(patience))?;
        self.client.read_exact(&mut heard)
    }

    /// Whether what is said now does not arrive. What was said is still on its way then: see [`Self::catches_up`].
    pub(super) fn is_silent(&mut self) -> io::Result<bool> {
        self.client.write_all(QUESTION)?;
        self.server.set_read_timeout(Some(SILENCE))?;
        match self.server.peek(&mut [0]) {
            Ok(_) => Ok(false),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(true)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits until the server has what was said while there was silence.
    pub(super) fn catches_up(&mut self) -> io::Result<()> {
        // The kernel waits twice as long before each new try, so the next one may be as far away as the last.
        self.server.set_read_timeout(Some(PATIENCE * 2))?;
        self.server.read_exact(&mut [0; QUESTION.len()])
    }
}
