//! The node as the subject of policies.

use super::PACKETS;
use super::connections::{case, check, packets, policy, weir};
use crate::policy::Scope;
use crate::policy::oracle::random::{self, Choices};
use crate::policy::oracle::{Case, HOST, Verdict, shrink};

#[test]
fn a_policy_of_the_node_says_nothing_of_pods_and_one_of_pods_nothing_of_it() {
    let closed = "policyTypes: [Ingress, Egress]";
    check(
        &weir("node", &format!("nodeSelector: {{}}, {closed}")),
        &["web > db tcp/80", "out > web tcp/80", "web > out udp/53"],
        &[
            "out > node tcp/80",
            "node > out tcp/80",
            "web > node tcp/1",
            "out > node icmp/8",
        ],
    );
    check(
        &weir("pods", closed),
        &["out > node tcp/80", "node > out tcp/80"],
        &["out > web tcp/80", "web > node tcp/80"],
    );
    check(
        &policy("pods", &format!("podSelector: {{}}, {closed}")),
        &["out > node tcp/22", "bare > node icmp/8"],
        &["web > node tcp/80"],
    );
}

#[test]
fn the_node_is_selected_by_its_labels() {
    let of = |selector: &str| {
        weir(
            "node",
            &format!("nodeSelector: {selector}, policyTypes: [Ingress]"),
        )
    };
    for selector in [
        "{}",
        "{matchLabels: {role: edge}}",
        "{matchExpressions: [{key: tier, operator: DoesNotExist}]}",
    ] {
        check(&of(selector), &["node > out tcp/1"], &["out > node tcp/1"]);
    }
    for selector in [
        "{matchLabels: {role: core}}",
        "{matchExpressions: [{key: role, operator: NotIn, values: [edge]}]}",
    ] {
        check(&of(selector), &["out > node tcp/1"], &[]);
        let compiled = case(&of(selector)).compiled().unwrap();
        assert!(!compiled.subjects.contains_key(&HOST), "{selector}");
    }
}

#[test]
fn peers_and_ports_of_the_node_are_those_of_pods() {
    check(
        &weir(
            "node",
            "nodeSelector: {}, policyTypes: [Ingress, Egress], \
             ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 9100}]}, \
             {from: [{ipBlock: {cidr: 192.0.2.0/24}}]}], \
             egress: [{to: [{entities: [world]}], ports: [{protocol: UDP, port: 123}]}]",
        ),
        &[
            "web > node tcp/9100",
            "probe > node tcp/9100",
            "near > node tcp/1",
            "node > out udp/123",
            "node > web tcp/80",
        ],
        &[
            "web > node tcp/9101",
            "db > node tcp/9100",
            "out > node tcp/9100",
            "node > out tcp/123",
        ],
    );
    check(
        &[
            weir("open", "nodeSelector: {}, ingress: [{}], policyTypes: [Ingress]"),
            weir("no", "nodeSelector: {}, ingress: [{action: deny, from: [{entities: [world]}], ports: [{port: 111}]}]"),
        ]
        .concat(),
        &["out > node tcp/112", "web > node tcp/111"],
        &["out > node tcp/111"],
    );
}

#[test]
fn the_way_to_its_pods_is_no_way_to_the_node() {
    let mut case = case(&weir("node", "nodeSelector: {}, policyTypes: [Ingress]"));
    for allow_localhost in [true, false] {
        case.allow_localhost = allow_localhost;
        case.packets = packets("web > node tcp/80");
        let node = case
            .packets
            .iter()
            .find(|packet| packet.subject == HOST)
            .unwrap();
        assert_eq!(case.meant(node).unwrap(), Verdict::NotAllowed);
        assert_eq!(case.disagreement_with(&case.compiled().unwrap()), None);
    }
}

#[test]
fn a_fault_about_the_node_shrinks_to_a_document_of_it() {
    let careless = |case: &Case| {
        let mut compiled = case.compiled().unwrap();
        compiled.subjects.remove(&HOST);
        compiled
    };
    let is_wrong = |case: &Case| case.disagreement_with(&careless(case)).is_some();
    let found = (0..1_000)
        .map(|seed| random::case(&mut Choices::seeded(seed), PACKETS))
        .find(is_wrong)
        .unwrap();
    let smallest = shrink(found, is_wrong);
    let [document] = &smallest.set.policies[..] else {
        panic!("{smallest:?}");
    };
    assert!(matches!(document.scope, Scope::Node(_)), "{smallest:?}");
    assert_eq!(smallest.packets.len(), 1, "{smallest:?}");
    assert_eq!(smallest.node.labels.len(), 0, "{smallest:?}");
}
