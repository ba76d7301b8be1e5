//! Policies as lines of text, so that tables of them can be read.

use crate::policy::{
    Document, Namespaces, Operator, Peer, PolicyKind, PolicyRule, PortMatch, PortRule, Requirement,
    Rules, Scope, Selector, Target,
};

/// A policy: its name and target, then a line for each direction that is isolated, and for each rule.
pub(super) fn policy(policy: &Document) -> Vec<String> {
    let kind = match policy.kind {
        PolicyKind::NetworkPolicy => "np",
        PolicyKind::WeirPolicy => "wp",
    };
    let Document {
        namespace,
        name,
        scope,
        ..
    } = policy;
    let scope = match scope {
        Scope::Pods(target) => show(target),
        Scope::Node(labels) => format!("node {}", selector(labels)),
    };
    let mut lines = vec![format!("{kind} {namespace}/{name}: {scope}")];
    lines.extend(direction("ingress", &policy.ingress));
    lines.extend(direction("egress", &policy.egress));
    lines
}

fn direction(name: &str, rules: &Rules) -> Vec<String> {
    let isolated = rules.isolates.then(|| format!("{name} isolated"));
    let rules = rules
        .rules
        .iter()
        .map(|one| format!("{name} {}", rule(one)));
    isolated.into_iter().chain(rules).collect()
}

fn rule(rule: &PolicyRule) -> String {
    let action = format!("{:?}", rule.action).to_lowercase();
    let peers = rule.peers.as_ref().map_or("anybody".to_owned(), |peers| {
        peers.iter().map(peer).collect::<Vec<_>>().join(", ")
    });
    let ports = rule.ports.as_ref().map_or("all".to_owned(), |ports| {
        ports.iter().map(port).collect::<Vec<_>>().join(", ")
    });
    format!("{action} {peers} on {ports}")
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Pods(target) => show(target),
        Peer::Entity(entity) => format!("{entity:?}").to_lowercase(),
        Peer::Network { network, except } => {
            let except = except.iter().map(|prefix| format!(" less {prefix}"));
            format!("{network}{}", except.collect::<String>())
        }
    }
}

fn port(rule: &PortRule) -> String {
    let protocol = format!("{:?}", rule.protocol).to_lowercase();
    match &rule.port {
        PortMatch::Any => protocol,
        PortMatch::Range(first, last) if first == last => format!("{protocol} {first}"),
        PortMatch::Range(first, last) => format!("{protocol} {first}-{last}"),
        PortMatch::Named(name) => format!("{protocol} {name}"),
    }
}

fn show(target: &Target) -> String {
    let namespaces = match &target.namespaces {
        Namespaces::Named(name) => name.clone(),
        Namespaces::Labelled(labels) => selector(labels),
    };
    format!("{} of {namespaces}", selector(&target.pods))
}

fn selector(selector: &Selector) -> String {
    let parts: Vec<_> = selector.0.iter().map(requirement).collect();
    format!("[{}]", parts.join(" "))
}

fn requirement(one: &Requirement) -> String {
    let Requirement {
        key,
        operator,
        values,
    } = one;
    let values: Vec<_> = values.iter().map(String::as_str).collect();
    let values = values.join("|");
    match operator {
        Operator::In => format!("{key}={values}"),
        Operator::NotIn => format!("{key}!={values}"),
        Operator::Exists => key.clone(),
        Operator::DoesNotExist => format!("!{key}"),
    }
}
