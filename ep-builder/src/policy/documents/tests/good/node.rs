//! Policies of the node itself.

use super::super::{read, weir_policy};
use super::check;

#[test]
fn a_policy_with_a_node_selector_is_the_nodes() {
    for (spec, expected) in [
        ("nodeSelector: {}", &["wp /p: node []"][..]),
        (
            "nodeSelector: {matchLabels: {kubernetes.io/hostname: a}}, policyTypes: [Egress], \
             ingress: [{from: [{podSelector: {}}, {entities: [world]}], ports: [{port: 22}]}]",
            &[
                "wp /p: node [kubernetes.io/hostname=a]",
                "ingress allow [] of [], world on tcp 22",
                "egress isolated",
            ],
        ),
        // Null is as if it were not written: then it is about pods.
        ("nodeSelector: null", &["wp /p: [] of []"]),
        ("nodeSelector: {}, podSelector: null", &["wp /p: node []"]),
    ] {
        check(&weir_policy(spec), expected);
    }
}

#[test]
fn rules_that_nobody_asks_about_are_noticed() {
    let unjudged = "the node reaches its own pods unjudged: their ingress is where to say it";
    let alone = "what the node says to itself is judged by nobody";
    for (spec, expected) in [
        (
            "nodeSelector: {}, egress: [{to: [{ipBlock: {cidr: '::/0'}}, {podSelector: {}}]}]",
            vec![format!("a.yaml:4: spec.egress[0].to[1]: {unjudged}")],
        ),
        (
            "nodeSelector: {}, ingress: [{from: [{entities: [world, host]}]}]",
            vec![format!("a.yaml:4: spec.ingress[0].from[0]: {alone}")],
        ),
        (
            "nodeSelector: {}, ingress: [{from: [{podSelector: {}}]}]",
            Vec::new(),
        ),
        (
            "egress: [{to: [{podSelector: {}}, {entities: [host]}]}]",
            Vec::new(),
        ),
    ] {
        let documents = read(&[("a.yaml", &weir_policy(spec))]).unwrap();
        let notices: Vec<_> = documents.notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices, expected, "{spec}");
    }
}
