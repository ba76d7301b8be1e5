//! Why a policy cannot be enforced.

use std::fmt;

use super::super::compiled::Origin;
use crate::policy::PodFacts;

/// How many of a pod's policies an error names.
const NAMED: usize = 3;

/// A set of documents that cannot be enforced on this node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// A policy map has no room for what the documents say for the pods of an identity.
    #[error(
        "the policy of the pods with identity {identity} ({pods}) needs {entries} entries, and a policy map holds {limit}: \
         most come from {}; raise `policy` under [maps] in weir.toml, or let these policies name fewer peers and ports",
        listed(most)
    )]
    TooManyEntries {
        /// Their identity.
        identity: u32,
        /// What they have in common, for people.
        pods: String,
        /// How many entries they need.
        entries: usize,
        /// How many there is room for.
        limit: usize,
        /// The documents that most of these come from, that with the most first.
        most: Vec<Share>,
    },
}

/// How many of a pod's entries come from a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// One of the document's rules.
    pub origin: Origin,
    /// How many entries.
    pub entries: usize,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Origin {
            kind,
            namespace,
            name,
            place,
            ..
        } = &self.origin;
        let slash = if namespace.is_empty() { "" } else { "/" };
        let (file, entries) = (&place.file, self.entries);
        write!(f, "{kind:?} {namespace}{slash}{name} in {file} ({entries})")
    }
}

fn listed(shares: &[Share]) -> String {
    let shares: Vec<_> = shares.iter().map(Share::to_string).collect();
    shares.join(", ")
}

/// The documents that most entries come from, given the number of entries of each rule.
pub(super) fn most(by_rule: impl Iterator<Item = (Origin, usize)>) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for (origin, entries) in by_rule {
        let same = |share: &&mut Share| {
            let of = &share.origin;
            (of.kind, &of.namespace, &of.name) == (origin.kind, &origin.namespace, &origin.name)
        };
        match shares.iter_mut().find(same) {
            Some(share) => share.entries += entries,
            None => shares.push(Share { origin, entries }),
        }
    }
    shares.sort_by_key(|share| std::cmp::Reverse(share.entries));
    shares.truncate(NAMED);
    shares
}

/// A pod for people: its namespace and labels.
pub(super) fn described(facts: &PodFacts) -> String {
    let labels: Vec<_> = facts
        .labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    let labels = if labels.is_empty() {
        "no labels".to_owned()
    } else {
        labels.join(", ")
    };
    format!("namespace {}, {labels}", facts.namespace)
}
