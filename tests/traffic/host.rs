//! Who the node is: what it sends itself, whatever it is; and what ends at it, whichever its address.

use std::net::{IpAddr, UdpSocket};

use ep_builder::maps::{Counters, Decision, Direction, Rule, Traffic};
use weir_tests::noise::noise;
use weir_tests::pods::{GATEWAYS, MAPS, run};
use weir_tests::{Lab, Pod};

use crate::beyond::Beyond;
use crate::talk::{At, Connection, PATIENCE, SILENCE, comes_back, echoes, needs, transfers};

const POLICY: u8 = 133;
const HOST: u32 = 1;
const WORLD: u32 = 2;
const PORT: u16 = 8_080;
/// More than fits one packet.
const LARGE: usize = 4_000;

/// Leaves a pod with one rule: this peer may be spoken to, if it is this direction's.
fn only(lab: &Lab, pod: &Pod, direction: Direction, identity: u32) {
    let rule = Rule {
        identity,
        direction,
        traffic: Traffic::Any,
    };
    let allow = Decision {
        deny: false,
        rule: 1,
    };
    let edited = lab.maps().edit_policy(pod.endpoint.id, |entries| {
        *entries = [(rule, (allow, Counters::default()))].into();
    });
    edited.unwrap();
}

/// Whatever one end begins gets through: datagrams, also in fragments, and connections.
fn passes(from: At, to: At) {
    for family in [0, 1] {
        let between = format!("{} to {}", from.address(family), to.address(family));
        for size in [1, LARGE] {
            let bytes = noise(size);
            assert!(
                comes_back(from, to, family, (0, 0), &bytes, PATIENCE),
                "{size} bytes, {between}"
            );
        }
        let mut open = Connection::open(from, to, family, PORT, PATIENCE).expect(&between);
        assert!(open.says("hello", PATIENCE), "{between}");
        open.close();
        assert!(transfers(from, to, family, &noise(300_000)), "{between}");
    }
}

/// Nothing does.
fn is_stopped(from: At, to: At) {
    for family in [0, 1] {
        let between = format!("{} to {}", from.address(family), to.address(family));
        for size in [1, LARGE] {
            let bytes = noise(size);
            assert!(
                !echoes(from, to, family, (0, 0), &bytes, SILENCE),
                "{size} bytes, {between}"
            );
        }
        assert!(
            Connection::open(from, to, family, PORT, SILENCE).is_none(),
            "{between}"
        );
    }
}

#[test]
fn what_the_node_sends_is_the_nodes_and_what_it_forwards_is_not() {
    needs!();
    let lab = Lab::new();
    let pod = lab.pod(1);
    let beyond = Beyond::new();
    let (to, outside) = (At::In(&pod), At::Beyond(&beyond));
    only(&lab, &pod, Direction::Ingress, HOST);
    passes(At::Node, to);
    passes(At::Edge(&beyond), to);
    is_stopped(outside, to);
    only(&lab, &pod, Direction::Ingress, WORLD);
    passes(outside, to);
    is_stopped(At::Node, to);
    is_stopped(At::Edge(&beyond), to);
}

#[test]
fn what_ends_at_the_node_is_for_the_node() {
    needs!();
    let lab = Lab::new();
    let pod = lab.pod(1);
    let beyond = Beyond::new();
    let (from, outside) = (At::In(&pod), At::Beyond(&beyond));
    only(&lab, &pod, Direction::Egress, HOST);
    passes(from, At::Node);
    passes(from, At::Edge(&beyond));
    is_stopped(from, outside);
    only(&lab, &pod, Direction::Egress, WORLD);
    passes(from, outside);
    is_stopped(from, At::Node);
    is_stopped(from, At::Edge(&beyond));
}

/// The node forwards between its pods here: the mark says whose packet it is.
#[test]
fn a_pod_behind_the_stack_is_that_pod() {
    needs!();
    let lab = Lab::with(&format!("{MAPS}[datapath]\nrouting = false\n"));
    let (a, b) = (lab.pod(1), lab.pod(2));
    only(&lab, &b, Direction::Ingress, a.endpoint.identity);
    passes(At::In(&a), At::In(&b));
    only(&lab, &b, Direction::Ingress, HOST);
    is_stopped(At::In(&a), At::In(&b));
}

/// Sends a datagram from an address that is the node's, too; whether it arrives.
fn arrives(from: &Beyond, source: IpAddr, to: &Pod, family: usize) -> bool {
    let server = At::In(to).udp(family, 0);
    server.set_read_timeout(Some(SILENCE)).unwrap();
    let place = server.local_addr().unwrap();
    let client = from.inside(|| UdpSocket::bind((source, 0)).unwrap());
    client.send_to(b"I am the node", place).unwrap();
    server.recv(&mut [0; 64]).is_ok()
}

/// IPv4 drops a packet from outside whose source is the node's own. IPv6 does not, and forwards it.
#[test]
fn with_the_nodes_address_nobody_is_the_node() {
    needs!();
    let lab = Lab::new();
    let pod = lab.pod(1);
    let beyond = Beyond::new();
    beyond.inside(|| {
        for (gateway, nodad) in GATEWAYS.into_iter().zip(["", " nodad"]) {
            run(&format!("ip addr add {gateway} dev lo{nodad}"));
        }
    });
    let [v4, v6] = GATEWAYS.map(|gateway| gateway.parse().unwrap());
    only(&lab, &pod, Direction::Ingress, WORLD);
    // It asks for its neighbour from the address that it sends from, and the node does not answer itself.
    for family in [0, 1] {
        let (from, to) = (At::Beyond(&beyond), At::In(&pod));
        assert!(comes_back(from, to, family, (0, 0), b"hello", PATIENCE));
    }
    assert!(arrives(&beyond, v6, &pod, 1), "it does come that far");
    only(&lab, &pod, Direction::Ingress, HOST);
    assert!(!arrives(&beyond, v4, &pod, 0));
    let before = lab.counted(POLICY, Direction::Ingress);
    assert!(!arrives(&beyond, v6, &pod, 1));
    assert_eq!(lab.counted(POLICY, Direction::Ingress), before + 1);
}
