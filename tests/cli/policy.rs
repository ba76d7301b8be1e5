//! `weir policy` without endpoints: documents, files, and what is in force on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::{Finished, Node, need};

const SHOP: &str = "# Nobody gets in,
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {}}
---
# but from here.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{}]
";

const NAMESPACE: &str =
    r#"{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "guard"}}"#;

struct Stage {
    node: Node,
}

impl Stage {
    fn new() -> Self {
        // Maps that nobody has: an apply is for all endpoints of a node.
        let node = Node::with("map_prefix = \"nobodys_policy\"\n");
        fs::create_dir(node.policy_dir()).unwrap();
        Self { node }
    }

    fn write(&self, name: &str, text: &str) {
        self.node.write_policy(name, text);
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.node.policy_dir().join(name)).unwrap()
    }

    fn policy(&self, arguments: &[&str]) -> Finished {
        self.node.weir(&[&["policy"], arguments].concat())
    }

    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let finished = self.policy(&[arguments, &["-o", "json"]].concat());
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        serde_json::from_str(&finished.stdout).unwrap()
    }
}

#[track_caller]
fn refused(finished: &Finished, code: i32, says: &[&str]) {
    assert_eq!(finished.code, Some(code), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
    for part in says {
        assert!(finished.stderr.contains(part), "{part:?}: {finished:?}");
    }
}

#[test]
fn documents_are_checked_without_a_node() {
    let stage = Stage::new();
    stage.write("a.yaml", SHOP);
    stage.write("b.yaml", &SHOP.replace("podSelector", "podSelecter"));
    let folder = stage.node.policy_dir();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let summary = stage.json(&["validate", &path("a.yaml")], 0);
    assert_eq!(summary["networkPolicies"], 2);
    // Every mistake at once, each with its place.
    let bad = stage.policy(&["validate", &path("a.yaml"), &path("b.yaml")]);
    refused(
        &bad,
        9,
        &["b.yaml:5:", "b.yaml:12:", "did you mean `podSelector`?"],
    );
    refused(
        &stage.policy(&["validate", &path("c.yaml")]),
        4,
        &["c.yaml"],
    );
    refused(&stage.policy(&["validate"]), 2, &["FILE"]);
    assert!(!stage.node.state().exists(), "nothing was made");
}

#[test]
fn documents_come_into_force_and_are_compared_with_the_files() {
    need!(Need::Root);
    let stage = Stage::new();
    assert_eq!(stage.json(&["get"], 0), Value::Array(vec![]));
    stage.write("a.yaml", SHOP);
    let differs = stage.json(&["diff"], 1);
    assert_eq!(differs["documents"].as_array().unwrap().len(), 2);
    assert_eq!(differs["documents"][0]["difference"], "added");
    let plan = stage.json(&["apply", "--dry-run"], 0);
    assert_eq!(
        (&plan["dryRun"], &plan["revision"]),
        (&true.into(), &Value::Null)
    );
    assert_eq!(
        stage.json(&["get"], 0),
        Value::Array(vec![]),
        "nothing was changed"
    );
    let applied = stage.json(&["apply"], 0);
    assert_eq!(
        (&applied["revision"], &applied["documents"]),
        (&1.into(), &2.into())
    );
    assert_eq!(stage.json(&["diff"], 0)["documents"], Value::Array(vec![]));
    let in_force = stage.json(&["get"], 0);
    assert_eq!(
        (
            &in_force[1]["name"],
            &in_force[1]["line"],
            &in_force[1]["endpoints"]
        ),
        (&"open".into(), &8.into(), &0.into())
    );
    // A comment says nothing, another label does.
    stage.write("a.yaml", &SHOP.replace("Nobody", "No one"));
    assert_eq!(stage.json(&["diff"], 0)["documents"], Value::Array(vec![]));
    stage.write("a.yaml", &SHOP.replace("app: web", "app: db"));
    let differs = stage.json(&["diff"], 1);
    assert_eq!(
        (
            &differs["documents"][0]["difference"],
            &differs["documents"][0]["name"]
        ),
        (&"changed".into(), &"open".into())
    );
    assert_eq!(stage.json(&["apply"], 0)["revision"], 2);
    // What is refused leaves what was in force.
    stage.write("b.yaml", "kind: Nothing\n");
    refused(&stage.policy(&["apply"]), 9, &["b.yaml:1"]);
    refused(&stage.policy(&["apply", "--dry-run"]), 9, &["b.yaml:1"]);
    assert_eq!(stage.json(&["get"], 0).as_array().unwrap().len(), 2);
}

#[test]
fn a_document_is_cut_out_of_its_file() {
    need!(Need::Root);
    let stage = Stage::new();
    stage.write("a.yaml", SHOP);
    let file = stage.node.policy_dir().join("a.yaml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    stage.policy(&["apply"]).expect_success();
    refused(&stage.policy(&["delete", "open"]), 4, &["NAMESPACE/NAME"]);
    // A refused apply puts the file back.
    stage.write("z.yaml", "kind: Nothing\n");
    refused(&stage.policy(&["delete", "shop/open"]), 9, &["z.yaml"]);
    assert_eq!(stage.read("a.yaml"), SHOP);
    whole_file::remove(&stage.node.policy_dir().join("z.yaml")).unwrap();
    stage.policy(&["delete", "shop/open"]).expect_success();
    let rest = stage.read("a.yaml");
    assert!(
        rest.starts_with(SHOP.split("---").next().unwrap()),
        "{rest:?}"
    );
    assert!(!rest.contains("app: web"));
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    assert_eq!(stage.json(&["get"], 0).as_array().unwrap().len(), 1);
    stage
        .policy(&["delete", "shop/closed", "--kind", "NetworkPolicy"])
        .expect_success();
    assert!(!file.exists(), "an empty file goes");
    assert_eq!(stage.json(&["get"], 0), Value::Array(vec![]));
}

#[test]
fn two_kinds_of_one_name_are_told_apart() {
    need!(Need::Root);
    let stage = Stage::new();
    stage.write(
        "a.yaml",
        &SHOP.replace("namespace: shop", "namespace: default"),
    );
    stage.write("b.json", NAMESPACE);
    stage.write(
        "c.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: WeirPolicy\nmetadata: {name: guard}\nspec: {}\n",
    );
    refused(
        &stage.policy(&["delete", "guard"]),
        1,
        &["Namespace and WeirPolicy", "--kind"],
    );
    stage
        .policy(&["delete", "guard", "--kind", "WeirPolicy"])
        .expect_success();
    assert!(!stage.node.policy_dir().join("c.yaml").exists());
    let shown = stage.policy(&["get"]).expect_success();
    assert!(shown.contains("default/open"), "{shown}");
}
