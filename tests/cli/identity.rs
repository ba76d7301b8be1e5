//! `weir identity`, and identities under `weir gc`.

use std::fs;
use std::time::{Duration, SystemTime};

use ep_builder::endpoint::{EndpointId, Label, Labels};
use ep_builder::identity::Identities;
use ep_builder::lock::FileLock;
use ep_builder::state::{Place, StateLayout};
use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Node, need};

fn set(name: &str) -> Labels {
    let labels = [
        Label::new("app", name, "k8s"),
        Label::new("bare", "", "container"),
    ];
    labels.into_iter().collect()
}

/// Gives these sets their numbers.
fn acquire(node: &Node, names: &[&str]) -> Vec<u32> {
    let identities = Identities::open(&node.state()).unwrap();
    let acquire = |name: &&str| identities.acquire(&set(name)).unwrap();
    names.iter().map(acquire).collect()
}

fn path(node: &Node, number: u32) -> std::path::PathBuf {
    let folder = StateLayout::new(node.state()).identities();
    folder.join(number.to_string())
}

fn age(node: &Node, number: u32) {
    let file = fs::File::open(path(node, number)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(3))
        .unwrap();
}

/// A node with an endpoint, and the endpoint's identity, which it has from elsewhere.
fn with_endpoint() -> (Node, u32) {
    let node = Node::new();
    let record = repository("ep-builder/tests/golden/endpoint-2665.json");
    let arguments = ["endpoint", "compile", record.to_str().unwrap(), "--save"];
    node.weir(&arguments).expect_success();
    (node, 12_022)
}

fn json(node: &Node, arguments: &[&str]) -> Value {
    let out = node.weir(&[arguments, &["-o", "json"]].concat());
    serde_json::from_str(&out.expect_success()).unwrap()
}

#[test]
fn without_pods_there_are_the_reserved_ones() {
    let node = Node::new();
    let list = node.weir(&["identity", "list"]);
    assert_eq!((list.code, list.stdout.as_str()), (Some(0), ""), "{list:?}");
    assert!(list.stderr.contains("a pod with labels"), "{list:?}");
    assert_eq!(json(&node, &["identity", "list"]), json!([]));
    let reserved = json(&node, &["identity", "list", "--reserved"]);
    assert_eq!(reserved.as_array().unwrap().len(), 7);
    assert_eq!(reserved[1]["name"], "world");
    let wide = node.weir(&["identity", "list", "-o", "wide"]);
    assert!(wide.expect_success().contains("kube-apiserver"));
    assert_eq!(
        json(&node, &["identity", "get", "5"]),
        json!({"id": 5, "name": "init", "labels": [], "endpoints": [], "problem": null})
    );
    for (id, code) in [("0", 2), ("16777216", 2), ("host", 2), ("8", 4), ("256", 4)] {
        let failed = node.weir(&["identity", "get", id]);
        assert_eq!(failed.code, Some(code), "{id}: {failed:?}");
        assert!(failed.stdout.is_empty(), "{id}: {failed:?}");
    }
}

#[test]
fn identities_are_shown_in_all_formats() {
    let node = Node::new();
    assert_eq!(acquire(&node, &["a", "b\u{1b}[31m"]), [256, 257]);
    let labels = json!([
        {"key": "app", "value": "a", "source": "k8s"},
        {"key": "bare", "source": "container"},
    ]);
    let row = json!({"id": 256, "name": null, "labels": labels, "endpoints": [], "problem": null});
    assert_eq!(json(&node, &["identity", "get", "256"]), row);
    assert_eq!(json(&node, &["identity", "list"])[0], row);
    let yaml = node.weir(&["identity", "get", "256", "-o", "yaml"]);
    assert!(yaml.expect_success().starts_with("id: 256\n"));
    let table = node.weir(&["identity", "list"]).expect_success();
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[0].starts_with("ID") && lines.len() == 3, "{table}");
    assert!(lines[1].contains("k8s:app=a,container:bare"), "{table}");
    assert!(!table.contains('\u{1b}'), "text from outside: {table}");
    let get = node.weir(&["identity", "get", "256"]).expect_success();
    assert!(get.contains("label      container:bare\n"), "{get}");
}

#[test]
fn a_damaged_identity_is_reported_and_hides_no_other() {
    let node = Node::new();
    acquire(&node, &["a", "b"]);
    fs::File::create(path(&node, 256)).unwrap();
    let list = node.weir(&["identity", "list", "-o", "json"]);
    assert!(list.stderr.contains("identity 256: "), "{list:?}");
    let rows: Value = serde_json::from_str(&list.expect_success()).unwrap();
    let problem = rows[0]["problem"].as_str().unwrap();
    assert!(problem.contains("256 is damaged"), "{problem}");
    assert_eq!(
        (&rows[1]["id"], &rows[1]["problem"]),
        (&json!(257), &Value::Null)
    );
    // Its own next pod repairs it.
    assert_eq!(acquire(&node, &["a"]), [256]);
    assert_eq!(
        json(&node, &["identity", "get", "256"])["problem"],
        Value::Null
    );
}

#[test]
fn who_has_an_identity_is_shown() {
    need!(Need::Tool("clang"));
    let (node, number) = with_endpoint();
    let get = |number: u32| json(&node, &["identity", "get", &number.to_string()]);
    let from_elsewhere = get(number);
    assert_eq!(from_elsewhere["endpoints"], json!([2665]));
    let problem = from_elsewhere["problem"].as_str().unwrap();
    assert!(problem.contains("not given out"), "{problem}");
    // With the first number of its own the node takes note of those that are in use.
    assert_eq!(acquire(&node, &["a"]), [number + 1]);
    let known = get(number);
    assert_eq!(
        (&known["endpoints"], &known["problem"]),
        (&json!([2665]), &Value::Null)
    );
    assert_eq!(known["labels"], from_elsewhere["labels"]);
    assert_eq!(get(number + 1)["endpoints"], json!([]));
}

#[test]
fn gc_removes_what_no_record_names() {
    need!(Need::Tool("clang"));
    let (node, number) = with_endpoint();
    let given = acquire(&node, &["a", "b"]);
    age(&node, number);
    age(&node, given[0]);
    let expected = json!([{"what": format!("identity {}", given[0]), "why": "no endpoint has it"}]);
    assert_eq!(json(&node, &["gc", "--dry-run"]), expected);
    assert!(path(&node, given[0]).exists(), "a dry run removes nothing");
    assert_eq!(json(&node, &["gc"]), expected);
    assert_eq!(json(&node, &["gc"]), json!([]));
    for (number, is_there) in [(number, true), (given[0], false), (given[1], true)] {
        assert_eq!(path(&node, number).exists(), is_there, "{number}");
    }
}

#[test]
fn gc_keeps_what_another_generation_names_or_might_name() {
    need!(Need::Tool("clang"));
    let (node, number) = with_endpoint();
    acquire(&node, &["a"]);
    age(&node, number);
    // The endpoint's only record now is that of its previous generation, or of a build.
    let layout = StateLayout::new(node.state());
    let id = EndpointId::new(2665).unwrap();
    let mut from = layout.folder(id, Place::Live);
    // A build that nobody is at would be cleared away.
    let _at_it = FileLock::acquire(&layout.lock(id), Duration::from_secs(2)).unwrap();
    for place in [Place::Previous, Place::Failed, Place::Next] {
        let to = layout.folder(id, place);
        fs::rename(&from, &to).unwrap();
        let removed = json(&node, &["gc", "--dry-run"]);
        let names = removed.to_string();
        assert!(!names.contains("identity"), "{place:?}: {names}");
        from = to;
    }
}

#[test]
fn gc_keeps_all_while_a_record_cannot_be_read() {
    need!(Need::Tool("clang"));
    let (node, _) = with_endpoint();
    let given = acquire(&node, &["a"]);
    age(&node, given[0]);
    let id = EndpointId::new(2665).unwrap();
    let layout = StateLayout::new(node.state());
    for file in [ep_builder::state::RECORD, ep_builder::state::EP_CONFIG_H] {
        fs::File::create(layout.file(id, Place::Live, file)).unwrap();
    }
    let gc = node.weir(&["gc"]);
    assert!(gc.stderr.contains("identities are kept"), "{gc:?}");
    gc.expect_success();
    assert!(path(&node, given[0]).exists());
}

#[test]
fn a_lock_that_is_held_is_6() {
    let node = Node::new();
    acquire(&node, &["a"]);
    let folder = StateLayout::new(node.state()).identities();
    let lock = FileLock::acquire(&folder.join("lock"), Duration::from_secs(2)).unwrap();
    let gc = node.weir(&["gc"]);
    assert_eq!(gc.code, Some(6), "{gc:?}");
    assert!(gc.stderr.contains("identities cannot be locked"), "{gc:?}");
    assert!(gc.stderr.contains("fix: "), "{gc:?}");
    drop(lock);
    node.weir(&["gc"]).expect_success();
}
