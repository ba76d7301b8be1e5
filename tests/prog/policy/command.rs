//! `weir policy verify`: what it says, and how it ends.

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, need};

use super::mutants::{named, write_sources};

/// As few entries as the cases need: large maps take time.
const MAPS: &str = "[maps]\nct_tcp = 64\nct_any = 64\n";

fn verify(node: &Node, arguments: &[&str]) -> Finished {
    node.weir(&[&["policy", "verify"], arguments].concat())
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn programs_that_are_right_are_told() {
    need!(Need::Root, Need::Tool("clang"));
    let node = Node::with(MAPS);
    let finished = verify(&node, &["--cases", "3", "--seed", "7", "-o", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let report = json(&finished);
    assert_eq!(
        (&report["seed"], &report["cases"]),
        (&7.into(), &3.into()),
        "{report}"
    );
    assert!(report["questions"].as_u64() > Some(3), "{report}");
    assert!(report["counterexample"].is_null(), "{report}");
    let table = verify(&node, &["--seconds", "1"]).expect_success();
    assert!(table.contains("as the documents mean"), "{table}");
}

#[test]
fn a_counterexample_can_be_read_and_comes_again() {
    need!(Need::Root, Need::Tool("clang"));
    let node = Node::with(MAPS);
    let sources = tempfile::tempdir().unwrap();
    write_sources(sources.path(), named("who denies is not minded"));
    let text = std::fs::read_to_string(node.config()).unwrap();
    let [right, wrong] = [&repository("bpf-src"), sources.path()];
    let [right, wrong] = [right, wrong].map(|path| format!("{:?}", path.display().to_string()));
    let text = text.replace(&right, &wrong);
    whole_file::write(&node.config(), text.as_bytes()).unwrap();

    let finished = verify(&node, &["--cases", "100", "--seed", "1", "-o", "json"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    let example = &json(&finished)["counterexample"];
    let seed = example["seed"].to_string();
    let again = verify(&node, &["--cases", "1", "--seed", &seed, "-o", "json"]);
    assert_eq!(&json(&again)["counterexample"], example);
    let table = verify(&node, &["--cases", "1", "--seed", &seed]);
    assert!(table.stderr.contains(&format!("--seed {seed}")));
    assert!(table.stdout.contains("kind:"), "{}", table.stdout);

    let file = sources.path().join("example.yaml");
    let documents = example["documents"].as_str().unwrap();
    whole_file::write(&file, documents.as_bytes()).unwrap();
    node.weir(&["policy", "validate", file.to_str().unwrap()])
        .expect_success();
}
