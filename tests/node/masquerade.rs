//! Pods that talk to the world: it sees the node, and every answer finds its pod.

use std::thread;

use crate::ears::{ECHO_REQUEST, Ears};
use crate::icmp::Icmp;
use crate::plugin::{Plugin, Pod};
use weir_tests::noise::noise;

use crate::talk::{Connection, PATIENCE, asks, asks_between, hears, says, seen, until};
use crate::world::{Place, World};
use crate::{FAMILIES, cases};

cases!(
    the_world_sees_the_node,
    large_transfers_arrive_whole,
    large_datagrams_arrive_whole,
    two_pods_talk_from_the_same_port,
    a_pod_and_the_node_talk_from_the_same_port,
    a_pod_talks_from_a_port_that_the_node_listens_on,
    two_pods_ping_with_the_same_identifier,
    pods_and_the_node_see_each_other,
);

fn the_world_sees_the_node(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let pod = pod.place();
    for (host, family) in [world.near(), world.far()].into_iter().zip(FAMILIES) {
        let node = world.node().address(family);
        assert_eq!(seen(pod, host, family).ip(), node);
        let mut connection = Connection::open(pod, host, family, (0, 0));
        assert_eq!(connection.seen.ip(), node);
        assert!(connection.talks("hello"));
        pinged_by(pod, host, family, node);
    }
}

/// Whether all echo requests come from an address.
fn pinged_by(pod: Place, host: Place, family: usize, node: std::net::IpAddr) {
    let ears = Ears::new(host, family);
    pod.run(&format!(
        "ping -n -c 3 -i 0.2 -W 5 {}",
        host.address(family)
    ));
    let heard = ears.heard().into_iter();
    let requests: Vec<_> = heard.filter(|it| it.kind == ECHO_REQUEST[family]).collect();
    assert!(!requests.is_empty());
    assert!(requests.iter().all(|it| it.from == node), "{requests:?}");
}

fn large_transfers_arrive_whole(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let bytes = noise(8 << 20);
    for host in [world.near(), world.far()] {
        for family in FAMILIES {
            let connection = Connection::open(pod.place(), host, family, (0, 0));
            assert!(connection.exchanges(&bytes), "{}", host.address(family));
        }
    }
}

/// They go in fragments, both ways.
fn large_datagrams_arrive_whole(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let bytes = noise(4_000);
    for family in FAMILIES {
        let heard = asks(pod.place(), world.near(), family, (0, 0), &bytes);
        let node = world.node().address(family);
        assert_eq!(heard.map(|it| it.ip()), Some(node), "IPv{}", [4, 6][family]);
    }
}

fn two_pods_talk_from_the_same_port(plugin: Plugin) {
    let world = World::new();
    let [a, b] = ["a", "b"].map(|id| Pod::new(&world, plugin, id));
    for family in FAMILIES {
        shares_a_port([a.place(), b.place()], world.near(), family, 10_000);
    }
}

fn a_pod_and_the_node_talk_from_the_same_port(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    for family in FAMILIES {
        let (pod, node) = (pod.place(), world.node());
        shares_a_port([node, pod], world.near(), family, 10_000);
        shares_a_port([pod, node], world.near(), family, 10_001);
    }
}

/// Two who talk to the same server from the same port, and are not taken for one another.
#[track_caller]
fn shares_a_port(both: [Place; 2], host: Place, family: usize, port: u16) {
    let server = host.udp(family, 53);
    let place = server.local_addr().unwrap();
    let clients = both.map(|from| {
        let client = from.udp(family, port);
        client.connect(place).unwrap();
        client
    });
    // The second one does not disturb what the first one has begun.
    for text in ["first", "later"] {
        let who = clients.each_ref().map(|client| {
            let tried = (0..3).find_map(|_| says(client, &server, text.as_bytes(), PATIENCE / 3));
            tried.unwrap_or_else(|| panic!("nothing comes from {client:?}"))
        });
        assert_ne!(who[0], who[1], "{text}");
        let answers = [format!("{text}, 0"), format!("{text}, 1")];
        for (answer, seen) in answers.iter().zip(&who).rev() {
            server.send_to(answer.as_bytes(), seen).unwrap();
        }
        for (client, answer) in clients.iter().zip(&answers) {
            let from = hears(client, answer.as_bytes(), PATIENCE);
            assert_eq!(from, Some(place), "{answer}");
        }
    }
    connects_from_a_port(both, host, family, port);
}

fn connects_from_a_port(both: [Place; 2], host: Place, family: usize, port: u16) {
    let listener = host.listener(family, 80);
    let place = listener.local_addr().unwrap();
    let mut connections = both.map(|from| {
        let client = from.connect_from(port, place, PATIENCE).unwrap();
        let (server, seen) = listener.accept().unwrap();
        Connection {
            client,
            server,
            seen,
        }
    });
    assert_ne!(connections[0].seen, connections[1].seen);
    for text in ["one", "and the other"] {
        for connection in &mut connections {
            assert!(connection.talks(text));
        }
    }
}

fn a_pod_talks_from_a_port_that_the_node_listens_on(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    for family in FAMILIES {
        let listener = world.node().listener(family, 11_000);
        let socket = world.node().udp(family, 11_000);
        let (pod, near) = (pod.place(), world.near());
        let mut connection = Connection::open(pod, near, family, (11_000, 80));
        assert!(connection.talks("past the listener"));
        assert!(asks(pod, near, family, (11_000, 53), b"past the socket").is_some());
        // Others still reach the node there.
        let client = near.connect(listener.local_addr().unwrap(), PATIENCE);
        assert_eq!(
            listener.accept().unwrap().1,
            client.unwrap().local_addr().unwrap()
        );
        let client = near.udp(family, 0);
        client.connect(socket.local_addr().unwrap()).unwrap();
        let who = asks_between(&client, &socket, b"the node", PATIENCE);
        assert_eq!(who, client.local_addr().ok());
        assert!(connection.talks("still there"));
    }
}

fn two_pods_ping_with_the_same_identifier(plugin: Plugin) {
    let world = World::new();
    let [a, b] = ["a", "b"].map(|id| Pod::new(&world, plugin, id));
    for family in FAMILIES {
        let near = world.near().address(family);
        let sockets = [&a, &b].map(|pod| pod.place().inside(|| Icmp::new(family)));
        let mut answers = [Vec::new(), Vec::new()];
        until("each pod has its answers", || {
            for (tag, socket) in (1..).zip(&sockets) {
                socket.ask(near, 77, tag);
            }
            thread::sleep(std::time::Duration::from_millis(20));
            for (answers, socket) in answers.iter_mut().zip(&sockets) {
                answers.extend(socket.answers());
            }
            answers.iter().all(|it| it.len() > 4)
        });
        for (own, answers) in (1..).zip(&answers) {
            assert!(answers.iter().all(|tag| *tag == own), "{answers:?}");
        }
    }
}

/// Nobody is translated who stays on the node.
fn pods_and_the_node_see_each_other(plugin: Plugin) {
    let world = World::new();
    let [a, b] = ["a", "b"].map(|id| Pod::new(&world, plugin, id));
    let (a, b, node) = (a.place(), b.place(), world.node());
    for family in FAMILIES {
        for (from, to) in [(a, b), (b, a), (a, node)] {
            assert_eq!(seen(from, to, family).ip(), from.address(family));
            let mut connection = Connection::open(from, to, family, (0, 0));
            assert_eq!(connection.seen.ip(), from.address(family));
            assert!(connection.talks("at home"));
        }
        // From the address that the node takes towards its pods.
        let client = Connection::open(node, a, family, (0, 0));
        assert_eq!(client.seen.ip(), client.client.local_addr().unwrap().ip());
    }
}
