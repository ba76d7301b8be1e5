//! Ports of the node that lead to pods, asked from outside.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::thread;

use serde_json::{Value, json};

use crate::plugin::{Plugin, Pod};
use crate::sctp::Sctp;
use weir_tests::noise::noise;

use crate::talk::{Connection, PATIENCE, SILENCE, asks_between, hears, until};
use crate::world::{Place, World};
use crate::{FAMILIES, cases, needs};

cases!(
    a_port_of_the_node_leads_to_the_pod,
    large_transfers_and_datagrams_go_through_a_port,
    a_port_at_one_address_is_none_at_another,
    two_ports_lead_to_one_and_two_pods_to_one_port,
    the_asker_learns_that_nobody_listens,
    a_flow_goes_to_the_pod_that_has_the_port_now,
    a_pod_that_is_gone_gives_its_port_back,
);

const PORT: u16 = 8_080;
const INSIDE: u16 = 80;

/// Mappings as runtimes write them, all protocols but SCTP.
fn mapped(ports: &[(u16, u16)]) -> Value {
    let each = |(outside, inside): &(u16, u16)| {
        ["tcp", "udp"].map(
            |protocol| json!({"hostPort": outside, "containerPort": inside, "protocol": protocol}),
        )
    };
    ports.iter().flat_map(each).collect()
}

fn pod(world: &World, plugin: Plugin, id: &str, ports: &Value) -> Pod {
    Pod::with(plugin, id, plugin.configuration(world), ports)
}

/// Where the node is asked.
fn door(world: &World, family: usize, port: u16) -> SocketAddr {
    (world.node().address(family), port).into()
}

/// Whom the pod sees behind a datagram to the door, if there and back it arrives: a client hears the door alone.
fn asked(
    from: Place,
    door: SocketAddr,
    pod: Place,
    (family, inside): (usize, u16),
    bytes: &[u8],
) -> Option<IpAddr> {
    let (client, server) = (from.udp(family, 0), pod.udp(family, inside));
    client.connect(door).unwrap();
    let mut tries = (0..3).filter_map(|_| asks_between(&client, &server, bytes, PATIENCE / 3));
    tries.next().map(|seen| seen.ip())
}

fn connected(from: Place, door: SocketAddr, pod: Place, family: usize, inside: u16) -> Connection {
    let listener = pod.listener(family, inside);
    let client = from.connect(door, PATIENCE);
    let client = client.unwrap_or_else(|e| panic!("nobody is reached at {door}: {e}"));
    let (server, seen) = listener.accept().unwrap();
    for end in [&client, &server] {
        end.set_read_timeout(Some(PATIENCE)).unwrap();
        end.set_write_timeout(Some(PATIENCE)).unwrap();
    }
    Connection {
        client,
        server,
        seen,
    }
}

fn a_port_of_the_node_leads_to_the_pod(plugin: Plugin) {
    let world = World::new();
    let pod = pod(&world, plugin, "a", &mapped(&[(PORT, INSIDE)]));
    for from in [world.near(), world.far()] {
        for family in FAMILIES {
            let door = door(&world, family, PORT);
            let seen = asked(from, door, pod.place(), (family, INSIDE), b"hello");
            assert_eq!(seen, Some(from.address(family)), "{door}");
            let mut connection = connected(from, door, pod.place(), family, INSIDE);
            assert_eq!(connection.seen.ip(), from.address(family));
            assert!(connection.talks("hello"));
        }
    }
}

fn large_transfers_and_datagrams_go_through_a_port(plugin: Plugin) {
    let world = World::new();
    let pod = pod(&world, plugin, "a", &mapped(&[(PORT, INSIDE)]));
    let bytes = noise(4 << 20);
    for family in FAMILIES {
        let door = door(&world, family, PORT);
        for from in [world.near(), world.far()] {
            let connection = connected(from, door, pod.place(), family, INSIDE);
            assert!(connection.exchanges(&bytes), "{door}");
        }
        // In fragments, both ways.
        let datagram = &bytes[..4_000];
        let seen = asked(world.near(), door, pod.place(), (family, INSIDE), datagram);
        assert!(seen.is_some(), "{door}");
    }
}

/// The node's second address has the port for another pod, and its first one for none.
fn a_port_at_one_address_is_none_at_another(plugin: Plugin) {
    let world = World::new();
    let second = ["192.0.2.2", "2001:db8:2::2"];
    for (address, length) in second.into_iter().zip([24, 64]) {
        world
            .node()
            .run(&format!("ip addr add {address}/{length} dev up0"));
    }
    let at = |host_ip: String| {
        let tcp = json!({"hostPort": PORT, "containerPort": INSIDE, "protocol": "tcp"});
        let mut mapping = tcp;
        mapping["hostIP"] = host_ip.into();
        mapping
    };
    for family in FAMILIES {
        let first = world.node().address(family);
        let a = pod(&world, plugin, "a", &json!([at(first.to_string())]));
        let b = pod(&world, plugin, "b", &json!([at(second[family].to_owned())]));
        let other: IpAddr = second[family].parse().unwrap();
        for (address, pod) in [(first, &a), (other, &b)] {
            let door = (address, PORT).into();
            let mut connection = connected(world.near(), door, pod.place(), family, INSIDE);
            assert!(connection.talks("hello"), "{address}");
        }
        let other_family = door(&world, 1 - family, PORT);
        let refused = world.near().connect(other_family, PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        b.remove();
        let closed = (other, PORT).into();
        let refused = world.near().connect(closed, PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        a.remove();
    }
}

fn two_ports_lead_to_one_and_two_pods_to_one_port(plugin: Plugin) {
    let world = World::new();
    let a = pod(
        &world,
        plugin,
        "a",
        &mapped(&[(PORT, INSIDE), (9_090, INSIDE)]),
    );
    let b = pod(&world, plugin, "b", &mapped(&[(PORT + 1, INSIDE)]));
    for family in FAMILIES {
        let both = [(PORT, &a), (9_090, &a), (PORT + 1, &b)];
        let mut open: Vec<_> = both
            .into_iter()
            .map(|(port, pod)| {
                let door = door(&world, family, port);
                connected(world.near(), door, pod.place(), family, INSIDE)
            })
            .collect();
        for (number, connection) in open.iter_mut().enumerate() {
            assert!(connection.talks(&format!("connection {number}")));
        }
    }
}

/// The pod's own answer that nobody is there comes from where was asked.
fn the_asker_learns_that_nobody_listens(plugin: Plugin) {
    let world = World::new();
    let _pod = pod(&world, plugin, "a", &mapped(&[(PORT, INSIDE)]));
    for family in FAMILIES {
        let door = door(&world, family, PORT);
        let refused = world.near().connect(door, PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{door}");
        let client = world.near().udp(family, 0);
        client.connect(door).unwrap();
        client.set_read_timeout(Some(SILENCE)).unwrap();
        until("a datagram to nobody is answered by an error", || {
            // Either call may be the one that is told.
            let told = client.send(b"hello").and_then(|_| client.recv(&mut [0; 8]));
            told.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        });
    }
}

/// One that asks by datagrams, always from the same port, does not stay with a pod that is gone.
fn a_flow_goes_to_the_pod_that_has_the_port_now(plugin: Plugin) {
    let world = World::new();
    let ports = mapped(&[(PORT, INSIDE)]);
    for family in FAMILIES {
        let client = world.near().udp(family, 0);
        client.connect(door(&world, family, PORT)).unwrap();
        for id in ["a", "b"] {
            let pod = pod(&world, plugin, id, &ports);
            let server = pod.place().udp(family, INSIDE);
            let mut tries =
                (0..3).filter_map(|_| asks_between(&client, &server, id.as_bytes(), PATIENCE / 3));
            assert!(tries.next().is_some(), "pod {id}, IPv{}", [4, 6][family]);
            drop(server);
            pod.remove();
        }
    }
}

fn a_pod_that_is_gone_gives_its_port_back(plugin: Plugin) {
    let world = World::new();
    pod(&world, plugin, "a", &mapped(&[(PORT, INSIDE)])).remove();
    for family in FAMILIES {
        let door = door(&world, family, PORT);
        let refused = world.near().connect(door, PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{door}");
        // Now it is the node's own.
        let seen = asked(world.near(), door, world.node(), (family, PORT), b"hello");
        assert_eq!(seen, Some(world.near().address(family)), "{door}");
    }
}

/// `portmap` needs modules of the kernel for it.
#[test]
fn sctp_goes_through_a_port() {
    needs!();
    let world = World::new();
    let ports = json!([{"hostPort": PORT, "containerPort": INSIDE, "protocol": "SCTP"}]);
    let pod = pod(&world, Plugin::Weir, "a", &ports);
    for family in FAMILIES {
        let client = world.near().inside(|| Sctp::new(family));
        let server = pod.place().inside(|| Sctp::new(family));
        let door = world.node().address(family);
        until("a question by SCTP is answered", || {
            client.ask(door, (20_000, PORT), 7);
            thread::sleep(SILENCE / 10);
            server.answer();
            thread::sleep(SILENCE / 10);
            client.answers().contains(&7)
        });
    }
}

/// A port is no matter of masquerade.
#[test]
fn a_pod_under_its_own_address_has_ports_too() {
    needs!();
    let world = World::new();
    let mut configuration = Plugin::Weir.configuration(&world);
    configuration["ipMasq"] = false.into();
    let pod = Pod::with(Plugin::Weir, "a", configuration, &mapped(&[(PORT, INSIDE)]));
    for family in FAMILIES {
        let door = door(&world, family, PORT);
        let mut connection = connected(world.near(), door, pod.place(), family, INSIDE);
        assert!(connection.talks("hello"));
        assert_eq!(connection.seen.ip(), world.near().address(family));
    }
}

/// Who has one flow to a pod through a port has no way to it at other ports, and others are not heard in its place.
#[test]
fn nobody_slips_in_beside_a_flow() {
    needs!();
    let world = World::new();
    let pod = pod(&world, Plugin::Weir, "a", &mapped(&[(PORT, INSIDE)]));
    let (near, far) = (world.near(), world.far());
    for family in FAMILIES {
        let door = door(&world, family, PORT);
        let client = near.udp(family, 7_000);
        client.connect(door).unwrap();
        let server = pod.place().udp(family, INSIDE);
        let mut tries =
            (0..3).filter_map(|_| asks_between(&client, &server, b"hello", PATIENCE / 3));
        assert!(tries.next().is_some());
        let other = pod.place().udp(family, INSIDE + 1);
        client
            .connect((world.node().address(family), INSIDE + 1))
            .unwrap();
        let _refused = client.send(b"elsewhere");
        assert_eq!(hears(&other, b"elsewhere", SILENCE), None);
        // Another one from the same port has a flow of its own.
        let stranger = far.udp(family, 7_000);
        stranger.connect(door).unwrap();
        let mut tries =
            (0..3).filter_map(|_| asks_between(&stranger, &server, b"far", PATIENCE / 3));
        assert_eq!(tries.next().map(|it| it.ip()), Some(far.address(family)));
    }
}
