//! What documents mean for one connection, as Kubernetes' reference and ours tell it.
//!
//! It shares nothing with the compiler but the types: every document, rule, peer and port is gone through,
//! one after the other, for every question.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::maps::{Direction, Prefix};
use crate::policy::{
    Action, Document, Entity, Namespaces, NodeFacts, Operator, Peer, PodFacts, PolicyKind,
    PolicyRule, PolicySet, PortMatch, PortRule, Protocol, Requirement, Rules, Scope, Selector,
    Target,
};

/// A connection that somebody wants to open, from the point of view of one end.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// This end.
    pub subject: Subject<'a>,
    /// Whether it is reached, or reaches out.
    pub direction: Direction,
    /// Who is at the other end.
    pub remote: Who<'a>,
    /// The address of the other end.
    pub address: IpAddr,
    /// The number of the protocol.
    pub protocol: u8,
    /// The port of the side that answers; for ICMP the type of the message, else 0.
    pub port: u16,
}

/// Whose policy is asked.
#[derive(Clone, Copy, Debug)]
pub enum Subject<'a> {
    /// A pod's.
    Pod(&'a PodFacts),
    /// The node's.
    Node(&'a NodeFacts),
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// A pod of this node.
    Pod(&'a PodFacts),
    /// The node.
    Host,
    /// Somebody else.
    World,
}

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It may exist.
    Allowed {
        /// Whether no rule is needed: nothing isolates the subject, or it is the node that asks a pod.
        freely: bool,
        /// The rules that allow it; where nothing isolates none is looked at.
        rules: Vec<&'a PolicyRule>,
    },
    /// These rules deny it.
    Denied(Vec<&'a PolicyRule>),
    /// It would need a rule that allows it, and there is none.
    NotAllowed,
}

/// The verdict on a connection.
pub fn verdict<'a>(
    set: &'a PolicySet,
    allow_localhost: bool,
    question: &Question<'_>,
) -> Verdict<'a> {
    let mut isolated = false;
    let mut allowing = Vec::new();
    let mut denying = Vec::new();
    for document in &set.policies {
        let side = side(document, question.direction);
        let is_silent = document.kind == PolicyKind::NetworkPolicy && !side.isolates;
        if is_silent || !is_about(set, &document.scope, question.subject) {
            continue;
        }
        isolated |= side.isolates;
        for rule in side
            .rules
            .iter()
            .filter(|rule| matches(set, rule, question))
        {
            match rule.action {
                Action::Allow => allowing.push(rule),
                Action::Deny => denying.push(rule),
            }
        }
    }
    let is_host = matches!(question.remote, Who::Host);
    let is_pods = matches!(question.subject, Subject::Pod(_));
    let probes = allow_localhost && is_pods && is_host && question.direction == Direction::Ingress;
    if !denying.is_empty() {
        Verdict::Denied(denying)
    } else if !isolated {
        Verdict::Allowed {
            freely: true,
            rules: Vec::new(),
        }
    } else if probes || !allowing.is_empty() {
        Verdict::Allowed {
            freely: probes,
            rules: allowing,
        }
    } else {
        Verdict::NotAllowed
    }
}

fn side(document: &Document, direction: Direction) -> &Rules {
    match direction {
        Direction::Ingress => &document.ingress,
        Direction::Egress => &document.egress,
    }
}

fn matches(set: &PolicySet, rule: &PolicyRule, question: &Question<'_>) -> bool {
    // A name of a port is looked up in the pod that answers, so which ports fit depends on the peer.
    match &rule.peers {
        None => fits(rule, question, answering(question)),
        Some(peers) => peers.iter().any(|peer| {
            is_peer(set, peer, question) && fits(rule, question, answering_as(peer, question))
        }),
    }
}

/// The pod that answers, if it is one that we know.
fn answering<'a>(question: &Question<'a>) -> Option<&'a PodFacts> {
    match (question.direction, question.subject, question.remote) {
        (Direction::Ingress, Subject::Pod(facts), _) | (Direction::Egress, _, Who::Pod(facts)) => {
            Some(facts)
        }
        (Direction::Ingress, Subject::Node(_), _)
        | (Direction::Egress, _, Who::Host | Who::World) => None,
    }
}

/// The pod that answers, if a rule that means this peer knows of it: who reaches out to a network, to the
/// node or to the world names no pod.
fn answering_as<'a>(peer: &Peer, question: &Question<'a>) -> Option<&'a PodFacts> {
    let names_pods = match peer {
        Peer::Pods(_) | Peer::Entity(Entity::All) => true,
        Peer::Network { .. } | Peer::Entity(Entity::Host | Entity::World) => false,
    };
    let counts = names_pods || question.direction == Direction::Ingress;
    answering(question).filter(|_| counts)
}

fn is_peer(set: &PolicySet, peer: &Peer, question: &Question<'_>) -> bool {
    match (peer, question.remote) {
        (Peer::Pods(target), Who::Pod(facts)) => selects(set, target, facts),
        (Peer::Network { network, except }, _) => {
            holds(*network, question.address)
                && !except.iter().any(|out| holds(*out, question.address))
        }
        (Peer::Entity(Entity::All), _)
        | (Peer::Entity(Entity::Host), Who::Host)
        | (Peer::Entity(Entity::World), Who::World) => true,
        (Peer::Pods(_) | Peer::Entity(_), _) => false,
    }
}

fn fits(rule: &PolicyRule, question: &Question<'_>, answering: Option<&PodFacts>) -> bool {
    let Some(ports) = &rule.ports else {
        return true;
    };
    ports.iter().any(|port| is_port(port, question, answering))
}

fn is_port(port: &PortRule, question: &Question<'_>, answering: Option<&PodFacts>) -> bool {
    let number = match port.protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    };
    let meant = match &port.port {
        PortMatch::Any => true,
        PortMatch::Range(first, last) => *first <= question.port && question.port <= *last,
        PortMatch::Named(name) => answering.is_some_and(|facts| {
            facts.ports.iter().any(|own| {
                own.name == *name
                    && own.protocol == port.protocol
                    && own.container_port == question.port
            })
        }),
    };
    meant && number == question.protocol
}

/// Whether a document is about somebody.
fn is_about(set: &PolicySet, scope: &Scope, subject: Subject<'_>) -> bool {
    match (scope, subject) {
        (Scope::Pods(target), Subject::Pod(facts)) => selects(set, target, facts),
        (Scope::Node(selector), Subject::Node(facts)) => selects_node(selector, facts),
        (Scope::Pods(_), Subject::Node(_)) | (Scope::Node(_), Subject::Pod(_)) => false,
    }
}

/// Whether a document of the node means the one with these labels.
pub fn selects_node(selector: &Selector, facts: &NodeFacts) -> bool {
    all_hold(selector, &facts.labels)
}

/// Whether a target means a pod.
pub fn selects(set: &PolicySet, target: &Target, facts: &PodFacts) -> bool {
    let by_namespace = match &target.namespaces {
        Namespaces::Named(name) => *name == facts.namespace,
        Namespaces::Labelled(selector) => {
            let mut labels = set.namespaces.get(&facts.namespace).cloned();
            let labels = labels.get_or_insert_default();
            let name = "kubernetes.io/metadata.name".to_owned();
            labels.insert(name, facts.namespace.clone());
            all_hold(selector, labels)
        }
    };
    let is_anywhere = !facts.namespace.is_empty();
    is_anywhere && by_namespace && all_hold(&target.pods, &facts.labels)
}

fn all_hold(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    selector
        .0
        .iter()
        .all(|requirement| holds_for(requirement, labels))
}

fn holds_for(requirement: &Requirement, labels: &BTreeMap<String, String>) -> bool {
    let value = labels.get(&requirement.key);
    let is_listed = value.is_some_and(|value| requirement.values.contains(value));
    match requirement.operator {
        Operator::In => is_listed,
        Operator::NotIn => !is_listed,
        Operator::Exists => value.is_some(),
        Operator::DoesNotExist => value.is_none(),
    }
}

/// Whether a network has this address: its bits, one after the other.
fn holds(network: Prefix, address: IpAddr) -> bool {
    let (ours, theirs) = (octets(network.address()), octets(address));
    let mut bits = (0..usize::from(network.bits())).map(|at| (at / 8, 7 - at % 8));
    ours.len() == theirs.len()
        && bits.all(|(octet, bit)| {
            let difference = ours.get(octet).zip(theirs.get(octet)).map(|(a, b)| a ^ b);
            difference.is_some_and(|difference| difference >> bit & 1 == 0)
        })
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
