//! Identities under a policy: numbers that come back, and labels that cannot be.

use ep_builder::endpoint::Label;
use weir_tests::need;
use weir_tests::need::Need;

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
