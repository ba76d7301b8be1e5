//! What the monitor shows is what happened to the packets.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use ep_builder::maps::{Counters, Decision, Direction, Rule, Traffic};
use serde_json::{Value, json};
use weir_tests::Lab;

use crate::talk::{At, SILENCE, echoes, needs};

/// A running monitor; it ends with the value.
struct Monitor {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Monitor {
    fn start(lab: &Lab, arguments: &[&str]) -> Self {
        let mut command = lab.node().command();
        command.arg("monitor").args(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut talk = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening") {
            line.clear();
            assert_ne!(talk.read_line(&mut line).unwrap(), 0, "it has ended");
        }
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// What it shows until it ends by itself.
    fn events(mut self) -> Vec<Value> {
        let mut text = String::new();
        self.lines.read_to_string(&mut text).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        events.collect()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill().and_then(|()| self.child.wait());
    }
}

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
        let monitor = Monitor::start(&lab, &["--type", "drop", "-o", "json", "--count", "1"]);
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
