//! Each reason for which policy, conntrack, routing or a header drops a packet is explained by a packet.

use ep_builder::attach::Hook;
use ep_builder::explain::{Drop, End, Packet, Sender, Start, Twins, Verdict};
use ep_builder::maps::{Direction, MapName, Ports, Rule, Traffic};
use ep_builder::policy::Holder;
use weir_tests::pods::{Lab, Pod};

use super::{decision, enforce, tcp, twins};
use crate::lifecycle::needs;

const ALLOWED: u16 = 80;
const DENIED: u16 = 81;
const NOT_ALLOWED: u16 = 82;
/// Where the parts of a frame begin.
const ETHERTYPE: usize = 12;
const IP: usize = 14;

/// Of each pod: what it may send and get, by the port.
fn policy() -> Vec<(Rule, ep_builder::maps::Decision)> {
    let mut entries = Vec::new();
    for direction in Direction::ALL {
        for (port, deny, rule) in [(ALLOWED, false, 1), (DENIED, true, 2)] {
            let rule_of = Rule {
                identity: 0,
                direction,
                traffic: Traffic::Ports(Ports::one(6, port)),
            };
            entries.push((rule_of, decision(deny, rule)));
        }
        let icmp = |protocol| Rule {
            identity: 0,
            direction,
            traffic: Traffic::Protocol(protocol),
        };
        entries.extend([1, 58].map(|protocol| (icmp(protocol), decision(false, 3))));
    }
    entries
}

fn stage(lab: &Lab) -> (Pod, Pod) {
    let (a, b) = (lab.pod(31), lab.pod(32));
    for pod in [&a, &b] {
        enforce(lab, pod, 5, &policy());
    }
    (a, b)
}

#[track_caller]
fn dropped(twins: &Twins, sender: Sender, packet: &Packet) -> (u16, Drop) {
    twins.forget().unwrap();
    let way = twins.send(sender, packet).unwrap();
    match way.verdict {
        Verdict::Dropped(by, drop) => {
            assert!(drop.file > 0 && drop.line > 0, "{way:?}");
            (by.number(), drop)
        }
        other => panic!("{other:?}: {way:?}"),
    }
}

#[test]
fn what_policy_drops_is_told_with_direction_rule_and_peer() {
    needs!();
    let lab = Lab::new();
    let (a, b) = stage(&lab);
    let twins = twins(&lab, &[&a, &b]);
    let (from_a, from_b) = (Sender::Pod(a.endpoint.id), Sender::Pod(b.endpoint.id));
    let (egress, ingress) = (Some(Direction::Egress), Some(Direction::Ingress));
    for (own, peer) in a.addresses().into_iter().zip(b.addresses()) {
        for (sender, packet, by, reason, direction, rule) in [
            (from_a, tcp(own, peer, NOT_ALLOWED), 31, 133, egress, 0),
            (from_a, tcp(own, peer, DENIED), 31, 181, egress, 2),
            (from_b, tcp(peer, own, DENIED), 32, 181, egress, 2),
            (Sender::Outside, tcp(peer, own, DENIED), 31, 181, ingress, 2),
            (
                Sender::Host,
                tcp(peer, own, NOT_ALLOWED),
                31,
                133,
                ingress,
                0,
            ),
        ] {
            let (id, drop) = dropped(&twins, sender, &packet);
            let told = (id, drop.reason, drop.direction, drop.rule);
            assert_eq!(told, (by, reason, direction, rule), "{packet:?} {drop:?}");
        }
    }
}

#[test]
fn what_the_receivers_policy_drops_is_told_of_the_receiver() {
    needs!();
    let lab = Lab::new();
    let (a, b) = stage(&lab);
    let any = |direction| Rule {
        identity: 0,
        direction,
        traffic: Traffic::Any,
    };
    let open = Direction::ALL.map(|direction| (any(direction), decision(false, 0)));
    enforce(&lab, &a, 6, &open);
    let twins = twins(&lab, &[&a, &b]);
    for (own, peer) in a.addresses().into_iter().zip(b.addresses()) {
        for (port, reason, rule) in [(NOT_ALLOWED, 133, 0), (DENIED, 181, 2)] {
            let sender = Sender::Pod(a.endpoint.id);
            let (id, drop) = dropped(&twins, sender, &tcp(own, peer, port));
            assert_eq!((id, drop.reason, drop.rule), (32, reason, rule), "{drop:?}");
            assert_eq!(drop.direction, Some(Direction::Ingress));
            assert_eq!(drop.peer_identity, a.endpoint.identity);
        }
    }
}

#[test]
fn what_routing_and_missing_programs_drop_is_told() {
    needs!();
    let lab = Lab::new();
    let (a, b) = stage(&lab);
    let sender = Sender::Pod(a.endpoint.id);
    for (own, peer) in a.addresses().into_iter().zip(b.addresses()) {
        let twins = twins(&lab, &[&a, &b]);
        let packet = tcp(own, peer, ALLOWED);
        let last_hop = Packet {
            hop_limit: 1,
            ..packet
        };
        let (id, drop) = dropped(&twins, sender, &last_hop);
        assert_eq!((id, drop.reason, drop.is_answered), (31, 196, true));
        assert_eq!(drop.peer_id, 32);
        let (id, drop) = dropped(&twins, sender, &tcp(peer, own, ALLOWED));
        assert_eq!((id, drop.reason), (31, 132), "somebody else's address");
        twins
            .withhold(Holder::Endpoint(b.endpoint.id), MapName::CallPolicy)
            .unwrap();
        let (id, drop) = dropped(&twins, sender, &packet);
        assert_eq!((id, drop.reason, drop.peer_id), (31, 203, 32));
        twins
            .withhold(Holder::Endpoint(a.endpoint.id), MapName::Verdict)
            .unwrap();
        let (id, drop) = dropped(&twins, sender, &packet);
        assert_eq!((id, drop.reason, drop.detail), (31, 140, 0xff));
    }
}

/// What is done to a frame.
type Change = fn(&mut Vec<u8>);

/// The reason, whether it is about IPv6, where the packet is, and what is wrong with it.
const BROKEN: &[(u8, bool, Hook, Change)] = &[
    (130, false, Hook::FromContainer, |frame| frame[6] ^= 4),
    (130, true, Hook::FromContainer, |frame| frame[6] ^= 4),
    (134, false, Hook::FromContainer, |frame| frame[IP] = 0x41),
    (134, false, Hook::ToContainer, |frame| frame[IP + 2] = 0xff),
    (134, true, Hook::ToContainer, |frame| frame[IP + 4] = 0xff),
    (135, false, Hook::FromContainer, |frame| frame[IP + 3] = 30),
    (135, true, Hook::FromContainer, |frame| frame[IP + 5] = 10),
    (135, false, Hook::ToContainer, |frame| {
        frame[IP + 20 + 12] = 0;
    }),
    (139, false, Hook::FromContainer, |frame| {
        frame[ETHERTYPE] = 0x99;
    }),
    (139, false, Hook::ToContainer, |frame| {
        frame[ETHERTYPE] = 0x99;
    }),
    (143, false, Hook::FromContainer, |frame| icmp(frame, 3, 99)),
    (144, false, Hook::FromContainer, |frame| icmp(frame, 99, 0)),
    (145, true, Hook::FromContainer, |frame| icmp6(frame, 1, 99)),
    (146, true, Hook::FromContainer, |frame| icmp6(frame, 99, 0)),
    (156, true, Hook::FromContainer, |frame| frame[IP + 6] = 43),
    (166, false, Hook::FromContainer, |frame| {
        frame[ETHERTYPE] = 0;
    }),
    (175, false, Hook::FromContainer, |frame| frame[IP + 7] = 9),
    (176, true, Hook::FromContainer, |frame| icmp6(frame, 134, 0)),
    (182, false, Hook::FromContainer, |frame| {
        frame[ETHERTYPE] = 0x81;
    }),
];

fn icmp(frame: &mut [u8], kind: u8, code: u8) {
    frame[IP + 9] = 1;
    frame[IP + 20..][..2].copy_from_slice(&[kind, code]);
}

fn icmp6(frame: &mut [u8], kind: u8, code: u8) {
    frame[IP + 6] = 58;
    frame[IP + 40..][..2].copy_from_slice(&[kind, code]);
}

#[test]
fn what_is_wrong_with_a_frame_is_told() {
    needs!();
    let lab = Lab::new();
    let (a, b) = stage(&lab);
    let twins = twins(&lab, &[&a, &b]);
    for (reason, is_ipv6, hook, change) in BROKEN {
        let (own, peer) = (
            a.addresses()[usize::from(*is_ipv6)],
            b.addresses()[usize::from(*is_ipv6)],
        );
        let (id, endpoint) = (a.endpoint.id, &a.endpoint);
        let (start, mut frame) = match hook {
            Hook::FromContainer => (
                Start::FromPod(id),
                tcp(own, peer, ALLOWED).frame(endpoint.mac, endpoint.host_mac),
            ),
            _ => (
                Start::ToPod {
                    id,
                    mark: 0,
                    came_by: 1,
                },
                tcp(peer, own, ALLOWED).frame(endpoint.host_mac, endpoint.mac),
            ),
        };
        change(&mut frame);
        let run = twins.run(start, &frame).unwrap();
        let End::Dropped(by, drop) = run.end else {
            panic!("{reason} {hook}: {run:?}");
        };
        assert_eq!(
            (by, drop.reason),
            (Holder::Endpoint(id), *reason),
            "{hook} {run:?}"
        );
        assert!(drop.file > 0 && drop.line > 0, "{run:?}");
    }
}
