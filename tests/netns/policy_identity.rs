//! Identities under a policy: numbers that come back, and labels that cannot be.

use ep_builder::endpoint::Label;
use ep_builder::whole_file;
use serde_json::json;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::plugin::{Answer, Call, Sandbox, configuration};

use crate::policy::{CLOSED, Stage, WEB, check, refusal};

#[test]
fn a_number_that_comes_back_for_other_labels_brings_nothing_along() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let db = stage.pod(2, &[("app", "db")]);
    stage.apply(&[CLOSED, WEB]);
    let web = stage.pod(1, &[("app", "web")]);
    check(&[(&web, &db, 80, true)]);
    stage
        .lab
        .weir(&["endpoint", "delete", "1"])
        .expect_success();
    let before = stage.state(2).revision;
    let mut pod = stage.lab.bare_pod(3);
    pod.endpoint.identity = web.endpoint.identity;
    pod.endpoint.labels = [Label::new("app", "other", "k8s")].into_iter().collect();
    stage.lab.attach(&pod.endpoint);
    check(&[(&pod, &db, 80, false)]);
    assert_eq!(stage.state(2).revision, before + 1, "all was compiled anew");
}

#[test]
fn labels_whose_policy_does_not_fit_stay() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let [web, db] = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    ];
    let ports: Vec<_> = (0..50)
        .map(|n| format!("    - port: {}\n", 1000 + 2 * n))
        .collect();
    stage.apply(&[&WEB.replace(
        "    - port: 80\n",
        &format!("    - port: 80\n{}", ports.concat()),
    )]);
    let before = stage.json(&["endpoint", "get", "1"]);
    let label = stage.lab.weir(&["endpoint", "label", "1", "app=db"]);
    let said = refusal(label, 9);
    assert!(said.contains("has room for 64 entries"), "{said}");
    assert_eq!(stage.json(&["endpoint", "get", "1"]), before);
    check(&[(&web, &db, 80, true), (&web, &db, 8080, false)]);
}

fn add(stage: &Stage, sandbox: &Sandbox, app: &str) -> Answer {
    let mut configuration = configuration(&stage.lab);
    configuration["args"] = json!({ "cni": { "labels": [{ "key": "app", "value": app }] } });
    Call::about("ADD", sandbox, &configuration).run()
}

#[test]
fn a_policy_as_an_older_weir_kept_it_is_mended_by_a_regeneration() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let db = stage.pod(1, &[("app", "db")]);
    stage.apply(&[CLOSED, WEB]);
    // What stands in the operator's folder meanwhile is not in force, and does not come in force.
    stage.write("a.yaml", &["no document"]);
    let basis = stage.lab.node().state().join("policy/1/basis");
    let missing = "`weir endpoint regenerate --all`";
    for (number, says) in [(0, missing), (1, "`weir policy apply`")] {
        let sandboxes = ["known", "new"].map(|name| Sandbox::new(&format!("{name}-{number}")));
        whole_file::remove(&basis).unwrap();
        if says != missing {
            whole_file::write(&basis, b"anything").unwrap();
        }
        let doctor = || stage.lab.weir(&["doctor", "-o", "json"]).stdout;
        assert!(doctor().contains("pods with new labels are refused"));
        let (code, said) = {
            let answer = add(&stage, &sandboxes[1], &format!("new-{number}"));
            let (code, said) = answer.expect_failure();
            (code, said.to_owned())
        };
        assert!(code == 5 && said.contains(says), "{code}: {said}");
        stage
            .lab
            .weir(&["endpoint", "regenerate", "--all"])
            .expect_success();
        assert!(!doctor().contains("pods with new labels are refused"));
        add(&stage, &sandboxes[1], &format!("new-{number}")).expect_success();
        add(&stage, &sandboxes[0], "new-0").expect_success();
    }
    assert_eq!(stage.state(1).revision, 1);
    let web = stage.pod(50, &[("app", "web")]);
    check(&[(&web, &db, 80, true), (&web, &db, 8080, false)]);
}
