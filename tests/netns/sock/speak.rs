//! Servers that say who they are, and clients that say whom they met.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Far longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a client waits for what must not come, and a server before it looks whether it is still needed.
const TICK: Duration = Duration::from_millis(300);

/// How a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Tcp,
    /// Datagrams on a connected socket.
    Connected,
    /// Datagrams that each name their receiver.
    Unconnected,
}

impl Way {
    pub(super) const ALL: [Self; 3] = [Self::Tcp, Self::Connected, Self::Unconnected];
}

/// What came of it: who answered, and who that is in the eyes of the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) who: String,
    pub(super) peer: SocketAddr,
}

/// Asks who is at an address, from where the thread is.
pub(super) fn ask(way: Way, at: SocketAddr) -> io::Result<Met> {
    ask_within(way, at, PATIENCE)
}

/// Whether nobody answers there.
pub(super) fn is_silent(way: Way, at: SocketAddr) -> bool {
    ask_within(way, at, TICK).is_err()
}

fn ask_within(way: Way, at: SocketAddr, patience: Duration) -> io::Result<Met> {
    match way {
        Way::Tcp => {
            let mut stream = TcpStream::connect_timeout(&at, patience)?;
            stream.set_read_timeout(Some(patience))?;
            let peer = stream.peer_addr()?;
            let mut who = String::new();
            stream.read_to_string(&mut who)?;
            Ok(Met { who, peer })
        }
        Way::Connected => {
            let socket = bind(at, patience)?;
            socket.connect(at)?;
            let peer = socket.peer_addr()?;
            socket.send(b"who?")?;
            let (who, from) = hear(&socket)?;
            assert_eq!(from, peer, "who answered is whom the socket talks with");
            Ok(Met { who, peer })
        }
        Way::Unconnected => {
            let socket = bind(at, patience)?;
            socket.send_to(b"who?", at)?;
            let (who, peer) = hear(&socket)?;
            Ok(Met { who, peer })
        }
    }
}

pub(super) fn bind(at: SocketAddr, patience: Duration) -> io::Result<UdpSocket> {
    let any: IpAddr = if at.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.set_read_timeout(Some(patience))?;
    Ok(socket)
}

pub(super) fn hear(socket: &UdpSocket) -> io::Result<(String, SocketAddr)> {
    let mut bytes = [0; 64];
    let (length, from) = socket.recv_from(&mut bytes)?;
    let who = String::from_utf8_lossy(&bytes[..length]).into_owned();
    Ok((who, from))
}

/// Servers of both kinds at one port, in both families; they end with the value.
pub(super) struct Server {
    closed: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    /// Sockets are made where the calling thread is.
    pub(super) fn start(name: &'static str, port: u16) -> Self {
        let closed = Arc::new(AtomicBool::new(false));
        let at = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let listener = TcpListener::bind(at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let socket = UdpSocket::bind(at).unwrap();
        socket.set_read_timeout(Some(TICK)).unwrap();
        let [streams, datagrams] = [closed.clone(), closed.clone()];
        let threads = vec![
            thread::spawn(move || serve_streams(name, &listener, &streams)),
            thread::spawn(move || serve_datagrams(name, &socket, &datagrams)),
        ];
        Self { closed, threads }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
    }
}

fn serve_streams(name: &str, listener: &TcpListener, closed: &AtomicBool) {
    let mut open = Vec::new();
    while !closed.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((mut stream, _)) => {
                stream.write_all(name.as_bytes()).unwrap();
                stream.shutdown(std::net::Shutdown::Write).unwrap();
                open.push(stream);
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn serve_datagrams(name: &str, socket: &UdpSocket, closed: &AtomicBool) {
    let mut bytes = [0; 64];
    while !closed.load(Ordering::Relaxed) {
        if let Ok((_, from)) = socket.recv_from(&mut bytes) {
            // Whoever asked may be gone.
            drop(socket.send_to(name.as_bytes(), from));
        }
    }
}
