//! The world that talks to pods at their own addresses, where it knows the way.

use std::thread;

use crate::ears::{Ears, UNREACHABLE};
use crate::plugin::{Plugin, Pod};
use weir_tests::noise::noise;

use crate::talk::{Connection, PATIENCE, SILENCE, asks, hears, says, seen, until};
use crate::world::{World, parsed};
use crate::{FAMILIES, cases};

cases!(
    the_world_reaches_a_pod_that_answers_as_itself,
    large_transfers_and_datagrams_arrive_whole,
    the_world_learns_that_nobody_listens,
    both_ways_at_once,
    nobody_but_the_peer_is_heard,
);

fn the_world_reaches_a_pod_that_answers_as_itself(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    for host in [world.near(), world.far()] {
        for family in FAMILIES {
            // The sockets are connected: they hear the pod's own address alone.
            let outside = host.address(family);
            assert_eq!(seen(host, pod.place(), family).ip(), outside);
            let mut connection = Connection::open(host, pod.place(), family, (0, 0));
            assert_eq!(connection.seen.ip(), outside);
            assert!(connection.talks("hello"));
            let address = pod.place().address(family);
            host.run(&format!("ping -n -c 3 -i 0.2 -W 5 {address}"));
        }
    }
}

fn large_transfers_and_datagrams_arrive_whole(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let bytes = noise(8 << 20);
    for host in [world.near(), world.far()] {
        for family in FAMILIES {
            let connection = Connection::open(host, pod.place(), family, (0, 0));
            assert!(connection.exchanges(&bytes), "{}", host.address(family));
        }
    }
    for family in FAMILIES {
        let heard = asks(world.near(), pod.place(), family, (0, 0), &bytes[..4_000]);
        assert!(heard.is_some());
    }
}

fn the_world_learns_that_nobody_listens(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        let ears = Ears::new(near, family);
        let client = near.udp(family, 0);
        client.connect((pod.address(family), 9)).unwrap();
        let mut told = Vec::new();
        until("the host is told", || {
            let _told = client.send(b"anybody?").is_err();
            told.extend(ears.errors(UNREACHABLE[family]));
            !told.is_empty()
        });
        let (from, packet) = told[0];
        assert_eq!(from, pod.address(family));
        assert_eq!(packet.source, client.local_addr().unwrap());
        assert_eq!(packet.destination, client.peer_addr().unwrap());
    }
}

/// The same two ports, asked by the pod and by the world: as the node once, and as itself.
fn both_ways_at_once(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        let mut inward = Connection::open(near, pod, family, (0, 7_000));
        let mut outward = Connection::open(pod, near, family, (7_001, 80));
        let bytes = noise(1 << 20);
        for text in ["one", "two"] {
            assert!(inward.talks(text) && outward.talks(text));
        }
        thread::scope(|scope| {
            let ends = [
                scope.spawn(|| inward.exchanges(&bytes)),
                scope.spawn(|| outward.exchanges(&bytes)),
            ];
            assert!(ends.into_iter().all(|it| it.join().unwrap()));
        });
    }
}

/// Who learns the node's address and port from what it hears of a pod has no way to the pod.
fn nobody_but_the_peer_is_heard(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (near, far) = (world.near(), world.far());
    for family in FAMILIES {
        let client = pod.place().udp(family, 12_000);
        let server = near.udp(family, 53);
        client.connect(server.local_addr().unwrap()).unwrap();
        let who = (0..3).find_map(|_| says(&client, &server, b"hello", PATIENCE / 3));
        let who = who.unwrap();
        // A socket that hears everybody, at the same port.
        drop(client);
        let anybody = (parsed(["0.0.0.0", "::"])[family], 12_000);
        // What another test starts meanwhile has the descriptor until it is another program.
        let any = (0..100).find_map(|_| {
            let bound = pod.place().inside(|| std::net::UdpSocket::bind(anybody));
            bound.inspect_err(|_| thread::sleep(SILENCE / 10)).ok()
        });
        let any = any.unwrap();
        for (number, other) in [far.udp(family, 53), near.udp(family, 54)]
            .into_iter()
            .enumerate()
        {
            let text = format!("stranger {number}");
            other.send_to(text.as_bytes(), who).unwrap();
            assert_eq!(hears(&any, text.as_bytes(), SILENCE), None, "{text}");
        }
        server.send_to(b"peer", who).unwrap();
        assert_eq!(hears(&any, b"peer", PATIENCE), server.local_addr().ok());
    }
}
