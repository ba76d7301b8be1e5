//! The policy changes under open connections: it reaches their next packet.

use ep_builder::maps::{Counters, Decision, Direction, Ports, Rule, Traffic};
use weir_tests::{Lab, Pod};

use crate::talk::{At, Connection, Flood, PATIENCE, SILENCE, comes_back, echoes, needs, until};

const POLICY: u8 = 133;
const TCP: u8 = 6;
const PORT: u16 = 8_080;

const ALLOW: Decision = Decision {
    deny: false,
    rule: 0,
};

fn everything(direction: Direction) -> Rule {
    Rule {
        identity: 0,
        direction,
        traffic: Traffic::Any,
    }
}

fn port_of(peer: &Pod, direction: Direction) -> Rule {
    Rule {
        identity: peer.endpoint.identity,
        direction,
        traffic: Traffic::Ports(Ports::one(TCP, PORT)),
    }
}

/// Changes the rules of a pod and puts them in force.
fn change(lab: &Lab, pod: &Pod, remove: &[Rule], insert: &[Rule]) {
    let id = pod.endpoint.id;
    let edited = lab.maps().edit_policy(id, |entries| {
        for rule in remove {
            assert!(entries.remove(rule).is_some(), "{rule:?}");
        }
        for rule in insert {
            entries.insert(*rule, (ALLOW, Counters::default()));
        }
    });
    edited.unwrap();
}

/// An open connection from one pod to another while the rules of one of them change.
fn changed_under_a_connection(direction: Direction, family: usize) {
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let (judge, peer) = match direction {
        Direction::Egress => (&a, &b),
        Direction::Ingress => (&b, &a),
    };
    let (from, to) = (At::In(&a), At::In(&b));
    let mut open = Connection::open(from, to, family, PORT, PATIENCE).unwrap();
    assert!(open.says("before", PATIENCE));
    assert_eq!(lab.counted(POLICY, direction), 0);

    change(&lab, judge, &[everything(direction)], &[]);
    assert!(
        !open.says("denied", SILENCE),
        "its next packet is judged anew"
    );
    assert!(lab.counted(POLICY, direction) > 0);
    assert!(!echoes(from, to, family, (0, 0), b"?", SILENCE));

    change(&lab, judge, &[], &[port_of(peer, direction)]);
    // TCP sends it again by itself.
    assert!(
        open.hears("denied", PATIENCE * 4),
        "the port is allowed now"
    );
    assert!(open.says("after", PATIENCE));
    assert!(Connection::open(from, to, family, PORT + 1, SILENCE).is_none());
    assert!(
        !echoes(from, to, family, (0, PORT), b"?", SILENCE),
        "another protocol"
    );

    change(&lab, judge, &[], &[everything(direction)]);
    assert!(comes_back(from, to, family, (0, 0), b"!", PATIENCE));
    open.close();
}

#[test]
fn the_receivers_policy_reaches_an_open_connection_over_ipv4() {
    needs!();
    changed_under_a_connection(Direction::Ingress, 0);
}

#[test]
fn the_receivers_policy_reaches_an_open_connection_over_ipv6() {
    needs!();
    changed_under_a_connection(Direction::Ingress, 1);
}

#[test]
fn the_senders_policy_reaches_an_open_connection_over_ipv4() {
    needs!();
    changed_under_a_connection(Direction::Egress, 0);
}

#[test]
fn the_senders_policy_reaches_an_open_connection_over_ipv6() {
    needs!();
    changed_under_a_connection(Direction::Egress, 1);
}

#[test]
fn a_flood_stops_at_once_and_goes_on_at_once() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    for family in [0, 1] {
        let flood = Flood::start(At::In(&a), At::In(&b), family, 0);
        until("packets arrive", || flood.arrived() > 100);
        change(&lab, &b, &[everything(Direction::Ingress)], &[]);
        // What was on its way to the socket is there after a moment.
        std::thread::sleep(SILENCE / 4);
        let (arrived, dropped) = (flood.arrived(), lab.counted(POLICY, Direction::Ingress));
        until("packets are dropped", || {
            lab.counted(POLICY, Direction::Ingress) > dropped + 100
        });
        assert_eq!(flood.arrived(), arrived, "nothing passes");
        change(&lab, &b, &[], &[everything(Direction::Ingress)]);
        until("packets arrive again", || flood.arrived() > arrived + 100);
        flood.stop();
    }
}

#[test]
fn a_pod_without_rules_reaches_nobody_and_no_pod_reaches_it() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let all = [
        everything(Direction::Ingress),
        everything(Direction::Egress),
    ];
    change(&lab, &b, &all, &[]);
    for family in [0, 1] {
        let (pod, node) = (At::In(&b), At::Node);
        assert!(!echoes(At::In(&a), pod, family, (0, 0), b"?", SILENCE));
        assert!(!echoes(pod, At::In(&a), family, (0, 0), b"?", SILENCE));
        assert!(!echoes(pod, node, family, (0, 0), b"?", SILENCE));
    }
    // Having no rule is a policy, too: a new generation has it as well.
    let id = b.id();
    lab.weir(&["endpoint", "regenerate", &id]).expect_success();
    for family in [0, 1] {
        assert!(!echoes(
            At::In(&a),
            At::In(&b),
            family,
            (0, 0),
            b"?",
            SILENCE
        ));
    }
}
