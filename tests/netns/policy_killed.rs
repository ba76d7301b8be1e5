//! `weir policy apply`, killed before each of its system calls: every endpoint has the old policy or the new
//! one, whole, and the next apply leaves nothing but its own.

use std::collections::{BTreeMap, BTreeSet};

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Prefix, Rule};
use weir_tests::need::Need;
use weir_tests::trace::{self, Places};
use weir_tests::{Pod, need};

use crate::policy::{CLOSED, Stage, WEB, check};

/// As [`WEB`], and a network.
const NETWORK: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: network}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from:
    - ipBlock: {cidr: 192.0.2.0/24}
";

/// What packets of an endpoint are judged by: its entries, with whether they deny, and the networks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Enforced {
    entries: BTreeMap<Rule, bool>,
    networks: Vec<(Prefix, u32)>,
}

fn enforced(stage: &Stage, id: EndpointId) -> Enforced {
    let maps = stage.lab.maps();
    let revision = maps.policy_revisions().unwrap().get(id).unwrap();
    let generation = maps.policy(id).unwrap().generation(revision).unwrap();
    let entries = generation
        .into_iter()
        .map(|(rule, (decision, _))| (rule, decision.deny));
    Enforced {
        entries: entries.collect(),
        networks: maps.ipcache().unwrap().networks(revision).unwrap(),
    }
}

fn all(stage: &Stage, pods: &[Pod]) -> Vec<Enforced> {
    let pods = pods.iter();
    pods.map(|pod| enforced(stage, pod.endpoint.id)).collect()
}

/// Nothing is anywhere of any revision but the one in force.
fn assert_tidy(stage: &Stage, pods: &[Pod], place: usize) {
    let maps = stage.lab.maps();
    let revisions: BTreeSet<u32> = pods
        .iter()
        .map(|pod| {
            let revisions = maps.policy_revisions().unwrap();
            revisions.get(pod.endpoint.id).unwrap()
        })
        .collect();
    assert_eq!(revisions.len(), 1, "place {place}: {revisions:?}");
    let current = *revisions.first().unwrap();
    for pod in pods {
        let rules = maps.policy(pod.endpoint.id).unwrap().entries().unwrap();
        let other = rules.iter().find(|(key, _)| key.revision != current);
        assert_eq!(other, None, "place {place}");
    }
    let of_networks = maps.ipcache().unwrap().revisions().unwrap();
    assert!(of_networks.is_subset(&revisions), "place {place}");
    let folder = stage.lab.node().state().join("policy");
    let names = std::fs::read_dir(folder).unwrap();
    let names: BTreeSet<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [current.to_string(), "current".into(), "lock".into()];
    assert_eq!(names, expected.into(), "place {place}");
}

#[test]
fn an_apply_that_dies_anywhere_leaves_old_or_new() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let pods = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
        stage.pod(3, &[("app", "db"), ("second", "")]),
    ];
    stage.apply(&[CLOSED, WEB, NETWORK]);
    let new = all(&stage, &pods);
    stage.apply(&[CLOSED]);
    let old = all(&stage, &pods);
    let mut seen = BTreeSet::new();
    for place in 0.. {
        stage.write("a.yaml", &[CLOSED, WEB, NETWORK]);
        let mut command = stage.lab.node().command();
        command.args(["policy", "apply"]);
        let traced = trace::run(&mut command, b"", Places::from_environment(), Some(place));
        let now = all(&stage, &pods);
        for (at, enforced) in now.iter().enumerate() {
            let whole = [&old[at], &new[at]].contains(&enforced);
            assert!(
                whole,
                "place {place}, {:?}: {enforced:?}",
                traced.killed_before
            );
        }
        seen.insert((now == old, now == new));
        if traced.killed_before.is_none() {
            assert_eq!((traced.finished.code, &now), (Some(0), &new));
            assert!(place > 30, "an apply has more steps than {place}");
            break;
        }
        // Whoever comes next: half of the times with the same documents, and with others.
        if place % 2 == 0 {
            stage.policy(&["apply"]).expect_success();
            assert_eq!(all(&stage, &pods), new, "place {place}");
            assert_tidy(&stage, &pods, place);
        }
        stage.apply(&[CLOSED]);
        assert_eq!(all(&stage, &pods), old, "place {place}");
        assert_tidy(&stage, &pods, place);
    }
    assert!(seen.contains(&(true, false)) && seen.contains(&(false, true)));
    check(&[
        (&pods[0], &pods[1], 80, true),
        (&pods[1], &pods[2], 80, false),
    ]);
}

#[test]
fn a_new_pod_finds_what_a_killed_apply_left() {
    need!(Need::Root, Need::Tool("ip"));
    let stage = Stage::new();
    let db = stage.pod(2, &[("app", "db")]);
    stage.apply(&[CLOSED]);
    let (mut place, mut id) = (0, 10);
    loop {
        stage.write("a.yaml", &[CLOSED, WEB]);
        let mut command = stage.lab.node().command();
        command.args(["policy", "apply"]);
        let places = Places::from_environment();
        let traced = trace::run(&mut command, b"", places, Some(place));
        // One of an identity that is new, so it ends what was begun.
        let label = id.to_string();
        let web = stage.pod(id, &[("app", "web"), ("number", &label)]);
        let current = stage.state(id).revision;
        assert_eq!(stage.state(2).revision, current, "place {place}");
        let has_web = stage.json(&["policy", "get"]).as_array().unwrap().len() == 2;
        check(&[(&web, &db, 80, has_web)]);
        stage
            .lab
            .weir(&["endpoint", "delete", &label])
            .expect_success();
        assert_eq!(
            stage
                .lab
                .maps()
                .policy_revisions()
                .unwrap()
                .get(web.endpoint.id)
                .unwrap(),
            0
        );
        if traced.killed_before.is_none() {
            break;
        }
        stage.apply(&[CLOSED]);
        (place, id) = (place + 5, id + 1);
    }
}
