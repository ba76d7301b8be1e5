//! Which pods a selector means, without asking each pod: pods by label, by key and by namespace.

use std::collections::{BTreeMap, HashMap};

use super::bits::Bits;
use crate::policy::{Namespaces, Operator, PodFacts, Requirement, Selector, Target};

/// The label that every namespace has: its own name.
const NAME_OF_NAMESPACE: &str = "kubernetes.io/metadata.name";

/// The pods of a node, one of each identity.
pub(super) struct Pods<'a> {
    /// Their identities and facts, by place.
    list: Vec<(u32, &'a PodFacts)>,
    /// Those that are in a namespace.
    placed: Bits,
    own: Labels<'a>,
    of_namespaces: Labels<'a>,
    by_namespace: HashMap<&'a str, Bits>,
}

impl<'a> Pods<'a> {
    /// An index of these pods, in namespaces with these labels.
    pub(super) fn new(
        pods: impl Iterator<Item = (u32, &'a PodFacts)>,
        namespaces: &'a BTreeMap<String, BTreeMap<String, String>>,
    ) -> Self {
        let list: Vec<_> = pods.collect();
        let count = list.len();
        let mut this = Self {
            list,
            placed: Bits::none(count),
            own: Labels::new(count),
            of_namespaces: Labels::new(count),
            by_namespace: HashMap::new(),
        };
        for (place, (_, facts)) in this.list.iter().enumerate() {
            let namespace = facts.namespace.as_str();
            if namespace.is_empty() {
                continue;
            }
            this.placed.add(place);
            for (key, value) in &facts.labels {
                this.own.add(place, key, value);
            }
            let labels = namespaces.get(namespace).into_iter().flatten();
            for (key, value) in labels.filter(|(key, _)| *key != NAME_OF_NAMESPACE) {
                this.of_namespaces.add(place, key, value);
            }
            this.of_namespaces.add(place, NAME_OF_NAMESPACE, namespace);
            let members = this.by_namespace.entry(namespace);
            members.or_insert_with(|| Bits::none(count)).add(place);
        }
        this
    }

    /// All of them, by place.
    pub(super) fn list(&self) -> &[(u32, &'a PodFacts)] {
        &self.list
    }

    /// None of them.
    pub(super) fn none(&self) -> Bits {
        Bits::none(self.list.len())
    }

    /// Those that a target selects: of who is in no namespace nobody, however little it asks for.
    pub(super) fn meant_by(&self, target: &Target) -> Bits {
        let mut found = match &target.namespaces {
            Namespaces::Named(name) => {
                let members = self.by_namespace.get(name.as_str());
                members.cloned().unwrap_or_else(|| self.none())
            }
            Namespaces::Labelled(selector) => self.of_namespaces.meant_by(selector),
        };
        found.keep(&self.placed);
        found.keep(&self.own.meant_by(&target.pods));
        found
    }
}

/// Whether a selector means somebody with these labels.
pub(super) fn holds(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    let mut one = Labels::new(1);
    for (key, value) in labels {
        one.add(0, key, value);
    }
    one.meant_by(selector).has(0)
}

/// Pods by labels: their own, or those of their namespaces.
struct Labels<'a> {
    count: usize,
    keys: HashMap<&'a str, Key<'a>>,
}

/// The pods that have a label.
struct Key<'a> {
    any: Bits,
    by_value: HashMap<&'a str, Bits>,
}

impl<'a> Labels<'a> {
    fn new(count: usize) -> Self {
        Self {
            count,
            keys: HashMap::new(),
        }
    }

    fn add(&mut self, place: usize, key: &'a str, value: &'a str) {
        let none = || Bits::none(self.count);
        let key = self.keys.entry(key).or_insert_with(|| Key {
            any: none(),
            by_value: HashMap::new(),
        });
        key.any.add(place);
        key.by_value.entry(value).or_insert_with(none).add(place);
    }

    fn meant_by(&self, selector: &Selector) -> Bits {
        let mut found = Bits::all(self.count);
        for requirement in &selector.0 {
            self.narrow(&mut found, requirement);
        }
        found
    }

    fn narrow(&self, found: &mut Bits, requirement: &Requirement) {
        let none = Bits::none(self.count);
        let key = self.keys.get(requirement.key.as_str());
        let any = key.map_or(&none, |key| &key.any);
        match requirement.operator {
            Operator::Exists => found.keep(any),
            Operator::DoesNotExist => found.take_out(any),
            Operator::In => found.keep(&self.with_values(key, requirement)),
            Operator::NotIn => found.take_out(&self.with_values(key, requirement)),
        }
    }

    fn with_values(&self, key: Option<&Key<'_>>, requirement: &Requirement) -> Bits {
        let mut found = Bits::none(self.count);
        let by_value = key.map(|key| &key.by_value);
        for value in &requirement.values {
            if let Some(pods) = by_value.and_then(|map| map.get(value.as_str())) {
                found.add_all(pods);
            }
        }
        found
    }
}
