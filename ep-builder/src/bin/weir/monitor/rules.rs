//! From the number of a rule to the document and line that it was compiled from.

use std::collections::BTreeMap;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{BY_HAND, Direction, Maps};
use ep_builder::policy::{Action, Origin, PolicyKind, PolicyStore};
use serde::Serialize;

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Rule {
    number: u32,
    direction: Direction,
    action: Action,
    kind: PolicyKind,
    namespace: String,
    name: String,
    file: String,
    line: u32,
}

impl Rule {
    fn new(number: u32, origin: &Origin) -> Self {
        Self {
            number,
            direction: origin.direction,
            action: origin.action,
            kind: origin.kind,
            namespace: origin.namespace.clone(),
            name: origin.name.clone(),
            file: origin.place.file.to_string(),
            line: origin.place.line,
        }
    }

    /// In few words.
    pub(super) fn brief(&self) -> String {
        let of = match self.namespace.as_str() {
            "" => self.name.clone(),
            namespace => format!("{namespace}/{}", self.name),
        };
        format!("{of} at {}:{}", self.file, self.line)
    }
}

/// The rules of the revisions that were met.
pub(super) struct Rules {
    store: PolicyStore,
    maps: Maps,
    revisions: BTreeMap<u32, Vec<Origin>>,
}

impl Rules {
    pub(super) fn new(store: PolicyStore, maps: Maps) -> Self {
        Self {
            store,
            maps,
            revisions: BTreeMap::new(),
        }
    }

    /// The rule with this number; 0 is none.
    pub(super) fn rule(&mut self, revision: u32, number: u32) -> Option<Rule> {
        let origin = Origin::of_rule(self.origins(revision), number)?;
        Some(Rule::new(number, origin))
    }

    /// Likewise for an event that does not say the revision: the one at which the endpoint stands now.
    pub(super) fn rule_now(&mut self, endpoint: u16, number: u32) -> Option<Rule> {
        if number == 0 {
            return None;
        }
        let revision = match EndpointId::new(endpoint) {
            Ok(id) => self.maps.policy_revisions().ok()?.get(id).ok()?,
            // 0 is the node itself, whose policy is a part of the revision in force.
            Err(_) => self.store.current().ok()??,
        };
        self.rule(revision, number)
    }

    /// What could not be read is asked again after a while: see [`Rules::forget`].
    fn origins(&mut self, revision: u32) -> &[Origin] {
        let store = &self.store;
        self.revisions.entry(revision).or_insert_with(|| {
            // A policy that was changed by hand keeps the numbers of the one in force. Of a revision that is gone
            // nothing is said: in the one in force its numbers may be other rules.
            let revision = if revision & BY_HAND == 0 {
                Some(revision)
            } else {
                store.current().ok().flatten()
            };
            let origins = revision.and_then(|revision| store.origins(revision).ok());
            origins.unwrap_or_default()
        })
    }

    /// Has every revision read anew.
    pub(super) fn forget(&mut self) {
        self.revisions.clear();
    }
}
