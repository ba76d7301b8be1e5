//! Who may reach whom, as it is shown, against who does.

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::{Pod, need};

use crate::policy::{CLOSED, Stage, WEB, check};

const PORTS: [u16; 2] = [80, 8080];

/// Nobody with `app: other` opens anything but port 8080.
const OTHER: &str = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: other}
spec:
  podSelector: {matchLabels: {app: other}}
  policyTypes: [Egress]
  egress:
  - to: [{entities: [all]}]
    ports: [{port: 8080}, {protocol: UDP}]
";

/// The place of an endpoint among the actors.
fn place(report: &Value, id: u16) -> u64 {
    let actors = report["actors"].as_array().unwrap();
    let is_its = |actor: &&Value| actor["endpoints"].as_array().unwrap().contains(&id.into());
    actors.iter().find(is_its).unwrap()["number"]
        .as_u64()
        .unwrap()
}

/// Whether a report says that one reaches another on a port of TCP.
fn reaches(report: &Value, from: u16, to: u16, port: u16) -> bool {
    let (from, to) = (place(report, from), place(report, to));
    let has = |list: &Value, place: u64| list.as_array().unwrap().contains(&place.into());
    let lines = report["reach"].as_array().unwrap().iter();
    let mut lines = lines.filter(|line| has(&line["from"], from) && has(&line["to"], to));
    lines.any(|line| {
        assert!(line["only"].as_array().unwrap().is_empty(), "{line}");
        let mut parts = line["traffic"].as_array().unwrap().iter();
        parts.any(|part| {
            let (first, last) = (part["first"].as_u64(), part["last"].as_u64());
            part["protocol"] == "tcp" && first <= Some(port.into()) && Some(port.into()) <= last
        })
    })
}

/// Every pair of pods on every port, as the report has it and as it is.
#[track_caller]
fn compare(report: &Value, pods: &[Pod]) -> usize {
    let ids: Vec<u16> = pods.iter().map(|pod| pod.endpoint.id.get()).collect();
    let mut rows = Vec::new();
    for (from, one) in pods.iter().zip(&ids) {
        for (to, other) in pods.iter().zip(&ids).filter(|(_, other)| *other != one) {
            for port in PORTS {
                rows.push((from, to, port, reaches(report, *one, *other, port)));
            }
        }
    }
    check(&rows);
    rows.iter().filter(|row| row.3).count()
}

#[test]
fn what_is_shown_is_what_connects() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let pods =
        [("web", 1), ("db", 2), ("other", 3)].map(|(app, id)| stage.pod(id, &[("app", app)]));
    let report = stage.json(&["policy", "show"]);
    assert_eq!(report["revision"], Value::Null);
    assert_eq!(compare(&report, &pods), 12);

    // What is not in force yet is shown as it would be, and changes nothing.
    stage.write("a.yaml", &[CLOSED, WEB, OTHER]);
    let file = stage.lab.node().policy_dir().join("a.yaml");
    let file = file.to_str().unwrap();
    let announced = stage.json(&["policy", "show", "--policy", file]);
    assert_eq!(stage.json(&["policy", "show"]), report);

    stage.policy(&["apply"]).expect_success();
    let report = stage.json(&["policy", "show"]);
    assert_eq!(report["revision"], 1);
    assert_eq!(announced["reach"], report["reach"]);
    // To web from db 2 and from other 1, to db from web 1, to other 2 from each of them.
    assert_eq!(compare(&report, &pods), 8);
    let table = stage.policy(&["show"]).expect_success();
    assert!(
        table.contains("a.yaml:") && table.contains("tcp 80"),
        "{table}"
    );
    for (format, head) in [("svg", "<svg "), ("html", "<!doctype html>")] {
        let picture = stage.policy(&["show", "-o", format]).expect_success();
        assert!(
            picture.starts_with(head) && picture.contains("tcp 80"),
            "{picture}"
        );
    }
    let refused = stage.policy(&["get", "-o", "svg"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
}
