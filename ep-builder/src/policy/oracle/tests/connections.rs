//! Connections between four pods, the node and others. Oracle and entries must both say what becomes of them.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::maps::Direction;
use crate::policy::documents::{SourceFile, parse};
use crate::policy::oracle::{Case, End, Packet, Pod, Verdict};
use crate::policy::{NodeFacts, PodFacts, parse_ports};

/// The namespaces, below every text.
const NAMESPACES: &str = "
---
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {env: prod}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: lab, labels: {env: test}}}
";

/// Name, namespace, labels and named ports.
type PodRow = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static str,
);

const PODS: [PodRow; 4] = [
    ("web", "shop", &[("app", "web"), ("tier", "front")], HTTP),
    ("db", "shop", &[("app", "db")], DATABASE),
    ("probe", "lab", &[("app", "web")], HIGH),
    ("bare", "lab", &[], "[]"),
];
const HTTP: &str = r#"[{"name":"http","protocol":"TCP","containerPort":80}]"#;
const HIGH: &str = r#"[{"name":"http","protocol":"TCP","containerPort":8080}]"#;
const DATABASE: &str = r#"[{"name":"sql","protocol":"TCP","containerPort":5432},
    {"name":"http","protocol":"UDP","containerPort":80}]"#;

/// Everybody: name, identity, address.
const EVERYBODY: [(&str, u32, &str); 7] = [
    ("node", 1, "10.0.0.1"),
    ("out", 2, "203.0.113.5"),
    ("near", 2, "192.0.2.200"),
    ("web", 300, "10.0.0.4"),
    ("db", 301, "10.0.0.5"),
    ("probe", 302, "10.0.0.6"),
    ("bare", 303, "10.0.0.7"),
];

fn identity(name: &str) -> u32 {
    let found = EVERYBODY.iter().find(|(this, ..)| *this == name);
    found.expect(name).1
}

fn address(name: &str) -> IpAddr {
    let found = EVERYBODY.iter().find(|(this, ..)| *this == name);
    found.expect(name).2.parse().unwrap()
}

fn end(name: &str) -> End {
    match identity(name) {
        1 => End::Host,
        2 => End::World,
        pod => End::Pod(pod),
    }
}

/// These documents, and no packet.
pub(super) fn case(documents: &str) -> Case {
    let text = format!("{documents}{NAMESPACES}");
    let file = SourceFile {
        path: PathBuf::from("a.yaml"),
        text: text.into(),
    };
    let pods = PODS.map(|(name, namespace, labels, ports)| {
        let labels = labels.iter();
        let labels = labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let IpAddr::V4(ipv4) = address(name) else {
            panic!("{name} has no IPv4 address");
        };
        let facts = PodFacts {
            namespace: namespace.to_owned(),
            labels: labels.collect(),
            ports: parse_ports(ports).unwrap(),
        };
        let ipv6 = ipv4.to_ipv6_mapped();
        (identity(name), Pod { facts, ipv4, ipv6 })
    });
    Case {
        set: parse(vec![file]).unwrap().set,
        allow_localhost: true,
        node: NodeFacts {
            labels: [("role".to_owned(), "edge".to_owned())].into(),
        },
        pods: pods.into(),
        packets: Vec::new(),
    }
}

/// What a connection such as `web > db tcp/80` asks of its ends.
pub(super) fn packets(connection: &str) -> Vec<Packet> {
    let words: Vec<_> = connection.split(' ').collect();
    let [from, ">", to, traffic] = words[..] else {
        panic!("{connection} is no connection");
    };
    let (protocol, port) = traffic.split_once('/').unwrap();
    let protocol = match protocol {
        "tcp" => 6,
        "udp" => 17,
        "sctp" => 132,
        "icmp" => 1,
        other => other.parse().unwrap(),
    };
    let sides = [
        (from, Direction::Egress, to),
        (to, Direction::Ingress, from),
    ];
    // The world has no policy, and what the node sends to pods and to itself is not judged by its own.
    let judged = sides
        .iter()
        .filter(|(subject, direction, remote)| match identity(subject) {
            1 => *direction == Direction::Ingress && identity(remote) != 1 || identity(remote) == 2,
            identity => identity > 2,
        });
    judged
        .map(|(subject, direction, remote)| Packet {
            subject: identity(subject),
            direction: *direction,
            remote: end(remote),
            address: address(remote),
            protocol,
            port: port.parse().unwrap(),
        })
        .collect()
}

/// These documents let the first connections pass and none of the others.
#[track_caller]
pub(super) fn check(documents: &str, passing: &[&str], dropped: &[&str]) {
    let mut case = case(documents);
    for (connections, passes) in [(passing, true), (dropped, false)] {
        for connection in connections {
            case.packets = packets(connection);
            let allowed = case.packets.iter().all(|packet| {
                let meant = case.meant(packet).unwrap();
                matches!(meant, Verdict::Allowed { .. })
            });
            assert_eq!(allowed, passes, "{connection}: {documents}");
            let compiled = case.compiled().unwrap();
            assert_eq!(
                case.disagreement_with(&compiled),
                None,
                "{connection}: {documents}"
            );
        }
    }
}

/// A policy of the namespace `shop`.
pub(super) fn policy(name: &str, spec: &str) -> String {
    of("shop", name, spec)
}

/// A policy of this namespace.
pub(super) fn of(namespace: &str, name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, \
         metadata: {{name: {name}, namespace: {namespace}}}, spec: {{{spec}}}}}\n"
    )
}

/// A policy of the node.
pub(super) fn weir(name: &str, spec: &str) -> String {
    format!(
        "---\n{{apiVersion: weir.dev/v1alpha1, kind: WeirPolicy, metadata: {{name: {name}}}, spec: {{{spec}}}}}\n"
    )
}
