//! Replacements under flood: nothing allowed is lost, nothing denied passes.

use ep_builder::maps::{Counters, Decision, Direction, Ports, Rule, Traffic};
use serde_json::Value;
use weir_tests::{Lab, Pod};

use crate::talk::{At, Flood, needs};

const UDP: u8 = 17;
/// The first of sixteen ports.
const DENIED: Ports = Ports {
    protocol: UDP,
    first: 4_240,
    bits: 12,
};
const POLICY_DENY: u8 = 181;

/// Denies some ports to anybody, in both directions.
fn deny_ports(lab: &Lab, pod: &Pod) {
    let deny = Decision {
        deny: true,
        rule: 1,
    };
    let edited = lab.maps().edit_policy(pod.endpoint.id, |entries| {
        entries.extend(Direction::ALL.map(|direction| {
            let rule = Rule {
                identity: 0,
                direction,
                traffic: Traffic::Ports(DENIED),
            };
            (rule, (deny, Counters::default()))
        }));
    });
    edited.unwrap();
}

/// Each way a packet can come to be judged by the pod that is replaced, in one family.
fn floods(pod: &Pod, peer: &Pod, family: usize) -> [Flood; 4] {
    let (pod, peer) = (At::In(pod), At::In(peer));
    let ways = [(pod, peer), (peer, pod), (pod, At::Node), (At::Node, pod)];
    let mut port = DENIED.first;
    ways.map(|(from, to)| {
        port += 1;
        Flood::start(from, to, family, port)
    })
}

fn unpoliced(family: usize) {
    let lab = Lab::new();
    let (pod, peer) = (lab.pod(1), lab.pod(2));
    deny_ports(&lab, &pod);
    let floods = floods(&pod, &peer, family);
    let words = [
        "endpoint",
        "regenerate",
        "1",
        "--prove",
        "40",
        "--peer",
        "2",
    ];
    let finished = lab.weir(&[&words[..], &["--rate", "4000", "-o", "json"]].concat());
    let denied = floods.map(Flood::stop);
    let report: Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(finished.code, Some(0), "{report}");
    assert_eq!(report["packets"]["lost"], 0, "{report}");
    assert!(report["packets"]["sent"].as_u64() > Some(200), "{report}");
    for (sent, arrived) in denied {
        assert!(sent > 40, "not one for each replacement: {sent}");
        assert_eq!(arrived, 0, "of {sent} denied packets");
    }
    let dropped = Direction::ALL.map(|direction| lab.counted(POLICY_DENY, direction));
    assert!(dropped.iter().all(|count| *count > 40), "{dropped:?}");
}

#[test]
fn no_ipv4_packet_is_lost_and_none_passes_unjudged() {
    needs!();
    unpoliced(0);
}

#[test]
fn no_ipv6_packet_is_lost_and_none_passes_unjudged() {
    needs!();
    unpoliced(1);
}
