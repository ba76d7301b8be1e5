//! Ports of the node that lead to pods, asked by the node itself and by its pods.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};

use serde_json::{Value, json};
use weir_tests::pods::GATEWAYS;

use crate::plugin::{Plugin, Pod};
use crate::talk::{PATIENCE, SILENCE, asks_between, seen};
use crate::world::{Place, World};
use crate::{FAMILIES, cases, needs};

cases!(
    the_node_reaches_a_port_of_its_own,
    pods_reach_a_port_of_their_node,
    a_port_hides_a_listener_of_the_node_until_its_pod_is_gone,
);

const PORT: u16 = 8_080;
const INSIDE: u16 = 80;

fn pod(world: &World, plugin: Plugin, id: &str) -> Pod {
    let ports: Value = ["tcp", "udp"]
        .map(|protocol| json!({"hostPort": PORT, "containerPort": INSIDE, "protocol": protocol}))
        .into_iter()
        .collect();
    bare_pod(world, plugin, id, &ports)
}

/// Under its own address: no port needs more.
fn bare_pod(world: &World, plugin: Plugin, id: &str, ports: &Value) -> Pod {
    let mut configuration = plugin.configuration(world);
    configuration["ipMasq"] = false.into();
    let pod = Pod::with(plugin, id, configuration, ports);
    // Every runtime does so, or has a plugin do so.
    pod.place().run("ip link set lo up");
    pod
}

/// Whether who asks at the door talks with the listener, and takes it for the door.
fn talks(from: Place, door: SocketAddr, listener: &TcpListener) -> bool {
    let mut client = from
        .connect(door, PATIENCE)
        .unwrap_or_else(|error| panic!("nobody is reached at {door}: {error}"));
    let (mut server, _) = listener.accept().unwrap();
    server.write_all(b"hello").unwrap();
    let mut heard = [0; 5];
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.read_exact(&mut heard).unwrap();
    heard == *b"hello" && client.peer_addr().unwrap() == door
}

/// Streams and datagrams from a place to a pod, by this name of the node.
fn check(from: Place, name: IpAddr, pod: Place) {
    let family = usize::from(name.is_ipv6());
    let door = SocketAddr::new(name, PORT);
    assert!(talks(from, door, &pod.listener(family, INSIDE)), "{door}");
    let server = pod.udp(family, INSIDE);
    // A socket that may talk to this name: one at an address of the world's may not to a loopback one.
    let client = from.called(unspecified()).udp(family, 0);
    client.connect(door).unwrap();
    let mut tries = (0..3).filter_map(|_| asks_between(&client, &server, b"hello", PATIENCE / 3));
    assert!(tries.next().is_some(), "datagrams to {door}");
}

fn unspecified() -> [IpAddr; 2] {
    [IpAddr::from([0; 4]), IpAddr::from([0; 16])]
}

fn the_node_reaches_a_port_of_its_own(plugin: Plugin) {
    let world = World::new();
    let pod = pod(&world, plugin, "a");
    for name in FAMILIES.map(|family| world.node().address(family)) {
        check(world.node(), name, pod.place());
    }
    check(world.node(), [127, 0, 0, 1].into(), pod.place());
}

fn pods_reach_a_port_of_their_node(plugin: Plugin) {
    let world = World::new();
    let a = pod(&world, plugin, "a");
    let b = bare_pod(&world, plugin, "b", &json!([]));
    for name in FAMILIES.map(|family| world.node().address(family)) {
        check(b.place(), name, a.place());
        // To itself.
        check(a.place(), name, a.place());
    }
}

fn a_port_hides_a_listener_of_the_node_until_its_pod_is_gone(plugin: Plugin) {
    let world = World::new();
    let local = world.node().called(unspecified());
    for family in FAMILIES {
        let own = local.listener(family, PORT);
        let door = SocketAddr::new(world.node().address(family), PORT);
        assert!(talks(world.node(), door, &own), "{door}");
        let pod = pod(&world, plugin, "a");
        let listener = pod.place().listener(family, INSIDE);
        assert!(talks(world.node(), door, &listener), "{door}");
        drop(listener);
        pod.remove();
        assert!(talks(world.node(), door, &own), "{door}");
    }
}

/// `portmap` knows no loopback address of IPv6.
#[test]
fn every_loopback_address_is_the_node_s_alone() {
    needs!();
    let world = World::new();
    let a = pod(&world, Plugin::Weir, "a");
    let b = bare_pod(&world, Plugin::Weir, "b", &json!([]));
    let names = ["127.0.0.1", "127.8.9.10", "::1"].map(|name| name.parse().unwrap());
    for name in names {
        check(world.node(), name, a.place());
        let refused = b
            .place()
            .connect((name, PORT).into(), PATIENCE)
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{name}");
    }
}

#[test]
fn a_node_that_is_cleaned_leads_nobody() {
    needs!();
    let world = World::new();
    let a = pod(&world, Plugin::Weir, "a");
    let door = SocketAddr::new(world.node().address(0), PORT);
    let listener = a.place().listener(0, INSIDE);
    assert!(talks(world.node(), door, &listener));
    let kept = world.node().connect(door, PATIENCE).unwrap();
    let status = world.lab.weir(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.expect_success()).unwrap();
    let hooks = status["sockets"].as_array().unwrap();
    assert_eq!(hooks.len(), 8, "{status}");
    assert!(hooks.iter().all(|hook| hook["id"].is_number()), "{status}");
    world
        .lab
        .weir(&["node", "cleanup", "--force"])
        .expect_success();
    let refused = world.node().connect(door, SILENCE).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    let left = world.lab.pins();
    assert!(left.iter().all(|pin| !pin.contains("_sock_")), "{left:?}");
    // What runs goes on.
    assert_eq!(kept.peer_addr().unwrap().port(), INSIDE);
}

/// No ADD is needed for that.
#[test]
fn what_a_forced_cleanup_took_from_pods_is_given_back_by_an_init() {
    needs!();
    let world = World::new();
    let mut configuration = Plugin::Weir.configuration(&world);
    configuration["ipMasq"] = true.into();
    let ports = json!([{"hostPort": PORT, "containerPort": INSIDE, "protocol": "tcp"}]);
    let a = Pod::with(Plugin::Weir, "a", configuration, &ports);
    let b = Pod::new(&world, Plugin::Weir, "b");
    let node = |verb: &[&str]| world.lab.weir(&[&["node"], verb].concat()).expect_success();
    let addresses = || world.node().run("ip -o addr show dev weir_host");
    let before = addresses();
    for family in FAMILIES {
        node(&["cleanup", "--force"]);
        // Once more, and all the same.
        node(&["cleanup", "--force"]);
        let door = SocketAddr::new(world.node().address(family), PORT);
        let listener = a.place().listener(family, INSIDE);
        let refused = world.node().connect(door, SILENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        node(&["init"]);
        for from in [world.node(), b.place(), world.near()] {
            assert!(talks(from, door, &listener), "{from:?}");
        }
        let gateway = GATEWAYS[family];
        b.place().run(&format!("ping -n -c 1 -W 5 {gateway}"));
        assert_eq!(seen(b.place(), world.near(), family).ip(), door.ip());
    }
    let without_index = |text: &str| {
        let words = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(3));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(without_index(&addresses()), without_index(&before));
    // When they are gone nothing is known of them.
    a.remove();
    b.remove();
    node(&["cleanup", "--force"]);
    let record = world.lab.node().state().join("node/node.json");
    assert!(!record.exists());
}
