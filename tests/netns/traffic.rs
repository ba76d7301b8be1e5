//! Traffic between pods: UDP that counts what is lost, TCP that compares what arrives.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::pod::Pod;

/// Far longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long a server waits before it looks whether it is still needed.
const TICK: Duration = Duration::from_millis(50);

/// Requests and answers that were counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) sent: u32,
    pub(crate) lost: u32,
    pub(crate) wrong: u32,
}

/// Sends requests from one pod to another, one after the other, while `meanwhile` runs; a request without an
/// answer in time is lost.
pub(crate) fn udp_during<T>(
    from: &Pod,
    to: &Pod,
    family: usize,
    meanwhile: impl FnOnce() -> T,
) -> (Count, T) {
    let server = to.inside(|| UdpSocket::bind((to.addresses()[family], 0)).unwrap());
    let client = from.inside(|| UdpSocket::bind((from.addresses()[family], 0)).unwrap());
    udp_between(&client, &server, meanwhile)
}

/// As [`udp_during`], between these sockets.
pub(crate) fn udp_between<T>(
    client: &UdpSocket,
    server: &UdpSocket,
    meanwhile: impl FnOnce() -> T,
) -> (Count, T) {
    let address = server.local_addr().unwrap();
    server.set_read_timeout(Some(TICK)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let (enough, closed) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| echo(server, &closed));
        let client = scope.spawn(|| ask(client, address, &enough));
        let result = meanwhile();
        enough.store(true, Ordering::Relaxed);
        let count = client.join().unwrap();
        // The server stays until the last answer: whatever has none is lost.
        closed.store(true, Ordering::Relaxed);
        (count, result)
    })
}

fn echo(server: &UdpSocket, closed: &AtomicBool) {
    let mut bytes = [0; 64];
    while !closed.load(Ordering::Relaxed) {
        if let Ok((length, from)) = server.recv_from(&mut bytes) {
            server.send_to(&bytes[..length], from).unwrap();
        }
    }
}

fn ask(client: &UdpSocket, server: SocketAddr, enough: &AtomicBool) -> Count {
    let mut count = Count::default();
    let mut bytes = [0; 64];
    while !enough.load(Ordering::Relaxed) {
        let number = count.sent.to_be_bytes();
        client.send_to(&number, server).unwrap();
        match client.recv_from(&mut bytes) {
            Ok((4, from)) if from == server && bytes[..4] == number => {}
            Ok(_) => count.wrong += 1,
            Err(_) => count.lost += 1,
        }
        count.sent += 1;
    }
    count
}

/// Whether both families get through, both ways.
pub(crate) fn reaches(a: &Pod, b: &Pod) {
    for family in [0, 1] {
        for (from, to) in [(a, b), (b, a)] {
            let (count, ()) = udp_during(from, to, family, || thread::sleep(TICK));
            assert!(
                count.sent > 0 && count.lost == 0 && count.wrong == 0,
                "family {family}: {count:?}"
            );
        }
    }
}

/// Sends bytes over TCP and returns whether the same came back.
pub(crate) fn tcp_round(from: &Pod, to: &Pod, address: IpAddr, bytes: &[u8]) -> bool {
    let listener = to.inside(|| TcpListener::bind((address, 0)).unwrap());
    let place = listener.local_addr().unwrap();
    let mut returned = Vec::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let mut got = Vec::new();
            stream.read_to_end(&mut got).unwrap();
            stream.write_all(&got).unwrap();
        });
        let stream = from.inside(|| TcpStream::connect_timeout(&place, PATIENCE));
        let mut stream = stream.unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        stream.read_to_end(&mut returned).unwrap();
    });
    returned == bytes
}
