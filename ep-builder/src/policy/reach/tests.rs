//! Held against the oracle, and small cases told by hand.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use proptest::prelude::*;

use super::{Judged, Party, Passage, Reach, WORLD};
use crate::maps::{Direction, OpenPort};
use crate::policy::oracle::random::{self, Choices};
use crate::policy::oracle::{Answer, Case, End, HOST, Packet, agrees, network_of};
use crate::policy::{Compiled, Origin, SubjectPolicy};

const PACKETS: usize = 48;

fn cases() -> impl Strategy<Value = Case> {
    prop::collection::vec(any::<u32>(), 0..1_000)
        .prop_map(|row| random::case(&mut Choices::listed(row), PACKETS))
}

/// The part of the answer that a packet belongs to. There is always exactly one.
#[track_caller]
fn passage(all: &[Passage], protocol: u8, port: u16) -> Passage {
    let named: BTreeSet<u8> = all.iter().filter_map(|it| it.part.protocol).collect();
    let fitting = all.iter().filter(|it| it.part.has(protocol, port, &named));
    let fitting: Vec<_> = fitting.copied().collect();
    assert_eq!(fitting.len(), 1, "{protocol}/{port}: {all:?}");
    fitting[0]
}

fn address_of(case: &Case, identity: u32, like: IpAddr) -> Option<IpAddr> {
    let pod = case.pods.get(&identity)?;
    Some(if like.is_ipv4() {
        pod.ipv4.into()
    } else {
        pod.ipv6.into()
    })
}

/// Both ends of the connection that a packet opens, asked for one end each.
fn ends(case: &Case, packet: &Packet) -> Option<[Packet; 2]> {
    let own = match packet.subject {
        HOST => None,
        pod => Some(address_of(case, pod, packet.address)?),
    };
    let remote = match packet.subject {
        HOST => End::Host,
        pod => End::Pod(pod),
    };
    let other = Packet {
        subject: packet.remote.identity(),
        direction: match packet.direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        },
        remote,
        address: own?,
        ..*packet
    };
    Some(match packet.direction {
        Direction::Egress => [*packet, other],
        Direction::Ingress => [other, *packet],
    })
}

/// What one end's policy means for a packet, if it is asked at all.
#[track_caller]
fn check_end(case: &Case, packet: &Packet, judged: Judged, origins: &[Origin]) {
    let answer = match judged {
        Judged::Allowed(rule) => Answer::Allowed(rule),
        Judged::Denied(rule) => Answer::Denied(rule),
        Judged::NotAllowed => Answer::NotAllowed,
        Judged::Unasked | Judged::Open => panic!("nobody was asked about {packet:?}"),
    };
    let meant = case.meant(packet).unwrap();
    assert!(
        agrees(&meant, answer, origins),
        "{packet:?}: {meant:?} but {judged:?}"
    );
}

/// Every packet of a case, seen from both ends.
fn check(case: &Case) {
    let compiled = case.compiled().unwrap();
    let reach = Reach::new(&compiled, &BTreeSet::new());
    let mut by_class = HashMap::new();
    for packet in &case.packets {
        let Some([leaving, arriving]) = ends(case, packet) else {
            continue;
        };
        let party = |identity, address| Party {
            identity,
            network: network_of(&compiled.networks, address),
        };
        let from = party(leaving.subject, arriving.address);
        let to = party(arriving.subject, leaving.address);
        let all = reach.between(from, to);
        let alike = by_class.entry(reach.class(from, to));
        assert_eq!(
            alike.or_insert_with(|| all.clone()),
            &all,
            "{from:?} {to:?}"
        );
        let found = passage(&all, packet.protocol, packet.port);
        for (end, judged) in [(&leaving, found.leaving), (&arriving, found.arriving)] {
            if is_asked(&compiled, end) {
                check_end(case, end, judged, &compiled.origins);
            } else {
                assert_eq!(judged, Judged::Unasked, "{end:?}");
            }
        }
    }
}

/// Whether the datapath asks this end's policy.
fn is_asked(compiled: &Compiled, end: &Packet) -> bool {
    match (end.subject, end.remote, end.direction) {
        (WORLD, ..) | (HOST, End::Host, _) | (HOST, End::Pod(_), Direction::Egress) => false,
        (HOST, ..) => compiled.subjects.contains_key(&HOST),
        _ => true,
    }
}

proptest! {
    #[test]
    fn what_may_reach_whom_is_what_the_documents_mean(case in cases()) {
        check(&case);
    }
}

/// Random cases are worth something only if all answers occur, and ends disagree.
#[test]
fn random_cases_meet_every_answer() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let case = random::case(&mut Choices::seeded(seed), PACKETS);
        check(&case);
        let compiled = case.compiled().unwrap();
        let reach = Reach::new(&compiled, &BTreeSet::new());
        let party = |identity: &u32| Party {
            identity: *identity,
            network: None,
        };
        for (from, to) in case.pods.keys().zip(case.pods.keys().skip(1)) {
            for passage in reach.between(party(from), party(to)) {
                seen.insert((passage.leaving.passes(), passage.arriving.passes()));
            }
        }
    }
    assert_eq!(seen.len(), 4, "{seen:?}");
}

#[test]
fn open_ports_of_a_closed_node_are_parts_of_their_own() {
    let mut compiled = Compiled::default();
    compiled.subjects.insert(HOST, SubjectPolicy::default());
    let open = |port, direction| OpenPort {
        port,
        protocol: 6,
        direction,
    };
    let ports = [open(22, Direction::Ingress), open(179, Direction::Egress)];
    let reach = Reach::new(&compiled, &ports.into());
    let party = |identity| Party {
        identity,
        network: None,
    };
    let told = |from, to| {
        let all = reach.between(party(from), party(to));
        [22, 23, 179].map(|port| passage(&all, 6, port).passes())
    };
    assert_eq!(told(WORLD, HOST), [true, false, false]);
    assert_eq!(told(HOST, WORLD), [false, false, true]);
    // What the node sends to its pods is the pods' business; this one has no entry.
    let pods = reach.between(party(HOST), party(300));
    assert_eq!(
        (pods[0].leaving, pods[0].arriving),
        (Judged::Unasked, Judged::NotAllowed)
    );
    assert!(
        reach
            .between(party(HOST), party(HOST))
            .iter()
            .all(Passage::passes)
    );
}
