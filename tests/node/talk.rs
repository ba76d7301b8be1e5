//! Conversations between places.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use weir_tests::pods::set_sysctl;

use crate::world::Place;

/// Far longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for an answer that is not held up; a dropped one is not waited for longer.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);
const TICK: Duration = Duration::from_millis(20);
const QUESTION: &[u8] = b"who is there?";

impl Place<'_> {
    /// A socket for datagrams at its address.
    pub(crate) fn udp(self, family: usize, port: u16) -> UdpSocket {
        self.udp_at(self.address(family), port)
    }

    /// A socket for datagrams at any address.
    pub(crate) fn udp_at(self, address: IpAddr, port: u16) -> UdpSocket {
        let socket = self.inside(|| bound(|| UdpSocket::bind((address, port))));
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }

    /// A socket for connections at its address.
    pub(crate) fn listener(self, family: usize, port: u16) -> TcpListener {
        let address = self.address(family);
        self.inside(|| bound(|| TcpListener::bind((address, port))))
    }

    /// Connects from whatever port the kernel takes.
    pub(crate) fn connect(self, to: SocketAddr, patience: Duration) -> std::io::Result<TcpStream> {
        self.inside(|| TcpStream::connect_timeout(&to, patience))
    }

    /// Connects from a port. The standard library cannot bind a socket that is to connect, so that port is the
    /// only one that the kernel may take meanwhile.
    pub(crate) fn connect_from(
        self,
        port: u16,
        to: SocketAddr,
        patience: Duration,
    ) -> std::io::Result<TcpStream> {
        const RANGE: &str = "ipv4/ip_local_port_range";
        self.inside(|| {
            set_sysctl(RANGE, &format!("{port} {port}"));
            let connected = TcpStream::connect_timeout(&to, patience);
            set_sysctl(RANGE, "32768 60999");
            connected
        })
    }
}

/// A socket that was closed lives on in a child that another test is about to start, until that is another program.
fn bound<T>(mut bind: impl FnMut() -> std::io::Result<T>) -> T {
    let start = Instant::now();
    loop {
        match bind() {
            Err(error) if error.kind() == ErrorKind::AddrInUse && start.elapsed() < PATIENCE => {
                thread::sleep(TICK);
            }
            bound => return bound.unwrap(),
        }
    }
}

/// Sends a datagram to a place that sends it back, and returns who that place saw. Tried three times: all
/// namespaces of a machine share the queues of its processors, which other tests fill.
pub(crate) fn asks(
    from: Place,
    to: Place,
    family: usize,
    ports: (u16, u16),
    bytes: &[u8],
) -> Option<SocketAddr> {
    let (client, server) = (from.udp(family, ports.0), to.udp(family, ports.1));
    client.connect(server.local_addr().unwrap()).unwrap();
    (0..3).find_map(|_| asks_between(&client, &server, bytes, PATIENCE / 3))
}

/// As [`asks`], once, between these sockets.
pub(crate) fn asks_between(
    client: &UdpSocket,
    server: &UdpSocket,
    bytes: &[u8],
    patience: Duration,
) -> Option<SocketAddr> {
    let seen = says(client, server, bytes, patience)?;
    server.send_to(bytes, seen).unwrap();
    hears(client, bytes, patience).map(|_| seen)
}

/// Sends a datagram; who the other end saw, if it arrives in time.
pub(crate) fn says(
    client: &UdpSocket,
    server: &UdpSocket,
    bytes: &[u8],
    patience: Duration,
) -> Option<SocketAddr> {
    // An ICMP error of before is told by an error of the next call.
    let _told = client.send(bytes).or_else(|_| client.send(bytes)).ok()?;
    hears(server, bytes, patience)
}

/// Waits for these bytes; who sent them.
pub(crate) fn hears(socket: &UdpSocket, bytes: &[u8], patience: Duration) -> Option<SocketAddr> {
    let (mut heard, start) = (vec![0; 65_536], Instant::now());
    while let Some(left) = patience
        .checked_sub(start.elapsed())
        .filter(|it| !it.is_zero())
    {
        socket.set_read_timeout(Some(left)).unwrap();
        // A signal ends the wait early, and an error of ICMP is no datagram.
        match socket.recv_from(&mut heard) {
            Ok((length, from)) if heard[..length] == *bytes => return Some(from),
            _ => {}
        }
    }
    None
}

/// Whether a datagram gets there and back, in time for one that nothing holds up.
pub(crate) fn is_heard(from: Place, to: Place, family: usize, ports: (u16, u16)) -> bool {
    let (client, server) = (from.udp(family, ports.0), to.udp(family, ports.1));
    client.connect(server.local_addr().unwrap()).unwrap();
    asks_between(&client, &server, QUESTION, SILENCE).is_some()
}

/// Who a place sees when it is asked by a short datagram.
#[track_caller]
pub(crate) fn seen(from: Place, to: Place, family: usize) -> SocketAddr {
    let seen = asks(from, to, family, (0, 0), QUESTION);
    let between = (from.address(family), to.address(family));
    seen.unwrap_or_else(|| panic!("no answer between {between:?}"))
}

/// A connection over TCP, both ends of it.
pub(crate) struct Connection {
    pub(crate) client: TcpStream,
    pub(crate) server: TcpStream,
    /// Who the server sees.
    pub(crate) seen: SocketAddr,
}

impl Connection {
    /// Connects to a server at a port; either port may be 0.
    #[track_caller]
    pub(crate) fn open(from: Place, to: Place, family: usize, ports: (u16, u16)) -> Self {
        let listener = to.listener(family, ports.1);
        let place = listener.local_addr().unwrap();
        let connected = match ports.0 {
            0 => from.connect(place, PATIENCE),
            port => from.connect_from(port, place, PATIENCE),
        };
        let client = connected
            .unwrap_or_else(|e| panic!("{} cannot connect to {place}: {e}", from.address(family)));
        let (server, seen) = listener.accept().unwrap();
        for end in [&client, &server] {
            end.set_read_timeout(Some(PATIENCE)).unwrap();
            end.set_write_timeout(Some(PATIENCE)).unwrap();
        }
        Self {
            client,
            server,
            seen,
        }
    }

    /// Whether what one end says is what the other one hears, there and back.
    pub(crate) fn talks(&mut self, text: &str) -> bool {
        let mut got = vec![0; text.len()];
        let mut hears = |from: &mut TcpStream, to: &mut TcpStream| {
            from.write_all(text.as_bytes()).is_ok()
                && to.read_exact(&mut got).is_ok()
                && got == text.as_bytes()
        };
        hears(&mut self.client, &mut self.server) && hears(&mut self.server, &mut self.client)
    }

    /// Sends the same bytes both ways at once; whether they arrive whole.
    pub(crate) fn exchanges(self, bytes: &[u8]) -> bool {
        thread::scope(|scope| {
            let ends = [&self.client, &self.server];
            let senders = ends.map(|end| scope.spawn(move || sends(end, bytes)));
            let receivers = ends.map(|end| scope.spawn(move || receives(end, bytes)));
            let ended = senders.into_iter().chain(receivers);
            ended.map(|it| it.join().unwrap()).filter(|it| !it).count() == 0
        })
    }
}

fn sends(mut end: &TcpStream, bytes: &[u8]) -> bool {
    end.write_all(bytes).is_ok() && end.shutdown(std::net::Shutdown::Write).is_ok()
}

fn receives(mut end: &TcpStream, bytes: &[u8]) -> bool {
    let mut got = Vec::with_capacity(bytes.len());
    end.read_to_end(&mut got).is_ok() && got == bytes
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE * 2, "never so: {what}");
        thread::sleep(TICK);
    }
}
