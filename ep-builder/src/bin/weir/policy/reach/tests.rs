//! Rows of small sets, as a reader gets them.

use ep_builder::endpoint::{Endpoint, Label};
use ep_builder::identity::FIRST;
use ep_builder::policy::documents::{SourceFile, parse};
use ep_builder::policy::{CompileOptions, NodeFacts, PodFacts, Whole, compile};

use super::{Relations, Row, Surroundings, ports, rows};

const RECORD: &str = r#"{"id":7,"containerId":"abc","hostIfname":"lxc7","hostIfindex":9,"mac":"02:00:00:00:00:07",
    "hostMac":"02:00:00:00:01:07","identity":300,"labels":[],"pod":{"namespace":"shop","name":"web-0"}}"#;

/// A pod: its namespace, its name, and the value of its label `app`.
pub(crate) type Pod<'a> = (&'a str, &'a str, &'a str);

/// Pods of one namespace and label have one identity.
fn endpoints(pods: &[Pod<'_>]) -> Vec<Endpoint> {
    let mut kinds: Vec<(&str, &str)> = Vec::new();
    let pods = (1_u16..).zip(pods);
    pods.map(|(id, (namespace, name, app))| {
        if !kinds.contains(&(namespace, app)) {
            kinds.push((namespace, app));
        }
        let kind = kinds.iter().position(|kind| kind == &(*namespace, *app));
        let mut endpoint: Endpoint = serde_json::from_str(RECORD).unwrap();
        endpoint.id = ep_builder::endpoint::EndpointId::new(id).unwrap();
        endpoint.identity = FIRST + u32::try_from(kind.unwrap()).unwrap();
        let pod = endpoint.pod.as_mut().unwrap();
        (*name).clone_into(&mut pod.name);
        (*namespace).clone_into(&mut pod.namespace);
        endpoint.labels = vec![
            Label::new("app", app, "k8s"),
            Label::new("io.kubernetes.pod.namespace", namespace, "k8s"),
        ]
        .into();
        let [high, low] = id.to_be_bytes();
        endpoint.ipv4 = Some([10, 0, high, low].into());
        endpoint.ipv6 = Some([0xfd00, 0, 0, 0, 0, 0, 0, id].into());
        endpoint
    })
    .collect()
}

/// What these documents make of these pods, on a node that reaches them.
pub(crate) fn relations(documents: &str, pods: &[Pod<'_>]) -> Relations {
    on_node(documents, pods, &["192.0.2.1", "2001:db8::1"])
}

/// The same on a node with these addresses.
fn on_node(documents: &str, pods: &[Pod<'_>], addresses: &[&str]) -> Relations {
    let endpoints = endpoints(pods);
    let file = SourceFile {
        path: "a.yaml".into(),
        text: documents.into(),
    };
    let set = parse(vec![file]).unwrap().set;
    let facts = endpoints.iter();
    let facts = facts
        .map(|it| (it.identity, PodFacts::of(&it.labels)))
        .collect();
    let options = CompileOptions {
        allow_localhost: true,
        max_entries: usize::MAX,
    };
    let whole = Whole {
        revision: Some(1),
        compiled: compile(&set, &facts, &NodeFacts::default(), &options).unwrap(),
        open: [].into(),
    };
    let around = Surroundings {
        families: [true, true],
        node: addresses.iter().map(|it| it.parse().unwrap()).collect(),
        audits: false,
    };
    Relations::new(whole, &endpoints, &around)
}

fn shown(relations: &Relations, row: &Row) -> String {
    let what = &relations.whats[row.what];
    let mut words = format!(
        "{} -> {}: {}",
        relations.senders(row).join(", "),
        relations.names(&row.to).join(", "),
        ports(&what.traffic)
    );
    for (word, numbers) in [("by", &what.rules), ("less", &what.against)] {
        for number in numbers {
            let line = relations.origin(*number).unwrap().place.line;
            words.extend([" ", word, " ", &line.to_string()]);
        }
    }
    for way in &what.only {
        words.extend([" (", &way.words, ")"]);
    }
    words
}

#[track_caller]
fn check(documents: &str, pods: &[Pod<'_>], expected: &[&str], closed: [&[usize]; 2]) {
    let relations = relations(documents, pods);
    let rows = rows(&relations);
    let found: Vec<_> = rows.iter().map(|row| shown(&relations, row)).collect();
    assert_eq!(found, expected);
    assert_eq!(relations.closed(&rows), closed);
}

pub(crate) const PODS: [Pod<'_>; 4] = [
    ("lab", "probe", "probe"),
    ("shop", "db", "db"),
    ("shop", "web-0", "web"),
    ("shop", "web-1", "web"),
];

const DB: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}, {port: 53, protocol: UDP}]
";

pub(crate) const NO_SSH: &str = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: no-ssh}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - {action: deny, ports: [{port: 22}]}
";

/// A policy about what the database may be sent, or may send, by the address of the other end.
pub(crate) fn by_address(direction: &str, block: &str) -> String {
    let (field, peer) = match direction {
        "Ingress" => ("ingress", "from"),
        _ => ("egress", "to"),
    };
    format!(
        "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {{name: out, namespace: shop}}
spec:
  podSelector: {{matchLabels: {{app: db}}}}
  policyTypes: [{direction}]
  {field}:
  - {peer}: [{{ipBlock: {{{block}}}}}]
"
    )
}

#[test]
fn without_a_policy_there_is_one_row() {
    check("", &PODS, &["anybody -> anybody: any"], [&[], &[]]);
}

#[test]
fn who_is_isolated_is_reached_by_a_rule_or_by_the_node() {
    check(
        DB,
        &PODS,
        &[
            "anybody -> anybody but shop/db: any",
            "shop/web-* (2 pods) -> shop/db: tcp 5432, udp 53 by 7",
            "the node -> shop/db: any",
        ],
        [&[], &[]],
    );
    let nobody = DB.replace("matchLabels: {app: web}", "matchLabels: {app: none}");
    check(
        &nobody,
        &PODS,
        &[
            "anybody -> anybody but shop/db: any",
            "the node -> shop/db: any",
        ],
        [&[1], &[]],
    );
}

#[test]
fn both_ends_must_allow_it_and_what_is_denied_is_taken_out() {
    let documents = NO_SSH.to_owned()
        + "---
apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: probe}
spec:
  podSelector: {matchLabels: {app: probe}}
  policyTypes: [Egress]
  egress:
  - to: [{podSelector: {matchLabels: {app: db}}}]
    ports: [{port: 20, endPort: 25}]
";
    check(
        &documents,
        &PODS,
        &[
            "anybody but lab/probe -> anybody but shop/db: any",
            "lab/probe -> shop/db: tcp 20-21 23-25 by 16 less 7",
            "anybody but lab/probe -> shop/db: any but tcp 22 less 7",
        ],
        [&[], &[]],
    );
}

#[test]
fn addresses_that_are_not_treated_alike_are_told_apart() {
    let documents = by_address("Ingress", "cidr: 0.0.0.0/0, except: [10.0.0.0/8]");
    check(
        &documents,
        &[("lab", "probe", "probe"), ("shop", "db", "db")],
        &[
            "anybody -> anybody but shop/db: any",
            "the node -> shop/db: any",
            "rest of 0.0.0.0/0 -> shop/db: any by 8",
        ],
        [&[], &[]],
    );
    let only_one = documents.replace("except: [10.0.0.0/8]", "except: [11.0.0.0/8]");
    check(
        &only_one,
        &[("lab", "probe", "probe"), ("shop", "db", "db")],
        &[
            "anybody -> anybody but shop/db: any",
            "lab/probe -> shop/db: any by 8 (IPv4)",
            "the node -> shop/db: any",
            "rest of 0.0.0.0/0 -> shop/db: any by 8",
        ],
        [&[], &[]],
    );
}

#[test]
fn where_the_family_does_not_decide_networks_are_named() {
    let told = |relations: &Relations| -> Vec<_> {
        let rows = rows(relations).into_iter();
        let rows = rows.filter(|row| !relations.whats[row.what].only.is_empty());
        rows.map(|row| shown(relations, &row)).collect()
    };
    let one_of_two = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: out}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - {action: deny, from: [{ipBlock: {cidr: 10.0.0.1/32}}]}
";
    let pods = [("lab", "a", "a"), ("lab", "b", "a"), ("shop", "db", "db")];
    let found = told(&relations(one_of_two, &pods));
    let expected =
        "lab/a and 1 more -> shop/db: any (IPv4 from addresses in no named network) (IPv6)";
    assert!(found.iter().any(|row| row == expected), "{found:?}");
    let but = by_address("Egress", "cidr: 0.0.0.0/0, except: [10.0.0.0/8]");
    let found = told(&on_node(&but, &pods, &["192.0.2.1", "10.9.0.1"]));
    let expected = "shop/db -> the node: any by 8 (IPv4 to rest of 0.0.0.0/0)";
    assert_eq!(found, [expected]);
}

#[test]
fn who_is_outside_sends_to_nobody_outside() {
    let out = by_address("Egress", "cidr: 10.0.0.0/8");
    let pods = [("lab", "a", "a"), ("lab", "b", "b"), ("shop", "db", "db")];
    let relations = relations(&out, &pods);
    for row in rows(&relations) {
        for [from, to] in relations.meeting(&row) {
            let is_edge = |from: usize, to: usize| {
                let mut edges = relations.edges.iter();
                edges.any(|edge| (edge.from, edge.to, edge.what) == (from, to, row.what))
            };
            for (one, other) in from
                .iter()
                .flat_map(|one| to.iter().map(move |it| (*one, *it)))
            {
                let meet = relations.actors[one].meets(&relations.actors[other]);
                assert!(is_edge(one, other) || !meet, "{one} {other}");
                let both = [one, other].map(|it| relations.actors[it].kind.is_outside());
                assert_ne!(both, [true; 2], "{row:?}");
            }
        }
        let receivers = || row.to.iter().map(|to| &relations.actors[*to]);
        for from in &row.from {
            let sender = &relations.actors[*from];
            assert!(receivers().any(|it| sender.meets(it)), "{row:?}");
        }
    }
}

#[test]
fn who_has_not_even_the_node_is_told_from_who_has() {
    let nobody = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: none, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}
";
    let relations = relations(nobody, &PODS);
    let rows = rows(&relations);
    assert_eq!(relations.closed(&rows), [[1], [1]]);
    assert_eq!(relations.shut(&rows), [vec![], vec![1]]);
}
