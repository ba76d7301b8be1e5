//! From what documents say to what the datapath's maps hold, for every identity of a node.
//!
//! ```text
//! PolicySet, pods -> [selectors] -> documents of these pods -> [peers, ports] -> candidates -> [resolve] -> entries
//! ```
//!
//! Pure: equal documents and pods give equal entries, in the same order. The numbers of rules and networks
//! follow from the documents alone, so a new pod changes none of them.
//! `docs/decisions/0019-policy-compiled-per-identity.md` has the reasons.

mod bits;
mod entries;
mod error;
mod index;
mod introduce;
mod networks;
mod ports;
mod rules;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

pub use error::{CompileError, Share};
pub use introduce::{Introduced, introduce};
pub(crate) use rules::HOST;

use super::{Compiled, NamedPort, NodeFacts, Origin, PodFacts, PolicySet, SubjectPolicy};
use index::Pods;
use networks::Networks;
use rules::Prepared;

/// What the operator decides beyond the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileOptions {
    /// Whether the node reaches its pods whatever is allowed; a rule that denies it wins.
    pub allow_localhost: bool,
    /// How many entries an endpoint may have.
    pub max_entries: usize,
}

/// The policy of each of these identities, and of the node if a document speaks for it.
pub fn compile(
    set: &PolicySet,
    pods: &BTreeMap<u32, PodFacts>,
    host: &NodeFacts,
    options: &CompileOptions,
) -> Result<Compiled, CompileError> {
    let pods = pods.iter().map(|(identity, facts)| (*identity, facts));
    let node = Node::new(set, pods, host);
    let mut known: HashMap<Question<'_>, SubjectPolicy> = HashMap::new();
    let mut subjects = BTreeMap::new();
    for (place, (identity, facts)) in node.pods.list().iter().enumerate() {
        let documents = node.documents_for(place);
        let question = node.question(&documents, facts);
        let policy = known
            .entry(question)
            .or_insert_with(|| entries::subject(&node.these(&documents), &facts.ports, options));
        fits(set, *identity, || error::described(facts), policy, options)?;
        subjects.insert(*identity, policy.clone());
    }
    let documents = node.documents_for_the_node();
    if !documents.is_empty() {
        let policy = entries::of_the_node(&documents);
        fits(set, HOST, || "the node itself".to_owned(), &policy, options)?;
        subjects.insert(HOST, policy);
    }
    Ok(Compiled {
        origins: rules::origins(set),
        networks: node.networks.numbered(),
        subjects,
    })
}

/// All that the policy of a pod follows from: the places of the documents that speak for it, and, if they ask
/// for them, its ports. Pods with the same share one answer.
type Question<'a> = (Vec<usize>, &'a [NamedPort]);

/// The documents and the pods of a node, brought together.
struct Node<'a> {
    pods: Pods<'a>,
    networks: Networks,
    documents: Vec<Prepared<'a>>,
}

impl<'a> Node<'a> {
    fn new(
        set: &'a PolicySet,
        pods: impl Iterator<Item = (u32, &'a PodFacts)>,
        host: &NodeFacts,
    ) -> Self {
        let pods = Pods::new(pods, &set.namespaces);
        let networks = Networks::of(set);
        let documents = rules::prepare(set, &pods, host, &networks);
        Self {
            pods,
            networks,
            documents,
        }
    }

    /// The places of the documents that speak for a pod.
    fn documents_for(&self, pod: usize) -> Vec<usize> {
        let documents = self.documents.iter().enumerate();
        let speaking = documents.filter(|(_, document)| document.subjects.has(pod));
        speaking.map(|(place, _)| place).collect()
    }

    /// The documents that speak for the node.
    fn documents_for_the_node(&self) -> Vec<&Prepared<'a>> {
        let documents = self.documents.iter();
        documents.filter(|document| document.is_the_nodes).collect()
    }

    /// The documents with a rule that names this identity as a peer.
    fn documents_naming(&self, identity: u32) -> Vec<&Prepared<'a>> {
        let naming = |document: &&Prepared<'_>| {
            let mut rules = document.rules.iter();
            rules.any(|rule| rule.names(identity))
        };
        self.documents.iter().filter(naming).collect()
    }

    fn these(&self, places: &[usize]) -> Vec<&Prepared<'a>> {
        let documents = places.iter().filter_map(|place| self.documents.get(*place));
        documents.collect()
    }

    fn question(&self, documents: &[usize], facts: &'a PodFacts) -> Question<'a> {
        let rules = self
            .these(documents)
            .into_iter()
            .flat_map(|document| &document.rules);
        let mut asking = rules.filter(|rule| !rule.own_ports.is_empty());
        let ports: &[NamedPort] = if asking.next().is_some() {
            &facts.ports
        } else {
            &[]
        };
        (documents.to_vec(), ports)
    }
}

fn fits(
    set: &PolicySet,
    identity: u32,
    described: impl Fn() -> String,
    policy: &SubjectPolicy,
    options: &CompileOptions,
) -> Result<(), CompileError> {
    if policy.entries.len() <= options.max_entries {
        return Ok(());
    }
    let mut by_rule: BTreeMap<usize, usize> = BTreeMap::new();
    for entry in &policy.entries {
        // Numbers count from 1, and 0 is no rule.
        if let Some(place) = (entry.decision.rule as usize).checked_sub(1) {
            *by_rule.entry(place).or_default() += 1;
        }
    }
    let origins = rules::origins(set);
    let named = by_rule
        .into_iter()
        .filter_map(|(place, entries)| Some((Origin::clone(origins.get(place)?), entries)));
    Err(CompileError::TooManyEntries {
        identity,
        pods: described(),
        entries: policy.entries.len(),
        limit: options.max_entries,
        most: error::most(named),
    })
}
