//! What the monitor shows is what happened to the packets.

use ep_builder::maps::{Counters, Decision, Direction, Rule, Traffic};
use serde_json::json;
use weir_tests::Lab;
use weir_tests::running::Monitor;

use crate::talk::{At, SILENCE, echoes, needs};

#[test]
fn a_denied_packet_is_shown_with_both_ends_and_the_reason() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let denied = Rule {
        identity: a.endpoint.identity,
        direction: Direction::Ingress,
        traffic: Traffic::Protocol(17),
    };
    let deny = Decision {
        deny: true,
        rule: 7,
    };
    let edited = lab.maps().edit_policy(b.endpoint.id, |entries| {
        entries.insert(denied, (deny, Counters::default()));
    });
    edited.unwrap();
    for family in [0, 1] {
        let monitor = Monitor::start(lab.node(), &["--type", "drop", "--count", "1"]);
        assert!(!echoes(
            At::In(&a),
            At::In(&b),
            family,
            (0, 4_242),
            b"?",
            SILENCE
        ));
        let events = monitor.events();
        let [drop] = events.as_slice() else {
            panic!("{events:?}");
        };
        for (field, expected) in [
            ("type", json!("drop")),
            ("reason", json!("POLICY_DENY")),
            ("code", json!(181)),
            ("direction", json!("ingress")),
            ("endpoint", json!(2)),
            ("sourceIdentity", json!(a.endpoint.identity)),
        ] {
            assert_eq!(drop[field], expected, "{field} in {drop}");
        }
        let summary = drop["packet"]["summary"].as_str().unwrap();
        let [from, to] = [a.addresses()[family], b.addresses()[family]];
        for part in [from.to_string(), to.to_string(), "4242".to_owned()] {
            assert!(summary.contains(&part), "{part} in {drop}");
        }
    }
}
