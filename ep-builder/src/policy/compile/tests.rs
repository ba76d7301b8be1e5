//! The entries of small sets, one by one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::{CompileOptions, compile};
use crate::maps::{Ports, Traffic};
use crate::policy::documents::{SourceFile, parse};
use crate::policy::{
    Compiled, FIRST_NETWORK, HOST, NamedPort, NodeFacts, PodFacts, PolicyEntry, PolicySet, Protocol,
};

/// Who has the policy.
const SUBJECT: u32 = 256;

fn set(specs: &[&str]) -> PolicySet {
    let head = "---\n{apiVersion: weir.dev/v1alpha1, kind: WeirPolicy, metadata: {name: ";
    let documents = specs.iter().enumerate();
    let documents =
        documents.map(|(number, spec)| format!("{head}p{number}}}, spec: {{{spec}}}}}\n"));
    let text = documents.collect::<Vec<_>>().concat();
    let file = SourceFile {
        path: PathBuf::from("a.yaml"),
        text: text.into(),
    };
    parse(vec![file]).unwrap().set
}

/// The subject, and pods whose label `n` is the number behind theirs.
fn pods(count: u32) -> BTreeMap<u32, PodFacts> {
    let pods = (0..count).map(|number| {
        let facts = PodFacts {
            namespace: "default".to_owned(),
            labels: [("n".to_owned(), number.to_string())].into(),
            ports: vec![NamedPort {
                name: "http".to_owned(),
                protocol: Protocol::Tcp,
                container_port: 8_000 + u16::try_from(number).unwrap(),
            }],
        };
        (SUBJECT + number, facts)
    });
    pods.collect()
}

/// The node.
fn edge() -> NodeFacts {
    NodeFacts {
        labels: [("role".to_owned(), "edge".to_owned())].into(),
    }
}

fn options(max_entries: usize) -> CompileOptions {
    CompileOptions {
        allow_localhost: true,
        max_entries,
    }
}

fn compiled(specs: &[&str]) -> Compiled {
    compile(&set(specs), &pods(3), &edge(), &options(100)).unwrap()
}

fn shown(PolicyEntry { rule, decision }: &PolicyEntry) -> String {
    let traffic = match rule.traffic {
        Traffic::Any => "any".to_owned(),
        Traffic::Protocol(protocol) => format!("{protocol}"),
        Traffic::Ports(ports) => {
            let Ports {
                protocol, first, ..
            } = ports;
            format!("{protocol}/{first}-{}", ports.last())
        }
    };
    let peer = match rule.identity.checked_sub(FIRST_NETWORK) {
        Some(network) => format!("net{network}"),
        None => rule.identity.to_string(),
    };
    let verb = if decision.deny { "deny" } else { "allow" };
    format!(
        "{} {peer} {traffic} {verb} {}",
        rule.direction, decision.rule
    )
}

/// These are the subject's entries.
#[track_caller]
fn check(specs: &[&str], expected: &[&str]) {
    let compiled = compiled(specs);
    let entries = &compiled.subjects[&SUBJECT].entries;
    let found: Vec<_> = entries.iter().map(shown).collect();
    assert_eq!(found, expected, "{specs:?}");
}

const FREE_EGRESS: &str = "egress 0 any allow 0";
const NODE: &str = "ingress 1 any allow 0";

#[test]
fn what_needs_no_rule_has_entries_without_one() {
    check(&[], &["ingress 0 any allow 0", FREE_EGRESS]);
    check(&["policyTypes: [Ingress]"], &[FREE_EGRESS, NODE]);
    check(&["policyTypes: [Ingress, Egress]"], &[NODE]);
    // A rule that says the same is named instead.
    check(
        &["policyTypes: [Ingress, Egress], ingress: [{from: [{entities: [host]}]}]"],
        &["ingress 1 any allow 1"],
    );
}

#[test]
fn peers_and_ports_become_keys() {
    check(
        &[
            "policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}, {entities: [world]}], \
           ports: [{port: 80, endPort: 82}, {protocol: UDP}]}]",
        ],
        &[
            FREE_EGRESS,
            NODE,
            "ingress 2 17 allow 1",
            "ingress 2 6/80-81 allow 1",
            "ingress 2 6/82-82 allow 1",
            "ingress 256 17 allow 1",
            "ingress 256 6/80-81 allow 1",
            "ingress 256 6/82-82 allow 1",
            "ingress 257 17 allow 1",
            "ingress 257 6/80-81 allow 1",
            "ingress 257 6/82-82 allow 1",
            "ingress 258 17 allow 1",
            "ingress 258 6/80-81 allow 1",
            "ingress 258 6/82-82 allow 1",
        ],
    );
    // A name: of the pod itself, and of each pod that it reaches.
    check(
        &[
            "policyTypes: [Ingress, Egress], ingress: [{ports: [{port: http}]}], egress: [{ports: [{port: http}]}]",
        ],
        &[
            "ingress 0 6/8000-8000 allow 1",
            NODE,
            "egress 256 6/8000-8000 allow 2",
            "egress 257 6/8001-8001 allow 2",
            "egress 258 6/8002-8002 allow 2",
        ],
    );
}

#[test]
fn networks_are_numbered_and_written_out() {
    let specs = [
        "policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}]",
        "podSelector: {matchLabels: {n: none}}, ingress: [{from: [{ipBlock: {cidr: 10.2.0.0/16}}]}, \
         {from: [{ipBlock: {cidr: 10.1.2.0/24}}]}]",
    ];
    let networks = compiled(&specs).networks;
    let networks: Vec<_> = networks
        .iter()
        .map(|(network, number)| (network.to_string(), number - FIRST_NETWORK))
        .collect();
    let expected = ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16"];
    let expected: Vec<_> = expected.map(str::to_owned).into_iter().zip(0..).collect();
    assert_eq!(networks, expected);
    check(
        &specs,
        &[
            FREE_EGRESS,
            NODE,
            "ingress net0 any allow 1",
            "ingress net3 any allow 1",
        ],
    );
}

#[test]
fn a_denial_leaves_nothing_finer_that_allows() {
    let allow = "policyTypes: [Ingress], ingress: [{from: [{entities: [world]}], ports: [{port: 80}, \
     {port: 90}, {protocol: UDP}]}]";
    let deny =
        |ports: &str| format!("ingress: [{{action: deny, from: [{{entities: [world]}}]{ports}}}]");
    check(
        &[allow, &deny("")],
        &[FREE_EGRESS, NODE, "ingress 2 any deny 2"],
    );
    check(
        &[allow, &deny(", ports: [{}]")],
        &[
            FREE_EGRESS,
            NODE,
            "ingress 2 6 deny 2",
            "ingress 2 17 allow 1",
        ],
    );
    check(
        &[
            allow,
            &deny(", ports: [{port: 80, endPort: 87}, {protocol: UDP, port: 53}]"),
        ],
        &[
            FREE_EGRESS,
            NODE,
            "ingress 2 17 allow 1",
            "ingress 2 6/80-87 deny 2",
            "ingress 2 6/90-90 allow 1",
            "ingress 2 17/53-53 deny 2",
        ],
    );
    // Within one denial another one, and behind that what still is denied: to the last port.
    let allow = "policyTypes: [Ingress], ingress: [{from: [{entities: [world]}], ports: [{port: 90}, \
     {port: 95}, {port: 96}]}]";
    check(
        &[
            allow,
            &deny(", ports: [{port: 80, endPort: 95}]"),
            &deny(", ports: [{port: 81}]"),
        ],
        &[
            FREE_EGRESS,
            NODE,
            "ingress 2 6/80-95 deny 2",
            "ingress 2 6/81-81 deny 3",
            "ingress 2 6/96-96 allow 1",
        ],
    );
    check(
        &[
            "policyTypes: [Ingress]",
            "ingress: [{action: deny, from: [{entities: [host]}]}]",
        ],
        &[FREE_EGRESS, "ingress 1 any deny 1"],
    );
}

#[test]
fn each_protocol_that_is_denied_leaves_nothing_finer() {
    let allow = "policyTypes: [Ingress], ingress: [{from: [{entities: [world]}], ports: [{port: 80}, \
     {protocol: UDP, port: 53}, {protocol: SCTP, port: 9}]}]";
    let deny =
        "ingress: [{action: deny, from: [{entities: [world]}], ports: [{}, {protocol: UDP}]}]";
    check(
        &[allow, deny],
        &[
            FREE_EGRESS,
            NODE,
            "ingress 2 6 deny 2",
            "ingress 2 17 deny 2",
            "ingress 2 132/9-9 allow 1",
        ],
    );
}

#[test]
fn of_rules_with_one_key_the_first_is_named() {
    let allow = "policyTypes: [Ingress, Egress], ingress: [{ports: [{port: 80}]}]";
    let deny = "ingress: [{action: deny, ports: [{port: 80}]}]";
    check(&[allow, allow], &["ingress 0 6/80-80 allow 1", NODE]);
    check(
        &[allow, deny, allow, deny],
        &["ingress 0 6/80-80 deny 2", NODE],
    );
}

#[test]
fn what_does_not_fit_is_told_with_what_to_do() {
    let one = "policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}], ports: [{port: 1, \
     endPort: 6}]}]";
    let other = "ingress: [{ports: [{port: 7}]}, {ports: [{port: 9}]}]";
    let set = set(&[other, one]);
    let pods = pods(2);
    // Ports 1, 2-3, 4-5 and 6 for two pods, two ports for anybody, and the node.
    assert!(compile(&set, &pods, &edge(), &options(11)).is_ok());
    let error = compile(&set, &pods, &edge(), &options(10))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "the policy of the pods with identity 256 (namespace default, n=0) needs 11 entries, \
         and a policy map holds 10: \
         most come from WeirPolicy p1 in a.yaml (8), WeirPolicy p0 in a.yaml (2); raise `policy` under [maps] in \
         weir.toml, or let these policies name fewer peers and ports"
    );
}

#[test]
fn the_node_has_entries_where_a_document_speaks_for_it() {
    let of_node = |specs: &[&str]| {
        let mut compiled = compiled(specs);
        compiled
            .subjects
            .remove(&HOST)
            .map(|policy| policy.entries.iter().map(shown).collect::<Vec<_>>())
    };
    assert_eq!(of_node(&["policyTypes: [Ingress]"]), None);
    assert_eq!(
        of_node(&["nodeSelector: {matchLabels: {role: core}}"]),
        None
    );
    // Nothing isolates it: everything passes, but what is denied.
    let open = compiled(&["nodeSelector: {}"]).subjects[&HOST].clone();
    assert_eq!(open.entries, PolicyEntry::admit_all());
    assert!(!open.isolates_ingress && !open.isolates_egress);
    // No way to itself, and no way from its pods.
    let closed = &["nodeSelector: {matchLabels: {role: edge}}, policyTypes: [Ingress, Egress]"];
    assert_eq!(of_node(closed), Some(Vec::new()));
    let pods = "nodeSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {n: '1'}}}]}]";
    let entries = compiled(&[pods]).subjects[&HOST].entries.clone();
    let peers: Vec<_> = entries.iter().map(|entry| entry.rule.identity).collect();
    assert_eq!(peers, [0, SUBJECT + 1]);
}
