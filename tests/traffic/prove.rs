//! `weir endpoint regenerate --prove`: what it says is so.

use std::process::Stdio;
use std::thread;

use ep_builder::maps::{Counters, Decision, Direction, Rule, Traffic};
use serde_json::Value;
use weir_tests::{Finished, Lab, Pod};

use crate::talk::{needs, until};

fn report(finished: &Finished) -> Value {
    let report: Value = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let streams = report["streams"].as_array().unwrap();
    for field in ["sent", "received", "lost", "duplicated", "reordered"] {
        let sum: u64 = streams.iter().map(|it| it[field].as_u64().unwrap()).sum();
        assert_eq!(report["packets"][field], sum, "{field} adds up: {report}");
    }
    report
}

fn generation(lab: &Lab) -> Value {
    let text = lab
        .weir(&["endpoint", "get", "1", "-o", "json"])
        .expect_success();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn nothing_is_lost_between_pod_and_node_nor_between_pods() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(1), lab.pod(2));
    let before = generation(&lab);
    for (peer, other) in [(&[][..], Value::Null), (&["--peer", "2"], 2.into())] {
        let words = ["endpoint", "regenerate", "1", "--prove", "31", "-o", "json"];
        let finished = lab.weir(&[&words, peer].concat());
        let report = report(&finished);
        assert_eq!(finished.code, Some(0), "{report}");
        assert_eq!((&report["id"], &report["peer"]), (&1.into(), &other));
        for (field, expected) in [("done", 31), ("optionChanges", 10), ("rollbacks", 10)] {
            assert_eq!(report["replacements"][field], expected, "{report}");
        }
        let times = ["p50Us", "maxUs"].map(|field| report["replacements"][field].as_u64().unwrap());
        assert!(0 < times[0] && times[0] <= times[1], "{report}");
        for field in ["lost", "duplicated", "reordered"] {
            assert_eq!(report["packets"][field], 0, "{report}");
        }
        assert_eq!(report["missedTailCalls"], 0, "{report}");
        let streams = report["streams"].as_array().unwrap();
        assert_eq!(streams.len(), 4, "two families, two directions: {report}");
        assert!(
            streams.iter().all(|it| it["sent"].as_u64() > Some(31)),
            "{report}"
        );
        assert_eq!(report["notices"], Value::Array(vec![]));
    }
    let after = generation(&lab);
    for field in ["options", "template", "state"] {
        assert_eq!(after[field], before[field], "as it was: {field}");
    }
}

#[test]
fn namespaces_can_be_named() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let path = |pod: &Pod| pod.namespace_path().display().to_string();
    let prove = |netns: &str, peer: &str| {
        lab.weir(&[
            "endpoint",
            "regenerate",
            "1",
            "--prove",
            "1",
            "--netns",
            netns,
            "--peer",
            "2",
            "--peer-netns",
            peer,
        ])
    };
    let shown = prove(&path(&a), &path(&b)).expect_success();
    assert!(shown.contains("10.88.1.1 to 10.88.1.2:"), "{shown}");
    let config = lab.node().config().display().to_string();
    for (netns, part) in [
        ("nowhere", "nowhere"),
        (&config, "cannot enter"),
        (&path(&b), "10.88.1.1"),
    ] {
        let failed = prove(netns, &path(&b));
        assert!(
            failed.code.is_some_and(|code| code > 0) && failed.stderr.contains(part),
            "{failed:?}"
        );
    }
    for arguments in [
        &["1", "2", "--prove", "1"][..],
        &["1", "--prove", "1", "--peer", "1"],
        &["1", "--prove", "1", "--peer", "9"],
    ] {
        let failed = lab.weir(&[&["endpoint", "regenerate"], arguments].concat());
        assert!(failed.code.is_some_and(|code| code > 0), "{failed:?}");
    }
    assert_eq!(
        generation(&lab)["generation"],
        2,
        "nothing else was replaced"
    );
}

#[test]
fn what_is_lost_is_counted_and_fails() {
    needs!();
    let lab = Lab::new();
    let (a, _b) = (lab.pod(1), lab.pod(2));
    let mut command = lab.node().command();
    command.args([
        "endpoint",
        "regenerate",
        "1",
        "--prove",
        "2000",
        "--peer",
        "2",
        "-o",
        "json",
    ]);
    let running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let forwarded = || lab.counted(0, Direction::Ingress);
    until("packets flow", || forwarded() > 200);
    // A moment in which the policy denies what the pod sends.
    deny(&lab, &a);
    until("packets are dropped", || {
        lab.counted(181, Direction::Egress) > 20
    });
    allow(&lab, &a);
    let before = forwarded();
    until("packets flow again", || forwarded() > before + 200);
    let pid = nix::unistd::Pid::from_raw(running.id().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = thread::spawn(|| running.wait_with_output().unwrap())
        .join()
        .unwrap();
    let finished = Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    let report = report(&finished);
    assert_eq!(finished.code, Some(1), "{report}");
    assert_eq!(
        report["packets"]["lost"],
        lab.counted(181, Direction::Egress),
        "{report}"
    );
    // Which of the two families sends in that moment is the scheduler's.
    let streams = report["streams"].as_array().unwrap().iter();
    let allowed = streams.filter(|stream| stream["direction"] == "ingress");
    let lost: Vec<_> = allowed.map(|stream| &stream["lost"]).collect();
    assert_eq!(lost, [0, 0], "{report}");
    assert!(finished.stderr.contains("ended early"), "{finished:?}");
    assert_eq!(generation(&lab)["options"]["ConntrackAccounting"], 1);
}

#[test]
fn what_is_never_allowed_is_said_before_anything_is_replaced() {
    needs!();
    let lab = Lab::new();
    let (a, _b) = (lab.pod(1), lab.pod(2));
    deny(&lab, &a);
    let failed = lab.weir(&["endpoint", "regenerate", "1", "--prove", "5", "--peer", "2"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    for part in ["10.88.1.1 sends to 10.88.1.2", "weir monitor"] {
        assert!(failed.stderr.contains(part), "{failed:?}");
    }
    assert_eq!(generation(&lab)["generation"], 1);
}

/// Whatever the pod begins to send over UDP.
const UDP: Rule = Rule {
    identity: 0,
    direction: Direction::Egress,
    traffic: Traffic::Protocol(17),
};

/// Denies what the pod begins to send; its answers are part of others' connections.
fn deny(lab: &Lab, pod: &Pod) {
    let decision = Decision {
        deny: true,
        rule: 0,
    };
    let edited = lab.maps().edit_policy(pod.endpoint.id, |entries| {
        entries.insert(UDP, (decision, Counters::default()));
    });
    edited.unwrap();
}

fn allow(lab: &Lab, pod: &Pod) {
    let edited = lab.maps().edit_policy(pod.endpoint.id, |entries| {
        assert!(entries.remove(&UDP).is_some());
    });
    edited.unwrap();
}
