//! Conversations between two places, and what is left of them when packets are dropped.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ep_builder::digest::sha256_hex;
use weir_tests::Pod;
use weir_tests::pods::GATEWAYS;

use crate::beyond::Beyond;

/// What every test here needs.
macro_rules! needs {
    ($($more:expr),*) => {
        weir_tests::need!(
            weir_tests::need::Need::Root,
            weir_tests::need::Need::Templates,
            weir_tests::need::Need::Tool("ip") $(, $more)*
        )
    };
}
pub(crate) use needs;

/// Far longer than any answer takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
/// Long enough for an answer that is not held up; a dropped one is not waited for longer.
pub(crate) const SILENCE: Duration = Duration::from_millis(400);
const TICK: Duration = Duration::from_millis(20);

/// An end of a conversation.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Node,
    In(&'a Pod),
    Beyond(&'a Beyond),
    /// The node, at its address towards somebody beyond.
    Edge(&'a Beyond),
}

impl At<'_> {
    /// Its addresses, IPv4 first.
    pub(crate) fn address(self, family: usize) -> IpAddr {
        match self {
            Self::Node => GATEWAYS[family].parse().unwrap(),
            Self::In(pod) => pod.addresses()[family],
            Self::Beyond(host) => host.addresses()[family],
            Self::Edge(host) => host.node_address(family),
        }
    }

    pub(crate) fn inside<T: Send>(self, what: impl FnOnce() -> T + Send) -> T {
        match self {
            Self::Node | Self::Edge(_) => what(),
            Self::In(pod) => pod.inside(what),
            Self::Beyond(host) => host.inside(what),
        }
    }

    pub(crate) fn udp(self, family: usize, port: u16) -> UdpSocket {
        let address = self.address(family);
        let socket = self.inside(|| UdpSocket::bind((address, port)).unwrap());
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }
}

/// Sends a datagram to a place that sends it back; whether the same came back in time.
pub(crate) fn echoes(
    from: At,
    to: At,
    family: usize,
    ports: (u16, u16),
    bytes: &[u8],
    patience: Duration,
) -> bool {
    let (client, server) = (from.udp(family, ports.0), to.udp(family, ports.1));
    client.connect(server.local_addr().unwrap()).unwrap();
    client.set_read_timeout(Some(patience)).unwrap();
    server.set_read_timeout(Some(patience)).unwrap();
    client.send(bytes).unwrap();
    let mut heard = vec![0; 65_536];
    let Ok((length, sender)) = server.recv_from(&mut heard) else {
        return false;
    };
    server.send_to(&heard[..length], sender).unwrap();
    matches!(client.recv(&mut heard), Ok(length) if heard[..length] == *bytes)
}

/// As [`echoes`], tried three times. All namespaces of a machine share the queues of its processors, and the
/// floods of neighbouring tests fill them: one datagram may get lost there, three in a row do not.
pub(crate) fn comes_back(
    from: At,
    to: At,
    family: usize,
    ports: (u16, u16),
    bytes: &[u8],
    patience: Duration,
) -> bool {
    (0..3).any(|_| echoes(from, to, family, ports, bytes, patience))
}

/// Whether both families get through, both ways.
pub(crate) fn reaches(a: At, b: At) {
    for family in [0, 1] {
        for (from, to) in [(a, b), (b, a)] {
            assert!(
                comes_back(from, to, family, (0, 0), b"are you there?", PATIENCE),
                "{} to {}",
                from.address(family),
                to.address(family)
            );
        }
    }
}

/// A connection over TCP whose server sends back what it gets.
pub(crate) struct Connection {
    client: TcpStream,
    server: JoinHandle<()>,
}

impl Connection {
    /// Connects; none if nobody answers in time.
    pub(crate) fn open(
        from: At,
        to: At,
        family: usize,
        port: u16,
        patience: Duration,
    ) -> Option<Self> {
        let address = to.address(family);
        let listener = to.inside(|| TcpListener::bind((address, port)).unwrap());
        let place = listener.local_addr().unwrap();
        let client = from
            .inside(|| TcpStream::connect_timeout(&place, patience))
            .ok()?;
        let (mut stream, _) = listener.accept().unwrap();
        let server = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..length]).is_err() {
                    return;
                }
            }
        });
        Some(Self { client, server })
    }

    /// Whether what is said comes back in time.
    pub(crate) fn says(&mut self, text: &str, patience: Duration) -> bool {
        self.client.write_all(text.as_bytes()).unwrap();
        self.hears(text, patience)
    }

    /// Whether this comes back in time, whenever it was said.
    pub(crate) fn hears(&mut self, text: &str, patience: Duration) -> bool {
        self.client.set_read_timeout(Some(patience)).unwrap();
        let mut heard = vec![0; text.len()];
        self.client.read_exact(&mut heard).is_ok() && heard == text.as_bytes()
    }

    pub(crate) fn close(self) {
        drop(self.client);
        self.server.join().unwrap();
    }
}

/// Sends bytes over TCP to a server that computes their checksum; whether it is right.
pub(crate) fn transfers(from: At, to: At, family: usize, bytes: &[u8]) -> bool {
    let address = to.address(family);
    let listener = to.inside(|| TcpListener::bind((address, 0)).unwrap());
    let place = listener.local_addr().unwrap();
    thread::scope(|scope| {
        let received = scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = Vec::new();
            stream
                .read_to_end(&mut got)
                .map(|_| sha256_hex(&got))
                .unwrap()
        });
        let stream = from.inside(|| TcpStream::connect_timeout(&place, PATIENCE));
        let mut stream = stream.unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        drop(stream);
        received.join().unwrap() == sha256_hex(bytes)
    })
}

/// Datagrams from one place to another, some for each millisecond, until it is stopped.
pub(crate) struct Flood {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<u64>,
    arrived: Arc<AtomicU64>,
}

impl Flood {
    pub(crate) fn start(from: At, to: At, family: usize, port: u16) -> Self {
        let (client, server) = (from.udp(family, 0), to.udp(family, port));
        client.connect(server.local_addr().unwrap()).unwrap();
        server.set_read_timeout(Some(TICK)).unwrap();
        let (stop, arrived) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&arrived));
        let receiver = thread::spawn(move || {
            let mut packet = [0; 64];
            loop {
                match server.recv(&mut packet) {
                    Ok(_) => drop(counter.fetch_add(1, Ordering::Relaxed)),
                    Err(_) if stopped.load(Ordering::Relaxed) => break,
                    Err(_) => {}
                }
            }
            counter.load(Ordering::Relaxed)
        });
        let stopped = Arc::clone(&stop);
        let sender = thread::spawn(move || {
            let mut sent = 0;
            while !stopped.load(Ordering::Relaxed) {
                // An ICMP error of before is told by an error of the next call.
                sent += u64::from(client.send(b"flood").is_ok());
                // A few processors serve all tests.
                if sent % 4 == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            sent
        });
        Self {
            stop,
            sender,
            receiver,
            arrived,
        }
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// How many were sent, and how many arrived.
    pub(crate) fn stop(self) -> (u64, u64) {
        self.stop.store(true, Ordering::Relaxed);
        (self.sender.join().unwrap(), self.receiver.join().unwrap())
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE * 4, "never so: {what}");
        thread::sleep(TICK);
    }
}
