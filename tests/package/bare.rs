//! A node that has the bundle and no compiler.

use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::MAPS;
use weir_tests::{Lab, Node, need, process};

const NOWHERE: &str = "/nonexistent";

fn weir(lab: &Lab, arguments: &[&str]) -> String {
    let mut command = lab.node().command();
    let finished = process::run(command.env("PATH", NOWHERE).args(arguments));
    assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    finished.stdout
}

fn call(verb: &str, pod: &Sandbox, configuration: &Value) -> Value {
    let call = Call::about(verb, pod, configuration).env("PATH", NOWHERE);
    call.run().expect_success()
}

/// Another node adds to the bundle what its configuration needs.
fn extend_bundle(lab: &Lab, lines: &str) {
    let folder = lab.node().bundle();
    let folder = folder.to_str().unwrap();
    let built = Node::with(lines).weir(&["template", "build", "--bundle", folder]);
    built.expect_success();
}

#[test]
fn everything_that_runs_does_without_a_compiler() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("ip"));
    let lab = Lab::new();
    let debug = format!("{MAPS}[options]\ndebug = true\n");
    extend_bundle(&lab, &debug);
    let pod = Sandbox::new("c1");
    let mut configuration = configuration(&lab);
    // The pod's programs, those of the node's devices, and those at sockets.
    configuration["ipMasq"] = json!(true);
    let port = json!({"hostPort": 8_080, "containerPort": 80, "protocol": "tcp"});
    configuration["runtimeConfig"] = json!({ "portMappings": [port] });
    weir(&lab, &["node", "init"]);
    let result = call("ADD", &pod, &configuration);
    let mut check = configuration.clone();
    check["prevResult"] = result;
    call("CHECK", &pod, &check);

    let document = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: { name: closed, namespace: default }
spec: { podSelector: {}, policyTypes: [Ingress] }
";
    lab.node().write_policy("closed.yaml", document);
    weir(&lab, &["policy", "apply"]);
    lab.configure(&debug);
    weir(&lab, &["endpoint", "regenerate", "--all"]);
    weir(&lab, &["node", "init"]);
    call("CHECK", &pod, &check);
    call("DEL", &pod, &configuration);
    weir(&lab, &["node", "cleanup"]);

    let listed = weir(&lab, &["template", "list", "-o", "json"]);
    let rows: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert!(rows.iter().all(|row| row["place"] == "bundle"), "{listed}");
    // Nor did anybody ask one for its version.
    assert!(!lab.node().state().join("clang.json").exists());
}
