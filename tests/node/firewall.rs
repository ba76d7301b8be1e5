//! The node's own policy: the world, the node and its pods, before it and under it.

use std::process::Stdio;
use std::thread;
use std::time::Duration;

use ep_builder::maps::Direction;
use serde_json::Value;
use weir_tests::noise::noise;
use weir_tests::pods::MAPS;

use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, PATIENCE, SILENCE, asks_between, hears, seen, until};
use crate::world::{Place, World};
use crate::{FAMILIES, needs};

/// The reason of packets that policy drops.
const POLICY: u8 = 133;
/// A port that stays open, whatever policy says.
const OPEN: u16 = 22;
/// One that the node may always ask.
const ALWAYS_ASKED: u16 = 53;

/// Puts a policy of the node in force.
fn apply(world: &World, spec: &str) {
    write(world, &format!("nodeSelector: {{}}, {spec}"));
    world.lab.weir(&["policy", "apply"]).expect_success();
}

fn write(world: &World, spec: &str) {
    let document = format!(
        "apiVersion: weir.dev/v1alpha1\nkind: WeirPolicy\nmetadata: {{name: node}}\nspec: {{{spec}}}\n"
    );
    world.lab.node().write_policy("node.yaml", &document);
}

/// A world whose node has its part.
fn world() -> World {
    let world = World::new();
    world.lab.weir(&["node", "init"]).expect_success();
    world
}

/// Whether nothing new comes through, neither TCP nor datagrams, and that is counted.
fn is_closed(world: &World, from: Place, to: Place, family: usize, direction: Direction) -> bool {
    let before = world.lab.counted(POLICY, direction);
    let listener = to.listener(family, 0);
    let is_silent = from
        .connect(listener.local_addr().unwrap(), SILENCE)
        .is_err()
        && !gets_there(from, to, family);
    is_silent && world.lab.counted(POLICY, direction) >= before + 2
}

/// Whether a datagram arrives, of a socket that is connected and of one that is not.
fn gets_there(from: Place, to: Place, family: usize) -> bool {
    let server = to.udp(family, 0);
    let address = server.local_addr().unwrap();
    let (plain, connected) = (from.udp(family, 0), from.udp(family, 0));
    connected.connect(address).unwrap();
    // What a program of the way out drops may be told to who sends.
    let _told = plain.send_to(b"anybody?", address);
    let _told = connected.send(b"anybody?");
    hears(&server, b"anybody?", SILENCE).is_some()
}

#[test]
fn a_closed_node_keeps_what_stands_and_what_is_always_open() {
    needs!();
    let world = world();
    let (node, near) = (world.node(), world.near());
    let mut standing: Vec<_> = FAMILIES
        .into_iter()
        .flat_map(|family| {
            // From outside at a port that is not always open, and from the node.
            [
                Connection::open(near, node, family, (0, 2_222)),
                Connection::open(node, near, family, (0, 0)),
            ]
        })
        .collect();
    apply(&world, "policyTypes: [Ingress, Egress]");
    for connection in &mut standing {
        assert!(connection.talks("I was here before"));
    }
    for family in FAMILIES {
        assert!(is_closed(&world, near, node, family, Direction::Ingress));
        assert!(is_closed(&world, node, near, family, Direction::Egress));
        assert!(Connection::open(near, node, family, (0, OPEN)).talks("by the open door"));
        // What the node may always ask is answered, though nothing may come in.
        let (client, server) = (node.udp(family, 0), near.udp(family, ALWAYS_ASKED));
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut tries = (0..3).map(|_| asks_between(&client, &server, b"who is?", PATIENCE / 3));
        assert!(tries.any(|it| it.is_some()));
        let mut asked = Connection::open(node, near, family, (0, ALWAYS_ASKED));
        assert!(asked.talks("of the names"));
        let ping = near.try_run(&format!("ping -n -c 1 -W 1 {}", node.address(family)));
        assert_eq!(ping.code, Some(1), "{ping:?}");
    }
    // Without a policy of the node it is as before.
    write(&world, "podSelector: {}");
    world.lab.weir(&["policy", "apply"]).expect_success();
    for family in FAMILIES {
        assert_eq!(seen(near, node, family).ip(), near.address(family));
    }
    for connection in &mut standing {
        assert!(connection.talks("I am still here"));
    }
    let entries = world.lab.weir(&["policy", "get", "node", "-o", "json"]);
    assert_eq!(entries.expect_success().trim(), "[]");
}

#[test]
fn rules_of_the_node_let_in_whom_they_name() {
    needs!();
    let world = world();
    let (node, near, far) = (world.node(), world.near(), world.far());
    let blocks = "{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8:51::/64'}}";
    apply(
        &world,
        &format!(
            "policyTypes: [Ingress], ingress: [{{from: [{blocks}]}}, {{action: deny, ports: [{{port: {OPEN}}}]}}]"
        ),
    );
    for family in FAMILIES {
        assert_eq!(seen(near, node, family).ip(), near.address(family));
        assert!(is_closed(&world, far, node, family, Direction::Ingress));
        // Nothing isolates what the node asks, and answers belong to it.
        assert_eq!(seen(node, far, family).ip(), node.address(family));
        // What is always open is so against a rule that denies.
        assert!(Connection::open(far, node, family, (0, OPEN)).talks("to the open door"));
    }
    let entries = world.lab.weir(&["policy", "get", "node", "-o", "json"]);
    let entries: Value = serde_json::from_str(&entries.expect_success()).unwrap();
    let mut counting = entries.as_array().unwrap().iter();
    let block = counting.find(|entry| entry["network"] == "198.51.100.0/24");
    assert!(block.unwrap()["packets"].as_u64() >= Some(1), "{entries}");
}

#[test]
fn the_way_to_a_narrow_place_is_learned_by_a_closed_node() {
    needs!();
    let world = world();
    let (node, far) = (world.node(), world.far());
    apply(
        &world,
        "policyTypes: [Ingress, Egress], egress: [{ports: [{port: 8080}]}]",
    );
    let bytes = noise(1 << 20);
    for family in FAMILIES {
        let connection = Connection::open(node, far, family, (0, 8_080));
        assert!(connection.exchanges(&bytes), "family {family}");
        let route = node.run(&format!("ip route get {}", far.address(family)));
        let narrow = format!("mtu {}", crate::world::NARROW);
        assert!(route.contains(&narrow), "{route}");
    }
}

#[test]
fn pods_meet_the_nodes_policy_and_the_node_reaches_its_pods() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, node, near) = (pod.place(), world.node(), world.near());
    for family in FAMILIES {
        assert_eq!(seen(pod, node, family).ip(), pod.address(family));
    }
    apply(&world, "policyTypes: [Ingress, Egress]");
    for family in FAMILIES {
        assert!(is_closed(&world, pod, node, family, Direction::Ingress));
        // Probes come through, and what a pod does with the world is its own business.
        assert!(Connection::open(node, pod, family, (0, 0)).talks("are you well?"));
        assert_eq!(seen(pod, near, family).ip(), node.address(family));
        let pong = format!("ping -n -c 3 -i 0.2 -W 5 {}", pod.address(family));
        node.run(&pong);
    }
    apply(
        &world,
        "policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 9100}]}]",
    );
    for family in FAMILIES {
        assert!(Connection::open(pod, node, family, (0, 9_100)).talks("how are you?"));
        assert!(is_closed(&world, near, node, family, Direction::Ingress));
    }
}

#[test]
fn a_policy_that_was_there_first_counts_when_the_nodes_part_comes() {
    needs!();
    let world = World::with(&format!(
        "{MAPS}\n[node]\nlabels = [\"role=edge\"]\n[node.firewall]\nalways_open_ingress = [\"7/tcp\"]\n"
    ));
    let (node, near) = (world.node(), world.near());
    write(
        &world,
        "nodeSelector: {matchLabels: {role: edge}}, policyTypes: [Ingress]",
    );
    let said = world.lab.weir(&["policy", "apply"]);
    assert!(said.stderr.contains("weir node init"), "{said:?}");
    assert_eq!(seen(near, node, 0).ip(), near.address(0));
    world.lab.weir(&["node", "init"]).expect_success();
    for family in FAMILIES {
        assert!(is_closed(&world, near, node, family, Direction::Ingress));
        assert!(Connection::open(near, node, family, (0, 7)).talks("by the named door"));
        assert!(
            near.connect((node.address(family), OPEN).into(), SILENCE)
                .is_err()
        );
    }
    // Made anew, it is as it was; taken away, nothing judges.
    world.lab.weir(&["node", "init"]).expect_success();
    assert!(is_closed(&world, near, node, 0, Direction::Ingress));
    world.lab.weir(&["node", "cleanup"]).expect_success();
    assert_eq!(seen(near, node, 0).ip(), near.address(0));
    world.lab.weir(&["node", "init"]).expect_success();
    assert!(is_closed(&world, near, node, 0, Direction::Ingress));
}

#[test]
fn a_node_that_locks_its_operator_out_opens_again() {
    needs!();
    let world = world();
    let (node, near) = (world.node(), world.near());
    write(&world, "nodeSelector: {}, policyTypes: [Ingress]");
    let mut command = world.lab.node().command();
    command.args(["policy", "apply", "--confirm-within", "5s"]);
    let mut waiting = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let address = |family| (node.address(family), 9).into();
    // Nobody listens: a node that is open says so at once.
    let is_open = |family| {
        let error = near.connect(address(family), SILENCE).unwrap_err();
        error.kind() == std::io::ErrorKind::ConnectionRefused
    };
    until("the node is closed", || !is_open(0) && !is_open(1));
    // Nobody confirms, and who waited is gone.
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    thread::sleep(Duration::from_secs(5));
    world.lab.weir(&["policy", "status"]).expect_success();
    assert!(is_open(0) && is_open(1));
}
