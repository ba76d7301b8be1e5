//! Random documents.

use std::sync::Arc;

use super::choices::Choices;
use super::palette::Palette;
use super::{NAMESPACE_LABELS, NAMESPACES, NODE_LABELS, POD_LABELS, PORT_NAMES, labels};
use crate::maps::Prefix;
use crate::policy::{
    Action, Document, Entity, Namespaces, Operator, Peer, Place, PolicyKind, PolicyRule, PolicySet,
    PortMatch, PortRule, Requirement, Rules, Scope, Selector, Target,
};

/// Some policies, and labels for some namespaces.
pub(super) fn set(choices: &mut Choices, palette: &Palette) -> PolicySet {
    let mut pen = Pen { palette, line: 0 };
    let count = 1 + choices.below(7);
    let policies = (0..count).map(|number| policy(choices, number, &mut pen));
    let policies = policies.collect();
    let named = choices.some_of(&NAMESPACES, 70);
    let namespaces = named.into_iter().map(|name| {
        let labels = labels(choices, &NAMESPACE_LABELS, 70);
        (name.to_owned(), labels)
    });
    PolicySet {
        namespaces: namespaces.collect(),
        policies,
    }
}

/// What a document is written with.
struct Pen<'a> {
    palette: &'a Palette,
    /// Each rule has a line of its own, so that a place tells which one it is.
    line: u32,
}

impl Pen<'_> {
    fn place(&mut self) -> Place {
        self.line += 1;
        Place {
            file: Arc::from("random.yaml"),
            line: self.line,
        }
    }
}

fn policy(choices: &mut Choices, number: usize, pen: &mut Pen<'_>) -> Document {
    let kind = if choices.percent(40) {
        PolicyKind::WeirPolicy
    } else {
        PolicyKind::NetworkPolicy
    };
    let namespace = match kind {
        PolicyKind::NetworkPolicy => choices.one_of(&NAMESPACES).unwrap_or_default(),
        PolicyKind::WeirPolicy => "",
    };
    let namespaces = match kind {
        PolicyKind::NetworkPolicy => Namespaces::Named(namespace.to_owned()),
        PolicyKind::WeirPolicy => Namespaces::Labelled(namespace_selector(choices)),
    };
    let scope = if kind == PolicyKind::WeirPolicy && choices.percent(35) {
        Scope::Node(selector(choices, &NODE_LABELS))
    } else {
        Scope::Pods(Target {
            namespaces,
            pods: pod_selector(choices),
        })
    };
    let mut ingress = side(choices, kind, namespace, pen);
    let mut egress = side(choices, kind, namespace, pen);
    if matches!(scope, Scope::Node(_)) {
        without_names(&mut ingress);
        without_names(&mut egress);
    }
    // Kubernetes' kind always isolates: without `policyTypes` it is ingress.
    ingress.isolates |= kind == PolicyKind::NetworkPolicy && !egress.isolates;
    Document {
        kind,
        namespace: namespace.to_owned(),
        name: format!("policy-{number}"),
        place: pen.place(),
        scope,
        ingress,
        egress,
    }
}

/// Only pods have names for ports, and nobody asks about what the node sends to them.
fn without_names(side: &mut Rules) {
    let ports = side.rules.iter_mut().filter_map(|rule| rule.ports.as_mut());
    for port in ports.flatten() {
        if matches!(port.port, PortMatch::Named(_)) {
            port.port = PortMatch::Any;
        }
    }
}

fn side(choices: &mut Choices, kind: PolicyKind, namespace: &str, pen: &mut Pen<'_>) -> Rules {
    let isolates = choices.percent(match kind {
        PolicyKind::NetworkPolicy => 70,
        PolicyKind::WeirPolicy => 30,
    });
    Rules {
        isolates,
        rules: choices.up_to(3, |choices| PolicyRule {
            place: pen.place(),
            action: match kind {
                PolicyKind::WeirPolicy if choices.percent(60) => Action::Deny,
                _ => Action::Allow,
            },
            peers: peers(choices, kind, namespace, pen.palette),
            ports: ports(choices, pen.palette),
        }),
    }
}

fn peers(
    choices: &mut Choices,
    kind: PolicyKind,
    namespace: &str,
    palette: &Palette,
) -> Option<Vec<Peer>> {
    let count = 1 + choices.below(2);
    let peers = |choices: &mut Choices| {
        choices.times(count, |choices| peer(choices, kind, namespace, palette))
    };
    (!choices.percent(25)).then(|| peers(choices))
}

fn peer(choices: &mut Choices, kind: PolicyKind, namespace: &str, palette: &Palette) -> Peer {
    match (choices.below(6), kind) {
        (0, PolicyKind::NetworkPolicy) => Peer::Pods(Target {
            namespaces: Namespaces::Named(namespace.to_owned()),
            pods: pod_selector(choices),
        }),
        (4, PolicyKind::WeirPolicy) => {
            let entities = [Entity::Host, Entity::World, Entity::All];
            Peer::Entity(choices.one_of(&entities).unwrap_or(Entity::All))
        }
        (4 | 5, _) => block(choices, &palette.networks),
        _ => Peer::Pods(Target {
            namespaces: Namespaces::Labelled(namespace_selector(choices)),
            pods: pod_selector(choices),
        }),
    }
}

/// A network with some of those that lie in it left out.
fn block(choices: &mut Choices, networks: &[Prefix]) -> Peer {
    let Some(network) = choices.one_of(networks) else {
        return Peer::Entity(Entity::World);
    };
    let inside = networks.iter().copied();
    let inside = inside.filter(|other| network.contains(*other) && network != *other);
    let inside: Vec<_> = inside.collect();
    Peer::Network {
        network,
        except: choices.some_of(&inside, 30),
    }
}

fn ports(choices: &mut Choices, palette: &Palette) -> Option<Vec<PortRule>> {
    let count = 1 + choices.below(2);
    let ports = choices.percent(60).then(|| {
        let ports = choices.times(count, |choices| port(choices, palette));
        ports.into_iter().flatten().collect()
    });
    ports.filter(|ports: &Vec<_>| !ports.is_empty())
}

fn port(choices: &mut Choices, palette: &Palette) -> Option<PortRule> {
    let port = match choices.below(8) {
        0 | 1 => {
            let port = choices.one_of(&palette.ports)?;
            PortMatch::Range(port, port)
        }
        2..5 => {
            let (one, other) = (
                choices.one_of(&palette.ports)?,
                choices.one_of(&palette.ports)?,
            );
            PortMatch::Range(one.min(other), one.max(other))
        }
        5 | 6 => PortMatch::Named(choices.one_of(&PORT_NAMES)?.to_owned()),
        _ => PortMatch::Any,
    };
    Some(PortRule {
        protocol: choices.one_of(&palette.protocols)?,
        port,
    })
}

fn pod_selector(choices: &mut Choices) -> Selector {
    selector(choices, &POD_LABELS)
}

fn namespace_selector(choices: &mut Choices) -> Selector {
    let mut labels = NAMESPACE_LABELS.to_vec();
    labels.push(("kubernetes.io/metadata.name", ["shop", "default"]));
    selector(choices, &labels)
}

/// Most often of all, or with one condition.
fn selector(choices: &mut Choices, all: &[(&str, [&str; 2])]) -> Selector {
    let count = choices.below(5).saturating_sub(2);
    let requirements = choices.times(count, |choices| requirement(choices, all));
    Selector(requirements.into_iter().flatten().collect())
}

fn requirement(choices: &mut Choices, all: &[(&str, [&str; 2])]) -> Option<Requirement> {
    let (key, values) = choices.one_of(all)?;
    let operators = [
        Operator::In,
        Operator::NotIn,
        Operator::Exists,
        Operator::DoesNotExist,
    ];
    let operator = choices.one_of(&operators)?;
    let values = match operator {
        Operator::In | Operator::NotIn => {
            let mut some = choices.some_of(&values, 30);
            if some.is_empty() {
                some.extend(choices.one_of(&values));
            }
            some
        }
        Operator::Exists | Operator::DoesNotExist => Vec::new(),
    };
    Some(Requirement {
        key: key.to_owned(),
        operator,
        values: values.into_iter().map(str::to_owned).collect(),
    })
}
