//! `weir template`

use std::collections::HashSet;
use std::fs;

use ep_builder::options::{EndpointOptions, OPTIONS, OptionError};
use ep_builder::unit::Unit;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::{Finished, Node, need};

fn json(finished: Finished) -> Value {
    serde_json::from_str(&finished.expect_success()).unwrap()
}

/// Builds the template of the node's configuration and returns its key.
fn build(node: &Node) -> String {
    let built = json(node.weir(&["template", "build", "-o", "json"]));
    assert_eq!(built[0]["origin"], "compiled");
    built[0]["key"].as_str().unwrap().to_owned()
}

#[test]
fn list_before_and_after_the_first_build() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    assert_eq!(
        json(node.weir(&["template", "list", "-o", "json"])),
        Value::Array(vec![])
    );
    let empty = node.weir(&["template", "list"]);
    assert!(
        empty.stdout.is_empty() && empty.stderr.contains("weir template build"),
        "{empty:?}"
    );

    let key = build(&node);
    assert_eq!(
        json(node.weir(&["template", "build", "-o", "json"]))[0]["origin"],
        "cache"
    );
    let listed = json(node.weir(&["template", "list", "-o", "json"]));
    let listed = listed.as_array().unwrap();
    let mut units: Vec<_> = listed.iter().map(|row| row["unit"].as_str()).collect();
    units.sort_unstable();
    assert_eq!(units, ["host", "lxc", "sock"].map(Some));
    let row = listed.iter().find(|row| row["key"] == *key).unwrap();
    assert_eq!(
        (&row["unit"], &row["state"], &row["place"]),
        (&"lxc".into(), &"ok".into(), &"cache".into())
    );
    let table = node.weir(&["template", "list"]).expect_success();
    assert!(
        table.starts_with("TEMPLATE  UNIT  PLACE  STATE") && table.contains(&key[..8]),
        "{table}"
    );
    assert!(!table.contains(&key));
    assert!(
        node.weir(&["template", "list", "-o", "wide"])
            .expect_success()
            .contains(&key)
    );
}

#[test]
fn show_by_the_beginning_of_the_key() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let key = build(&node);
    let shown = json(node.weir(&["template", "show", &key[..10], "-o", "json"]));
    assert_eq!(shown["key"], key);
    assert_eq!(
        shown["constants"].as_array().unwrap().len(),
        ep_builder::endpoint::CONSTANTS.len()
    );
    let yaml = node
        .weir(&["template", "show", &key, "-o", "yaml"])
        .expect_success();
    assert!(yaml.contains(&format!("key: {key}")), "{yaml}");
    let missing = node.weir(&["template", "show", "no such key"]);
    assert_eq!(missing.code, Some(4));
    assert!(missing.stderr.contains("template list"), "{missing:?}");
}

#[test]
fn verify_then_gc() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let key = build(&node);
    let verified = json(node.weir(&["template", "verify", "--rebuild", "-o", "json"]));
    let verified = verified.as_array().unwrap();
    assert_eq!(verified.len(), Unit::ALL.len());
    for row in verified {
        assert_eq!(row["result"], "whole, and identical to a new compile");
    }
    assert!(
        node.weir(&["template", "gc"])
            .stderr
            .contains("nothing to remove")
    );
    assert!(
        node.weir(&["template", "gc", "--all", "--dry-run"])
            .stdout
            .contains(&key)
    );
    assert!(
        node.weir(&["template", "gc", "--all"])
            .stdout
            .contains(&key)
    );
    assert_eq!(
        json(node.weir(&["template", "list", "-o", "json"])),
        Value::Array(vec![])
    );
}

#[test]
fn verify_tells_altered_files() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let entry = node.state().join("templates").join(build(&node));
    for name in ["bpf_lxc.o", "node_config.h"] {
        let mut bytes = fs::read(entry.join(name)).unwrap();
        bytes[200] ^= 1;
        ep_builder::whole_file::write(&entry.join(name), &bytes).unwrap();
        let altered = node.weir(&["template", "verify"]);
        assert_eq!(altered.code, Some(1), "{altered:?}");
        assert!(
            altered.stdout.contains(&format!("{name} was altered")),
            "{altered:?}"
        );
        assert!(
            node.weir(&["template", "list"])
                .stdout
                .contains("was altered"),
            "a list shows it, too"
        );
    }
}

#[test]
fn verify_tells_other_sources() {
    need!(Need::Tool("clang"));
    let sources = tempfile::tempdir().unwrap();
    let shipped = weir_tests::node::repository("bpf-src");
    let copy = std::process::Command::new("cp")
        .arg("-r")
        .arg(&shipped)
        .arg(sources.path().join("bpf"))
        .status();
    assert!(copy.unwrap().success());
    let node = Node::new();
    build(&node);
    let text = fs::read_to_string(node.config()).unwrap();
    let text = text.replace(
        shipped.to_str().unwrap(),
        sources.path().join("bpf").to_str().unwrap(),
    );
    ep_builder::whole_file::write(&node.config(), text.as_bytes()).unwrap();
    assert!(
        node.weir(&["template", "verify"])
            .expect_success()
            .contains("whole")
    );
    let main = sources.path().join("bpf/bpf_lxc.c");
    let changed = fs::read_to_string(&main).unwrap() + "\n";
    ep_builder::whole_file::write(&main, changed.as_bytes()).unwrap();
    assert!(
        node.weir(&["template", "verify"])
            .expect_success()
            .contains("of other sources")
    );
}

#[test]
fn a_bundle_of_every_shape_serves_a_node_without_clang() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let bundle = node.bundle();
    let built = json(node.weir(&[
        "template",
        "build",
        "--all",
        "--bundle",
        bundle.to_str().unwrap(),
        "-o",
        "json",
    ]));
    let built = built.as_array().unwrap();
    let keys: HashSet<_> = built
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys.len(), built.len(), "no shape twice");
    assert!(built.iter().all(|row| row["origin"] == "compiled"));
    for unit in Unit::ALL {
        assert!(built.iter().any(|row| row["unit"] == unit.name()), "{unit}");
    }
    for option in OPTIONS {
        let with = built
            .iter()
            .filter(|row| row["shape"].to_string().contains(option.define))
            .count();
        let mut options = EndpointOptions::default();
        options.set(option.name, option.max()).unwrap();
        // An option of a part that is yet to come is refused, and so in no shape.
        let expected = match options.validate() {
            Err(OptionError::Later { .. }) => 0..1,
            _ => 1..built.len(),
        };
        assert!(
            expected.contains(&with),
            "{} is on in {with} of {}",
            option.define,
            built.len()
        );
    }
    let no_clang = |arguments: &[&str]| {
        let mut command = node.command();
        weir_tests::process::run(command.env("PATH", "/nonexistent").args(arguments))
    };
    let used = json(no_clang(&["template", "build", "-o", "json"]));
    assert_eq!(used[0]["origin"], "bundle");
    let verified = no_clang(&["template", "verify"]).expect_success();
    assert_eq!(
        verified.matches("bundle").count(),
        built.len(),
        "{verified}"
    );
}

#[test]
fn without_compiler_and_bundle_the_error_says_what_to_do() {
    let node = Node::new();
    let mut command = node.command();
    let failed = weir_tests::process::run(
        command
            .env("PATH", "/nonexistent")
            .args(["template", "build"]),
    );
    assert_eq!(failed.code, Some(5));
    for words in [
        "no clang found",
        "/nonexistent",
        "fix: install clang 14 or newer",
    ] {
        assert!(failed.stderr.contains(words), "{words}: {failed:?}");
    }
    assert!(failed.stdout.is_empty());
}
