//! Pods that keep their address outside, and ports of which there are no more.

use std::net::UdpSocket;

use ep_builder::maps::Direction;
use serde_json::json;
use weir_tests::pods::MAPS;

use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, SILENCE, is_heard, says, seen};
use crate::world::World;
use crate::{FAMILIES, needs};

const NO_MAPPING: u8 = 167;
/// Those below are not given to pods.
const FIRST_PORT: u16 = 1_024;

#[test]
fn a_pod_without_masquerade_keeps_its_address() {
    needs!();
    let world = World::new();
    let _hidden = Pod::new(&world, Plugin::Weir, "hidden");
    let mut configuration = Plugin::Weir.configuration(&world);
    configuration["ipMasq"] = false.into();
    let pod = Pod::with(Plugin::Weir, "open", configuration, &json!([]));
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        assert_eq!(seen(pod, near, family).ip(), pod.address(family));
        let connection = Connection::open(pod, near, family, (0, 0));
        assert_eq!(connection.seen.ip(), pod.address(family));
    }
}

#[test]
fn a_pod_keeps_its_address_in_native_networks() {
    needs!();
    let lines = "[node]\nnative_cidrs = [\"198.51.100.0/24\", \"2001:db8:51::/64\"]\n";
    let world = World::with(&format!("{MAPS}{lines}"));
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let pod = pod.place();
    for family in FAMILIES {
        assert_eq!(seen(pod, world.near(), family).ip(), pod.address(family));
        let node = world.node().address(family);
        assert_eq!(seen(pod, world.far(), family).ip(), node);
    }
}

/// One pod has every port of the node towards one place: nobody else gets through to that place, and everybody to
/// the others.
fn a_flow_without_a_port(family: usize) {
    let world = World::with(&MAPS.replace("snat = 4096", "snat = 262144"));
    let [greedy, late] = ["greedy", "late"].map(|id| Pod::new(&world, Plugin::Weir, id));
    let (greedy, late, near) = (greedy.place(), late.place(), world.near());
    let server = near.udp(family, 53);
    let place = server.local_addr().unwrap();
    // What comes before the router is known would be lost, but for a few.
    seen(greedy, world.far(), family);
    seen(greedy, near, family);
    let own = greedy.address(family);
    greedy.inside(|| {
        for port in FIRST_PORT..=u16::MAX {
            let socket = UdpSocket::bind((own, port)).unwrap();
            socket.send_to(b"mine", place).unwrap();
        }
    });
    let before = world.lab.counted(NO_MAPPING, Direction::Egress);
    let client = late.udp(family, 0);
    client.connect(place).unwrap();
    assert_eq!(says(&client, &server, b"and I?", SILENCE), None);
    assert!(world.lab.counted(NO_MAPPING, Direction::Egress) > before);
    assert!(is_heard(late, near, family, (0, 54)), "at another port");
    seen(late, world.far(), family);
    world.lab.weir(&["bpf", "nat", "flush"]).expect_success();
    assert!((0..3).any(|_| says(&client, &server, b"and now?", SILENCE).is_some()));
}

#[test]
fn a_flow_of_ipv4_without_a_port_is_dropped_and_counted() {
    needs!();
    a_flow_without_a_port(0);
}

#[test]
fn a_flow_of_ipv6_without_a_port_is_dropped_and_counted() {
    needs!();
    a_flow_without_a_port(1);
}
