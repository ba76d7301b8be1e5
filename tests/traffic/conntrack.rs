//! A conntrack map that is full: what was longest without a packet makes room, and nobody is refused.

use std::net::{IpAddr, TcpStream};

use ep_builder::maps::{Conntrack, Counters, Decision, Direction, Family, Ports, Rule, Traffic};
use weir_tests::pods::MAPS;
use weir_tests::{Lab, Pod};

use crate::talk::{At, Connection, PATIENCE, SILENCE, needs};

const PORT: u16 = 8_080;
const TCP: u8 = 6;
const LIMIT: usize = 64;
/// Many times what the map holds, in steps between which the old connection is used.
const STEPS: u16 = 60;
const STEP: u16 = 10;
const CREATE_FAILED: u8 = 155;

/// Leaves a pod with one rule: its port may be reached. Its answers pass as part of a connection only.
fn restrict(lab: &Lab, pod: &Pod) {
    let allowed = Rule {
        identity: 0,
        direction: Direction::Ingress,
        traffic: Traffic::Ports(Ports::one(TCP, PORT)),
    };
    let allow = Decision {
        deny: false,
        rule: 1,
    };
    let edited = lab.maps().edit_policy(pod.endpoint.id, |entries| {
        assert_eq!(entries.len(), Direction::ALL.len());
        *entries = [(allowed, (allow, Counters::default()))].into();
    });
    edited.unwrap();
}

/// Opens connections that nobody takes: each is answered, and has an entry at both pods.
fn flood(from: &Pod, to: IpAddr, first: u16) {
    from.inside(|| {
        for port in first..first + STEP {
            TcpStream::connect_timeout(&(to, port).into(), SILENCE).unwrap_err();
        }
    });
}

#[test]
fn an_established_connection_survives_a_flood_of_new_ones() {
    needs!();
    let lab = Lab::with(&MAPS.replace("ct_tcp = 4096", &format!("ct_tcp = {LIMIT}")));
    let (client, server, other) = (lab.pod(1), lab.pod(2), lab.pod(3));
    restrict(&lab, &server);
    for (at, family) in [Family::Ipv4, Family::Ipv6].into_iter().enumerate() {
        let (from, to) = (At::In(&client), At::In(&server));
        let mut open = Connection::open(from, to, at, PORT, PATIENCE).unwrap();
        for step in 0..STEPS {
            flood(&client, other.addresses()[at], 10_000 + step * STEP);
            assert!(open.says("still here", PATIENCE), "after step {step}");
        }
        let map = Conntrack {
            family,
            tcp: true,
            owner: None,
        };
        let entries = lab.maps().conntrack(map).unwrap().count().unwrap();
        assert!((1..=LIMIT).contains(&entries), "{entries}");
        for direction in Direction::ALL {
            assert_eq!(
                lab.counted(CREATE_FAILED, direction),
                0,
                "nobody is refused"
            );
        }
        open.close();
    }
}
