//! What policy documents say, without their spelling: every default is filled in, every list has its
//! meaning, and what could be written in two ways is one thing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::maps::Prefix;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The file, as the operator knows it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
}

/// All that is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicySet {
    /// The policies, in the order of their files and lines.
    pub policies: Vec<Document>,
    /// The labels of each namespace that has a document. Every namespace has its name as the label
    /// `kubernetes.io/metadata.name`, with or without one.
    pub namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

impl PolicySet {
    /// Whether one of them speaks for nodes, this one or others.
    pub fn speaks_for_nodes(&self) -> bool {
        let mut documents = self.policies.iter();
        documents.any(|document| matches!(document.scope, Scope::Node(_)))
    }
}

/// One policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is a document of.
    pub kind: PolicyKind,
    /// Its namespace; empty for a kind that has none.
    pub namespace: String,
    /// Its name, unique for its kind and namespace.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// For whom it speaks.
    pub scope: Scope,
    /// What may, or may not, reach them.
    pub ingress: Rules,
    /// What they may, or may not, reach.
    pub egress: Rules,
}

/// The kinds of policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PolicyKind {
    /// `networking.k8s.io/v1`.
    NetworkPolicy,
    /// `weir.dev/v1alpha1`: of the whole node, and with rules that deny.
    WeirPolicy,
}

/// For whom a policy speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// For pods.
    Pods(Target),
    /// For the node itself, if it has such labels.
    Node(Selector),
}

/// The pods of some namespaces with some labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Their namespaces.
    pub namespaces: Namespaces,
    /// Their labels.
    pub pods: Selector,
}

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Namespaces {
    /// This one.
    Named(String),
    /// Those with such labels; an empty selector is all of them.
    Labelled(Selector),
}

/// Conditions that all must hold; none is always true.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selector(pub Vec<Requirement>);

/// A condition on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// What must be true of it.
    pub operator: Operator,
    /// The values in question; empty for the two operators that ask for none.
    pub values: BTreeSet<String>,
}

/// What must be true of a label. `matchLabels` is `In` with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// It is there and has one of the values.
    In,
    /// It has none of the values, or is not there at all.
    NotIn,
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// The rules for one direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Whether traffic of this direction needs a rule that allows it: of any document with the same subject.
    pub isolates: bool,
    /// The rules. Who is isolated by no document may do all that no rule denies.
    pub rules: Vec<PolicyRule>,
}

/// One rule: traffic with one of the peers on one of the ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRule {
    /// Where it begins.
    pub place: Place,
    /// What becomes of the traffic. What one rule denies no other one allows.
    pub action: Action,
    /// The peers; none for anybody. (An empty list and none at all mean the same to Kubernetes.)
    pub peers: Option<Vec<Peer>>,
    /// The traffic; none for all of it, of every protocol.
    pub ports: Option<Vec<PortRule>>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Lets it pass.
    Allow,
    /// Drops it.
    Deny,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Pods.
    Pods(Target),
    /// Whoever has an address in the network and in none of the exceptions, which lie within it.
    Network {
        /// The network.
        network: Prefix,
        /// What is left out.
        except: Vec<Prefix>,
    },
    /// Somebody who has no labels.
    Entity(Entity),
}

/// Peers without labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entity {
    /// The node.
    Host,
    /// Whoever is neither a pod of ours nor the node.
    World,
    /// Anybody.
    All,
}

/// Traffic of one protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PortRule {
    /// The protocol.
    pub protocol: Protocol,
    /// The port of the side that answers.
    pub port: PortMatch,
}

/// The protocols that policy knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// 6
    Tcp,
    /// 17
    Udp,
    /// 132
    Sctp,
}

impl Protocol {
    /// Its number in the headers of IP.
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

/// Which ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortMatch {
    /// All of them.
    Any,
    /// From one to another, both included.
    Range(u16, u16),
    /// The one that the pod that answers calls so, for this protocol.
    Named(String),
}
