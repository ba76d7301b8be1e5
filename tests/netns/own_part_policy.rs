//! The node's place among the policies: its map and its program come with the node's part, and go with it.

use ep_builder::maps::{Decision, Direction, MapName, MapsError, Rule, Traffic};
use weir_tests::need::Need;
use weir_tests::pods::MAPS;
use weir_tests::{Lab, need};

use crate::own_part::{assert_as_before, listing, node};

/// The node's place in the maps of all endpoints.
const NODE: u32 = 0;
const REVISION: u32 = 5;

const ANYBODY: Rule = Rule {
    identity: 0,
    direction: Direction::Egress,
    traffic: Traffic::Any,
};

/// Whoever asks the node for anything but port 80 is refused, and the node may ask everybody.
const OF_THE_NODE: &str = "
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: { name: node }
spec:
  nodeSelector: {}
  policyTypes: [Ingress]
  ingress: [{ ports: [{ port: 80 }] }]
";

/// A policy as somebody puts it in force.
fn judge(lab: &Lab) {
    let maps = lab.maps();
    let decision = Decision {
        deny: false,
        rule: 7,
    };
    let mut policy = maps.node_policy().unwrap();
    policy.insert(REVISION, &ANYBODY, decision).unwrap();
    let mut revisions = maps.policy_revisions().unwrap();
    revisions.set_node(REVISION).unwrap();
}

fn is_called(lab: &Lab) -> bool {
    let programs = lab.maps().call_policy().unwrap();
    programs.get(NODE).unwrap().is_some()
}

#[test]
fn it_comes_with_the_nodes_part_and_goes_with_it() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = node(&["-4", "-6"], "");
    let before = listing(&lab);
    lab.weir(&["node", "init"]).expect_success();
    let maps = lab.maps();
    assert_eq!(maps.policy_revisions().unwrap().of_node().unwrap(), 0);
    assert!(maps.node_policy().unwrap().entries().unwrap().is_empty());
    maps.node_open().unwrap().entries().unwrap();
    assert!(is_called(&lab));
    judge(&lab);
    lab.weir(&["node", "cleanup"]).expect_success();
    assert_as_before(&lab, &before, "after cleanup");
}

#[test]
fn without_the_nodes_part_nobody_is_judged_by_what_is_left() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = node(&["-4"], "");
    // Maps that were there before the node's part are there behind it.
    let pod = lab.bare_pod(1);
    lab.attach(&pod.endpoint);
    lab.weir(&["node", "init"]).expect_success();
    assert!(is_called(&lab));
    judge(&lab);
    lab.weir(&["node", "cleanup"]).expect_success();
    let maps = lab.maps();
    assert_eq!(maps.policy_revisions().unwrap().of_node().unwrap(), 0);
    assert!(!is_called(&lab));
    for gone in [maps.node_policy().err(), maps.node_open().err()] {
        assert!(matches!(gone, Some(MapsError::Missing { .. })), "{gone:?}");
    }
}

#[test]
fn it_moves_to_a_map_of_another_size() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let lab = node(&["-4"], "");
    lab.weir(&["node", "init"]).expect_success();
    lab.node().write_policy("node.yaml", OF_THE_NODE);
    lab.weir(&["policy", "apply"]).expect_success();
    let maps = lab.maps();
    let revision = maps.policy_revisions().unwrap().of_node().unwrap();
    let entries = || {
        let policy = maps.node_policy().unwrap();
        let entries = policy.generation(revision).unwrap();
        entries.into_keys().collect::<Vec<_>>()
    };
    let before = entries();
    assert!(revision > 0 && before.contains(&ANYBODY), "{before:?}");
    lab.configure(&MAPS.replace("policy = 64", "policy = 128"));
    lab.weir(&["node", "init"]).expect_success();
    let facts = maps.facts(MapName::NodePolicy).unwrap();
    assert_eq!(facts.max_entries, 128);
    assert_eq!(entries(), before);
    assert_eq!(
        maps.policy_revisions().unwrap().of_node().unwrap(),
        revision
    );
    lab.weir(&["node", "cleanup"]).expect_success();
}
