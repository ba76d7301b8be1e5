//! What a change of the policy leaves that was killed near its end: whoever changes something next ends it.

use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::Lab;

const OPEN: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open}
spec: {podSelector: {}, ingress: [{}]}
";

/// As a process leaves it that was killed behind the last word, before it could say that all is done.
fn leave(lab: &Lab) {
    let mark = lab.node().state().join("policy/unsettled");
    ep_builder::whole_file::write(&mark, b"").unwrap();
}

fn is_left(lab: &Lab) -> bool {
    lab.node().state().join("policy/unsettled").exists()
}

#[test]
fn whoever_changes_something_next_ends_it() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = Lab::new();
    let _pod = lab.pod(31);
    lab.node().write_policy("open.yaml", OPEN);
    lab.weir(&["policy", "apply"]).expect_success();
    for command in [
        &["gc"][..],
        &["endpoint", "regenerate", "31"],
        &["endpoint", "label", "31", "k8s:tier=left"],
        // It has this label already, and nothing else is done.
        &["endpoint", "label", "31", "k8s:tier=left"],
        &["policy", "apply"],
    ] {
        leave(&lab);
        let status = lab.weir(&["status"]);
        assert!(
            status.stdout.contains("did not come to its end"),
            "{status:?}"
        );
        let said = lab.weir(command);
        said.expect_success();
        assert!(!is_left(&lab), "{command:?}");
    }
    leave(&lab);
    let looked = lab.weir(&["gc", "--dry-run"]);
    looked.expect_success();
    assert!(is_left(&lab), "who only looks changes nothing");
    let said = lab.weir(&["gc"]);
    assert!(said.stderr.contains("is brought to its end"), "{said:?}");
}
