//! What stands behind the numbers of rules: the documents that a policy was compiled from.

use std::collections::BTreeMap;

use ep_builder::endpoint::Endpoint;
use ep_builder::identity::FIRST;
use ep_builder::maps::Direction;
use ep_builder::policy::{
    CompileOptions, Document, Holder, NodeFacts, Origin, PodFacts, PolicySet, PolicyStore,
    SourceFile, compile, documents::parse,
};

use super::report::{Policy, Rule};
use super::scene::IDENTITY_OF_NODE;

/// Of the question whether a document isolates a pod, and of nothing else.
const ONLY_ISOLATION: CompileOptions = CompileOptions {
    allow_localhost: true,
    max_entries: usize::MAX,
};

/// The documents of a revision, and its rules by their numbers.
#[derive(Default)]
pub(super) struct Book {
    pub(super) set: PolicySet,
    pub(super) origins: Vec<Origin>,
    /// The node as it was when these were put in force.
    pub(super) node: NodeFacts,
}

/// Those of everybody with a policy whom a packet meets.
pub(super) type Books = BTreeMap<Holder, Book>;

impl Book {
    /// That of the revision at which an endpoint stands. A policy that was changed by hand keeps the numbers of
    /// the one it was made from. What cannot be read any more stays a number: the verdict does not depend on it.
    pub(super) fn of(store: &PolicyStore, revision: u32) -> Self {
        let current = || store.current().ok().flatten();
        let origins = store.origins(revision).map(|origins| (revision, origins));
        let found = origins.ok().or_else(|| {
            let current = current()?;
            Some((current, store.origins(current).ok()?))
        });
        let Some((revision, origins)) = found else {
            return Self::default();
        };
        Self {
            set: documents(store, revision).unwrap_or_default(),
            origins,
            node: store
                .basis(revision)
                .map_or_else(|_| NodeFacts::default(), |it| it.node.facts),
        }
    }

    /// The rule with this number; 0 is none.
    pub(super) fn rule(&self, number: u32) -> Option<Rule> {
        Some(Rule::new(number, Origin::of_rule(&self.origins, number)?))
    }

    /// The documents that ask for a rule for what reaches a pod, or the node, or for what it sends.
    pub(super) fn isolating(
        &self,
        endpoint: Option<&Endpoint>,
        direction: Direction,
    ) -> Vec<Policy> {
        let facts = endpoint.map(|endpoint| PodFacts::of(&endpoint.labels));
        let documents = self.set.policies.iter();
        documents
            .filter(|document| self.isolates(document, facts.as_ref(), direction))
            .map(|document| Policy {
                kind: document.kind,
                namespace: document.namespace.clone(),
                name: document.name.clone(),
                file: document.place.file.to_string(),
                line: document.place.line,
            })
            .collect()
    }

    /// The compiler is asked about the one document and the one pod, or the node, so that there is one meaning of
    /// selectors.
    fn isolates(&self, document: &Document, pod: Option<&PodFacts>, direction: Direction) -> bool {
        let mut only = document.clone();
        only.ingress.rules.clear();
        only.egress.rules.clear();
        let set = PolicySet {
            policies: vec![only],
            namespaces: self.set.namespaces.clone(),
        };
        let subject = pod.map_or(IDENTITY_OF_NODE, |_| FIRST);
        let pods = pod.map(|facts| (FIRST, facts.clone())).into_iter();
        let compiled = compile(&set, &pods.collect(), &self.node, &ONLY_ISOLATION);
        let compiled = compiled.ok();
        let subject = compiled.and_then(|it| it.subjects.get(&subject).cloned());
        subject.is_some_and(|subject| match direction {
            Direction::Ingress => subject.isolates_ingress,
            Direction::Egress => subject.isolates_egress,
        })
    }
}

fn documents(store: &PolicyStore, revision: u32) -> Option<PolicySet> {
    let sources = store.sources(revision).ok()?;
    let files = sources.files.iter().map(|(path, text)| SourceFile {
        path: path.as_ref().into(),
        text: text.clone(),
    });
    Some(parse(files.collect()).ok()?.set)
}
