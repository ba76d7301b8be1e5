//! Many flows at once, which collide as often as can be: the pods all talk from the same ports to the same places.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::cases;
use crate::plugin::{Plugin, Pod};
use crate::talk::PATIENCE;
use crate::world::{Place, World};

cases!(
    many_datagrams_of_ipv4_are_not_mixed_up,
    many_datagrams_of_ipv6_are_not_mixed_up,
    many_connections_are_not_mixed_up,
);

const PODS: usize = 4;
/// From here on a pod talks from these many ports, to so many places each: 20,000 flows.
const FIRST: u16 = 20_000;
const PORTS: u16 = 1_000;
const PLACES: u16 = 5;
const CONNECTING: u16 = 60;
const TICK: Duration = Duration::from_millis(20);
/// How many questions of a pod may be under way: a queue of the kernel's that is full loses packets.
const AT_ONCE: usize = 100;

/// Room for every flow, with two entries for each.
fn lines() -> String {
    let maps = weir_tests::pods::MAPS.replace("ct_any = 4096", "ct_any = 65536");
    // Of a map that is nearly full the kernel's lists for each processor give the oldest away too early.
    maps.replace("snat = 4096", "snat = 131072")
}

/// Sockets of a test are more than a process may have by default.
fn allow_many_files() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

fn many_datagrams_of_ipv4_are_not_mixed_up(plugin: Plugin) {
    many_datagrams(plugin, 0);
}

fn many_datagrams_of_ipv6_are_not_mixed_up(plugin: Plugin) {
    many_datagrams(plugin, 1);
}

fn many_datagrams(plugin: Plugin, family: usize) {
    allow_many_files();
    let world = World::with(&lines());
    let pods = ["a", "b", "c", "d"].map(|id| Pod::new(&world, plugin, id));
    let servers: &Vec<_> = &(0..PLACES)
        .map(|number| world.near().udp(family, 1_000 + number))
        .collect();
    let over = AtomicBool::new(false);
    let unanswered: usize = thread::scope(|scope| {
        let seen: Vec<_> = servers
            .iter()
            .map(|it| scope.spawn(|| echo(it, &over)))
            .collect();
        let clients = pods.iter().enumerate();
        let clients: Vec<_> = clients
            .map(|(number, pod)| {
                let sockets = open(pod.place(), family);
                scope.spawn(move || ask_all(number, &sockets, servers))
            })
            .collect();
        let unanswered = clients.into_iter().map(|it| it.join().unwrap()).sum();
        over.store(true, Ordering::Relaxed);
        for seen in seen {
            // Every flow was one of its own to the place that it went to, and still was at its end.
            assert_eq!(seen.join().unwrap().len(), PODS * usize::from(PORTS));
        }
        unanswered
    });
    assert_eq!(unanswered, 0);
}

fn open(pod: Place, family: usize) -> Vec<UdpSocket> {
    let address = pod.address(family);
    let ports = FIRST..FIRST + PORTS;
    pod.inside(|| {
        ports
            .map(|port| UdpSocket::bind((address, port)).unwrap())
            .collect()
    })
}

/// Sends everything back, and counts who asks.
fn echo(server: &UdpSocket, over: &AtomicBool) -> BTreeSet<SocketAddr> {
    server.set_read_timeout(Some(TICK)).unwrap();
    let (mut seen, mut bytes) = (BTreeSet::new(), [0; 64]);
    while !over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = server.recv_from(&mut bytes) {
            seen.insert(from);
            let _lost = server.send_to(&bytes[..length], from).is_err();
        }
    }
    seen
}

/// Asks every place from every socket, in two rounds so that all flows are old when the last one is asked. An answer
/// is to the question of this socket to that place, or the test fails. Returns how many have none.
fn ask_all(pod: usize, sockets: &[UdpSocket], servers: &[UdpSocket]) -> usize {
    for socket in sockets {
        socket.set_nonblocking(true).unwrap();
    }
    let mut unanswered = 0;
    for round in 0..2 {
        for (place, server) in servers.iter().enumerate() {
            let place_address = server.local_addr().unwrap();
            for (group, some) in sockets.chunks(AT_ONCE).enumerate() {
                let tag = |number| format!("{round} {pod} {place} {}", group * AT_ONCE + number);
                unanswered += ask_some(some, place_address, tag);
            }
        }
    }
    unanswered
}

fn ask_some(sockets: &[UdpSocket], place: SocketAddr, tag: impl Fn(usize) -> String) -> usize {
    let mut waiting: BTreeSet<_> = (0..sockets.len()).collect();
    let start = Instant::now();
    while !waiting.is_empty() && start.elapsed() < PATIENCE {
        for number in &waiting {
            let _lost = sockets[*number]
                .send_to(tag(*number).as_bytes(), place)
                .is_err();
        }
        thread::sleep(TICK);
        waiting.retain(|number| !has_answer(&sockets[*number], place, &tag(*number)));
    }
    waiting.len()
}

/// Whether the answer is there. One of an earlier round, asked twice, may come late.
fn has_answer(socket: &UdpSocket, place: SocketAddr, tag: &str) -> bool {
    let (mut bytes, own) = ([0; 64], tag.split_once(' ').unwrap().1);
    let mut is_answered = false;
    while let Ok((length, from)) = socket.recv_from(&mut bytes) {
        let said = std::str::from_utf8(&bytes[..length]).unwrap();
        if from == place {
            assert!(said.ends_with(own), "{said} for {tag}");
            is_answered |= said == tag;
        }
    }
    is_answered
}

/// As many as stay open at once, from the same ports.
fn many_connections_are_not_mixed_up(plugin: Plugin) {
    allow_many_files();
    let world = World::with(&lines());
    let pods = ["a", "b", "c", "d"].map(|id| Pod::new(&world, plugin, id));
    for family in crate::FAMILIES {
        let listeners: Vec<_> = (0..PLACES)
            .map(|number| world.near().listener(family, 1_000 + number))
            .collect();
        let mut connections = Vec::new();
        for port in FIRST..FIRST + CONNECTING {
            for (pod, listener) in pods
                .iter()
                .flat_map(|pod| listeners.iter().map(move |it| (pod, it)))
            {
                connections.push(connect(pod.place(), port, listener));
            }
        }
        let seen: BTreeSet<_> = connections
            .iter()
            .map(|it| (it.seen, it.server.local_addr().unwrap()))
            .collect();
        assert_eq!(seen.len(), connections.len());
        for (number, connection) in connections.iter_mut().enumerate().rev() {
            assert!(
                connection.talks(&format!("connection {number}")),
                "{number}"
            );
        }
    }
}

fn connect(pod: Place, port: u16, listener: &TcpListener) -> crate::talk::Connection {
    let client = pod.connect_from(port, listener.local_addr().unwrap(), PATIENCE);
    let client = client.unwrap();
    let (server, seen) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
    }
    crate::talk::Connection {
        client,
        server,
        seen,
    }
}
