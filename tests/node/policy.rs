//! The world and the policy of pods: who is judged, and before what.

use ep_builder::maps::Direction;
use serde_json::json;

use crate::plugin::{NAMESPACE, Plugin, Pod};
use crate::talk::{Connection, PATIENCE, SILENCE, asks_between, hears, is_heard, says, seen};
use crate::world::{Place, World};
use crate::{FAMILIES, needs};

/// The reason of packets that policy drops.
const POLICY: u8 = 133;
/// A port of the node, and where it leads.
const DOOR: u16 = 8_080;
const INSIDE: u16 = 80;

/// Puts a policy of all pods in force.
fn apply(world: &World, spec: &str) {
    let document = format!(
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: all, namespace: {NAMESPACE}}}\nspec: {spec}\n"
    );
    world.lab.node().write_policy("all.yaml", &document);
    world.lab.weir(&["policy", "apply"]).expect_success();
}

/// Whether connections are refused by silence, and counted.
fn is_closed(world: &World, from: Place, to: Place, family: usize, direction: Direction) -> bool {
    let before = world.lab.counted(POLICY, direction);
    let listener = to.listener(family, 0);
    let is_silent = from
        .connect(listener.local_addr().unwrap(), SILENCE)
        .is_err()
        && !is_heard(from, to, family, (0, 0));
    is_silent && world.lab.counted(POLICY, direction) >= before + 2
}

#[test]
fn a_closed_pod_is_not_reached_from_outside_and_reaches_the_world() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near) = (pod.place(), world.near());
    apply(&world, "{podSelector: {}, policyTypes: [Ingress]}");
    for family in FAMILIES {
        let node = world.node().address(family);
        assert!(is_closed(&world, near, pod, family, Direction::Ingress));
        // What it has asked for itself is answered.
        assert_eq!(seen(pod, near, family).ip(), node);
        let mut connection = Connection::open(pod, near, family, (0, 0));
        assert!(connection.talks("I have asked"));
        pod.run(&format!(
            "ping -n -c 3 -i 0.2 -W 5 {}",
            near.address(family)
        ));
    }
}

#[test]
fn a_pod_is_open_to_the_networks_that_are_named() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near, far) = (pod.place(), world.near(), world.far());
    let blocks = "{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8:51::/64'}}";
    apply(
        &world,
        &format!("{{podSelector: {{}}, ingress: [{{from: [{blocks}]}}]}}"),
    );
    for family in FAMILIES {
        assert_eq!(seen(near, pod, family).ip(), near.address(family));
        assert!(Connection::open(near, pod, family, (0, 0)).talks("by name"));
        assert!(is_closed(&world, far, pod, family, Direction::Ingress));
    }
}

#[test]
fn what_may_not_leave_the_pod_is_not_translated_first() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near, far) = (pod.place(), world.near(), world.far());
    let blocks = "{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: '2001:db8:13::/64'}}";
    apply(
        &world,
        &format!("{{podSelector: {{}}, policyTypes: [Egress], egress: [{{to: [{blocks}]}}]}}"),
    );
    for family in FAMILIES {
        assert!(is_closed(&world, pod, near, family, Direction::Egress));
        let pairs = world
            .lab
            .weir(&["bpf", "nat", "list", "-o", "json"])
            .expect_success();
        assert!(
            !pairs.contains(&near.address(family).to_string()),
            "{pairs}"
        );
        assert_eq!(seen(pod, far, family).ip(), world.node().address(family));
        // The world may ask, and the answer to it leaves as it came.
        assert_eq!(seen(near, pod, family).ip(), near.address(family));
    }
}

#[test]
fn a_flow_that_policy_ends_is_not_carried_on_by_its_translation() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        apply(
            &world,
            "{podSelector: {}, policyTypes: [Egress], egress: [{}]}",
        );
        let (client, server) = (pod.udp(family, 0), near.udp(family, 53));
        client.connect(server.local_addr().unwrap()).unwrap();
        let mut tries = (0..3).map(|_| asks_between(&client, &server, b"open", PATIENCE / 3));
        assert!(tries.any(|it| it.is_some()));
        apply(&world, "{podSelector: {}, policyTypes: [Egress]}");
        assert_eq!(says(&client, &server, b"closed", SILENCE), None);
        assert_eq!(hears(&client, b"closed", SILENCE), None);
    }
}

/// Whoever asks at a port of the node is judged as who they are.
#[test]
fn a_port_of_the_node_is_open_to_the_networks_that_are_named() {
    needs!();
    let world = World::new();
    let ports = ["tcp", "udp"]
        .map(|protocol| json!({"hostPort": DOOR, "containerPort": INSIDE, "protocol": protocol}));
    let configuration = Plugin::Weir.configuration(&world);
    let pod = Pod::with(
        Plugin::Weir,
        "a",
        configuration,
        &ports.into_iter().collect(),
    );
    let blocks = "{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8:51::/64'}}";
    let spec = format!("{{podSelector: {{}}, ingress: [{{from: [{blocks}]}}]}}");
    for family in FAMILIES {
        for (is_judged, may_far) in [(false, true), (true, false)] {
            apply(
                &world,
                if is_judged {
                    &spec
                } else {
                    "{podSelector: {}, ingress: [{}]}"
                },
            );
            assert!(is_led(&world, world.near(), pod.place(), family));
            let before = world.lab.counted(POLICY, Direction::Ingress);
            assert_eq!(is_led(&world, world.far(), pod.place(), family), may_far);
            let counted = world.lab.counted(POLICY, Direction::Ingress) - before;
            assert_eq!(counted >= 2, !may_far, "{counted} packets");
        }
    }
}

/// Whether somebody comes to the pod by the port of the node, by TCP and by UDP; never by one of them alone.
fn is_led(world: &World, from: Place, pod: Place, family: usize) -> bool {
    let door = (world.node().address(family), DOOR).into();
    let listener = pod.listener(family, INSIDE);
    let connected = from.connect(door, SILENCE * 2).is_ok();
    assert!(!connected || listener.accept().is_ok());
    let (client, server) = (from.udp(family, 0), pod.udp(family, INSIDE));
    client.connect(door).unwrap();
    let heard = (0..3).any(|_| asks_between(&client, &server, b"by the port", SILENCE).is_some());
    assert_eq!(connected, heard, "{door}");
    connected
}
