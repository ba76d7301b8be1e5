//! `weir metrics`

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};

use serde_json::Value;
use weir_tests::Node;
use weir_tests::exposition::Exposition;
use weir_tests::running::Listener;

const ADD: &str =
    "{\"command\":\"ADD\",\"code\":0,\"totalMs\":12.5,\"phasesMs\":{\"find\":0.4,\"pair\":3}}\n";
const FAILED: &str =
    "{\"command\":\"ADD\",\"code\":11,\"error\":\"no\",\"totalMs\":2,\"phasesMs\":{}}\n";

fn append(node: &Node, text: &str) {
    let mut options = OpenOptions::new();
    let file = options.append(true).create(true).open(node.log());
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn once(node: &Node) -> Exposition {
    let text = node.weir(&["metrics"]).expect_success();
    Exposition::read(&text).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

#[test]
fn calls_are_counted_from_the_log() {
    let node = Node::new();
    append(&node, &[ADD, ADD, FAILED, "half a line"].concat());
    let read = once(&node);
    for (series, value) in [
        ("weir_cni_calls_total{command=\"ADD\",code=\"0\"}", 2.0),
        ("weir_cni_calls_total{command=\"ADD\",code=\"11\"}", 1.0),
        ("weir_cni_call_duration_seconds_sum{command=\"ADD\"}", 0.025),
        (
            "weir_cni_add_phase_duration_seconds_count{phase=\"pair\"}",
            2.0,
        ),
        ("weir_cni_add_templates_total{source=\"found\"}", 2.0),
        ("weir_endpoints{state=\"ready\"}", 0.0),
        ("weir_policy_revision", 0.0),
        ("weir_scrape_errors_total{part=\"log\"}", 0.0),
        ("weir_scrape_errors_total{part=\"datapath\"}", 0.0),
    ] {
        assert_eq!(read.value(series), Some(value), "{series}: {read:?}");
    }
}

#[test]
fn every_metric_is_described() {
    let node = Node::new();
    append(&node, ADD);
    let text = node
        .weir(&["metrics", "--describe", "-o", "json"])
        .expect_success();
    let described: Vec<Value> = serde_json::from_str(&text).unwrap();
    for (name, kind) in once(&node).types {
        let row = described.iter().find(|row| row["name"] == name.as_str());
        assert_eq!(row.map(|row| &row["type"]), Some(&kind.into()), "{name}");
    }
    for row in &described {
        let fields: Vec<_> = row
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(fields, ["help", "labels", "name", "type", "unit"], "{row}");
    }
    let table = node.weir(&["metrics", "--describe"]).expect_success();
    assert_eq!(table.lines().count(), described.len() + 1);
    assert!(table.starts_with("NAME"), "{table}");
}

#[test]
fn values_are_there_as_json_too() {
    let node = Node::new();
    let text = node.weir(&["metrics", "-o", "json"]).expect_success();
    let samples: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(samples.len(), once(&node).series.len());
    let ready = samples.iter().find(|it| it["labels"]["state"] == "ready");
    assert_eq!(ready.unwrap()["value"], 0.0);
}

#[test]
fn counters_only_grow_while_the_log_is_renamed() {
    let node = Node::new();
    append(&node, ADD);
    let listener = Listener::start(&node);
    let mut before = listener.scrape();
    for round in 0..4_u32 {
        append(&node, &[ADD, FAILED].concat());
        if round % 2 == 1 {
            let mut aside = node.log().into_os_string();
            aside.push(".1");
            fs::rename(node.log(), aside).unwrap();
            append(&node, ADD);
        }
        let after = listener.scrape();
        assert_eq!(before.went_down(&after), Vec::<String>::new());
        before = after;
    }
    let calls = |code: u32| {
        before.value(&format!(
            "weir_cni_calls_total{{command=\"ADD\",code=\"{code}\"}}"
        ))
    };
    assert_eq!((calls(0), calls(11)), (Some(7.0), Some(4.0)));
}

#[test]
fn requests_have_their_answers() {
    let node = Node::new();
    let listener = Listener::start(&node);
    let long = format!(
        "GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n",
        "x".repeat(9 << 10)
    );
    for (request, status) in [
        ("GET /healthz HTTP/1.1\r\n\r\n", "200"),
        ("HEAD /metrics HTTP/1.1\r\n\r\n", "200"),
        ("GET /other HTTP/1.1\r\n\r\n", "404"),
        ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
        ("GET /metrics HTTP/3\r\n\r\n", "505"),
        (&long, "431"),
    ] {
        let answer = listener.ask(request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(head.contains("Connection: close"), "{answer}");
        assert_eq!(body.is_empty(), request.starts_with("HEAD"), "{answer}");
    }
}

#[test]
fn no_more_than_so_many_are_served_at_once() {
    let node = Node::new();
    let listener = Listener::start(&node);
    // They ask nothing, and keep their places until their time is over.
    let mut silent: Vec<_> = (0..16).map(|_| listener.connect()).collect();
    assert!(listener.ask("").starts_with("HTTP/1.1 503 "));
    let mut first = silent.remove(0);
    first.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("ok\n"), "{answer}");
}

#[test]
fn an_address_that_is_taken_is_said() {
    let node = Node::new();
    let listener = Listener::start(&node);
    let failed = node.weir(&["metrics", "--listen", listener.address()]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed
            .stderr
            .contains(&format!("cannot listen at {}", listener.address()))
    );
}
