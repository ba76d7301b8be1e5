//! What everybody serves: TCP that is accepted, UDP that comes back, SCTP that is answered.

use std::net::{IpAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::sctp::Sctp;

/// The ports of every protocol.
pub(crate) const PORTS: [u16; 2] = [80, 81];
/// How long until a server sees that it is not needed any more, in milliseconds.
const TICK: u8 = 100;

/// A socket that serves.
pub(crate) enum Serving {
    Tcp(TcpListener),
    Udp(UdpSocket),
    Sctp(Sctp),
}

/// The thread that serves for everybody; it ends with the value.
#[derive(Default)]
pub(crate) struct Server {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// The sockets of somebody with these addresses, in the namespace of the calling thread. They listen at their
    /// addresses and no others, so that answers come from where they are expected.
    pub(crate) fn sockets(addresses: [IpAddr; 2]) -> Vec<Serving> {
        let mut sockets = Vec::new();
        for (family, address) in addresses.into_iter().enumerate() {
            for port in PORTS {
                let listener = TcpListener::bind((address, port)).unwrap();
                listener.set_nonblocking(true).unwrap();
                sockets.push(Serving::Tcp(listener));
                let socket = UdpSocket::bind((address, port)).unwrap();
                socket.set_nonblocking(true).unwrap();
                sockets.push(Serving::Udp(socket));
            }
            sockets.push(Serving::Sctp(Sctp::new(family)));
        }
        sockets
    }

    /// Serves on these sockets.
    pub(crate) fn start(&mut self, sockets: Vec<Serving>) {
        let is_over = Arc::clone(&self.is_over);
        self.thread = Some(thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                wait(&sockets).into_iter().for_each(Serving::serve);
            }
        }));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}

impl AsFd for Serving {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(it) => it.as_fd(),
            Self::Udp(it) => it.as_fd(),
            Self::Sctp(it) => it.as_fd(),
        }
    }
}

impl Serving {
    fn serve(&self) {
        let mut bytes = [0; 64];
        match self {
            // Who is accepted has got through; that is all there is to say.
            Self::Tcp(listener) => while listener.accept().is_ok() {},
            Self::Udp(socket) => {
                while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                    let _lost = socket.send_to(&bytes[..length], from).is_err();
                }
            }
            Self::Sctp(socket) => socket.answer(),
        }
    }
}

/// Those to whom something has come.
fn wait(sockets: &[Serving]) -> Vec<&Serving> {
    let polled = sockets.iter().map(Serving::as_fd);
    let mut polled: Vec<_> = polled
        .map(|it| PollFd::new(it, PollFlags::POLLIN))
        .collect();
    // A signal ends the wait early, with nothing there.
    let _interrupted = poll(&mut polled, PollTimeout::from(TICK)).is_err();
    let served = sockets.iter().zip(&polled);
    let ready = served.filter(|(_, it)| it.any().unwrap_or(true));
    ready.map(|(serving, _)| serving).collect()
}
