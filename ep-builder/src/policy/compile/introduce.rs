//! A new identity under a policy that is in force.

use std::collections::BTreeMap;

use super::rules::HOST;
use super::{CompileError, CompileOptions, Node, entries, error, fits};
use crate::policy::{NodeFacts, PodFacts, PolicyEntry, PolicySet, SubjectPolicy};

/// What a new identity changes. Compiling everything with it would give the same, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduced {
    /// Its own policy.
    pub subject: SubjectPolicy,
    /// What the policies of the others get in addition: entries for the new identity as a peer, sorted by
    /// rule, for those that have any, the node among them. Whether they fit must ask who knows how full the maps
    /// are.
    pub additions: BTreeMap<u32, Vec<PolicyEntry>>,
}

/// What pods with a new identity change for pods with the identities `known`, under the documents that these
/// were compiled from.
pub fn introduce(
    set: &PolicySet,
    known: &BTreeMap<u32, PodFacts>,
    host: &NodeFacts,
    identity: u32,
    facts: &PodFacts,
    options: &CompileOptions,
) -> Result<Introduced, CompileError> {
    let mut pods: BTreeMap<_, _> = known
        .iter()
        .map(|(number, facts)| (*number, facts))
        .collect();
    pods.insert(identity, facts);
    let node = Node::new(set, pods.into_iter(), host);
    let naming = node.documents_naming(identity);
    let mut introduced = Introduced::default();
    for (place, (number, other)) in node.pods.list().iter().enumerate() {
        if *number == identity {
            let documents = node.these(&node.documents_for(place));
            introduced.subject = entries::subject(&documents, &facts.ports, options);
            fits(
                set,
                identity,
                || error::described(facts),
                &introduced.subject,
                options,
            )?;
        } else if naming.iter().any(|document| document.subjects.has(place)) {
            let documents = node.these(&node.documents_for(place));
            let additions = entries::about(identity, &documents, &other.ports);
            if !additions.is_empty() {
                introduced.additions.insert(*number, additions);
            }
        }
    }
    if naming.iter().any(|document| document.is_the_nodes) {
        let additions = entries::about(identity, &node.documents_for_the_node(), &[]);
        if !additions.is_empty() {
            introduced.additions.insert(HOST, additions);
        }
    }
    Ok(introduced)
}
