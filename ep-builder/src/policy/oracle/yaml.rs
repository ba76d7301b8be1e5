//! A case as a file of policy documents, with the pods and packets that are meant in comments.

use serde_json::{Map, Value, json};

use super::case::{Case, End, HOST, Packet, Pod};
use crate::policy::{
    Action, Document, Entity, Namespaces, Operator, Peer, PolicyKind, PolicyRule, PortMatch,
    PortRule, Requirement, Rules, Scope, Selector, Target,
};

/// The case as text that `weir policy` reads.
pub fn yaml(case: &Case) -> Result<String, serde_saphyr::ser::Error> {
    let mut text = comments(case);
    for (name, labels) in &case.set.namespaces {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
        });
        add(&mut text, &namespace)?;
    }
    for policy in &case.set.policies {
        add(&mut text, &document(policy))?;
    }
    Ok(text)
}

fn add(text: &mut String, document: &Value) -> Result<(), serde_saphyr::ser::Error> {
    let written = serde_saphyr::to_string(document)?;
    text.push_str("---\n");
    text.push_str(written.trim_end());
    text.push('\n');
    Ok(())
}

fn comments(case: &Case) -> String {
    let mut lines: Vec<_> = case.pods.iter().map(pod).collect();
    let labels = case.node.labels.iter();
    let labels: Vec<_> = labels
        .map(|(key, value)| format!(" {key}={value}"))
        .collect();
    lines.push(format!("the node:{}", labels.concat()));
    let host = if case.allow_localhost {
        "always"
    } else {
        "policy"
    };
    lines.push(format!("allow_localhost = {host:?}"));
    lines.extend(case.packets.iter().map(packet));
    format!("# {}\n", lines.join("\n# "))
}

fn pod((identity, pod): (&u32, &Pod)) -> String {
    let facts = &pod.facts;
    let mut parts = vec![format!("pod {identity} in {}:", facts.namespace)];
    let labels = facts.labels.iter();
    parts.extend(labels.map(|(key, value)| format!("{key}={value}")));
    parts.extend(facts.ports.iter().map(|port| {
        let (number, protocol) = (port.container_port, port.protocol);
        format!("{}={number}/{protocol:?}", port.name)
    }));
    parts.push(format!("at {} and {}", pod.ipv4, pod.ipv6));
    parts.join(" ")
}

fn packet(packet: &Packet) -> String {
    let remote = match packet.remote {
        End::Pod(identity) => format!("pod {identity}"),
        End::Host => "the node".to_owned(),
        End::World => "the world".to_owned(),
    };
    let subject = match packet.subject {
        HOST => "the node".to_owned(),
        pod => format!("pod {pod}"),
    };
    format!(
        "{} of {subject}: {remote} at {}, protocol {}, port {}",
        packet.direction, packet.address, packet.protocol, packet.port
    )
}

fn document(document: &Document) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), json!(document.name));
    let (version, kind) = match document.kind {
        PolicyKind::NetworkPolicy => {
            metadata.insert("namespace".to_owned(), json!(document.namespace));
            ("networking.k8s.io/v1", "NetworkPolicy")
        }
        PolicyKind::WeirPolicy => ("weir.dev/v1alpha1", "WeirPolicy"),
    };
    let mut spec = match &document.scope {
        Scope::Pods(pods) => target(pods),
        Scope::Node(labels) => Map::from_iter([("nodeSelector".to_owned(), selector(labels))]),
    };
    let sides = [
        ("Ingress", "ingress", "from", &document.ingress),
        ("Egress", "egress", "to", &document.egress),
    ];
    let types = sides.iter().filter(|(.., side)| side.isolates);
    let types: Vec<_> = types.map(|(name, ..)| *name).collect();
    spec.insert("policyTypes".to_owned(), json!(types));
    for (_, field, peers, side) in sides {
        spec.insert(field.to_owned(), rules(document.kind, peers, side));
    }
    json!({ "apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec })
}

fn rules(kind: PolicyKind, peers: &str, side: &Rules) -> Value {
    let rules = side.rules.iter().map(|one| rule(kind, peers, one));
    rules.collect()
}

fn rule(kind: PolicyKind, peers: &str, rule: &PolicyRule) -> Value {
    let mut fields = Map::new();
    if kind == PolicyKind::WeirPolicy {
        let action = match rule.action {
            Action::Allow => "allow",
            Action::Deny => "deny",
        };
        fields.insert("action".to_owned(), json!(action));
    }
    if let Some(list) = &rule.peers {
        let list: Value = list.iter().map(peer).collect();
        fields.insert(peers.to_owned(), list);
    }
    if let Some(list) = &rule.ports {
        let list: Value = list.iter().map(port).collect();
        fields.insert("ports".to_owned(), list);
    }
    fields.into()
}

fn peer(peer: &Peer) -> Value {
    match peer {
        Peer::Pods(pods) => target(pods).into(),
        Peer::Network { network, except } => {
            let except: Vec<_> = except.iter().map(ToString::to_string).collect();
            json!({ "ipBlock": { "cidr": network.to_string(), "except": except } })
        }
        Peer::Entity(entity) => {
            let entity = match entity {
                Entity::Host => "host",
                Entity::World => "world",
                Entity::All => "all",
            };
            json!({ "entities": [entity] })
        }
    }
}

fn port(port: &PortRule) -> Value {
    let protocol = json!(port.protocol);
    match &port.port {
        PortMatch::Any => json!({ "protocol": protocol }),
        PortMatch::Range(first, last) if first == last => {
            json!({ "protocol": protocol, "port": first })
        }
        PortMatch::Range(first, last) => {
            json!({ "protocol": protocol, "port": first, "endPort": last })
        }
        PortMatch::Named(name) => json!({ "protocol": protocol, "port": name }),
    }
}

/// The own namespace of a document is what a selector of pods means alone.
fn target(target: &Target) -> Map<String, Value> {
    let mut fields = Map::new();
    if let Namespaces::Labelled(namespaces) = &target.namespaces {
        fields.insert("namespaceSelector".to_owned(), selector(namespaces));
    }
    fields.insert("podSelector".to_owned(), selector(&target.pods));
    fields
}

fn selector(selector: &Selector) -> Value {
    if selector.0.is_empty() {
        return json!({});
    }
    let expressions: Value = selector.0.iter().map(expression).collect();
    json!({ "matchExpressions": expressions })
}

fn expression(requirement: &Requirement) -> Value {
    let operator = match requirement.operator {
        Operator::In => "In",
        Operator::NotIn => "NotIn",
        Operator::Exists => "Exists",
        Operator::DoesNotExist => "DoesNotExist",
    };
    let mut fields = Map::new();
    fields.insert("key".to_owned(), json!(requirement.key));
    fields.insert("operator".to_owned(), json!(operator));
    if !requirement.values.is_empty() {
        fields.insert("values".to_owned(), json!(requirement.values));
    }
    fields.into()
}
