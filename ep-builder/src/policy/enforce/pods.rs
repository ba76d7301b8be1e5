//! Which pods there are, as policy sees them: one of each identity.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{EnforceError, Enforcement, Holder, Member};
use crate::endpoint::Labels;
use crate::identity::{INIT, Identities, digest_of};
use crate::policy::PodFacts;

/// The pods of one identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pods {
    pub(super) facts: PodFacts,
    /// The digest of their labels.
    pub(super) labels: String,
}

impl Pods {
    pub(super) fn of(labels: &Labels) -> Self {
        Self {
            facts: PodFacts::of(labels),
            labels: digest_of(labels),
        }
    }
}

/// All pods, by identity.
pub(super) type Known = BTreeMap<u32, Pods>;

/// What of them is compiled.
pub(super) fn facts(known: &Known) -> BTreeMap<u32, PodFacts> {
    let pods = known.iter();
    pods.map(|(identity, pods)| (*identity, pods.facts.clone()))
        .collect()
}

impl Enforcement<'_> {
    /// The identities that this node gave out, that of pods without labels, and those that endpoints have
    /// although it did not give them.
    pub(super) fn known(&self, members: &[Member]) -> Result<Known, EnforceError> {
        let identities = Identities::open(self.endpoints.layout().root())?;
        let mut known: Known = [(INIT, Pods::of(&Labels::default()))].into();
        for listed in identities.list()? {
            // What cannot be read is mended by the next pod that has it, from its labels.
            if let Ok(labels) = listed.labels {
                known.insert(listed.number, Pods::of(&labels));
            }
        }
        for member in members {
            let Holder::Endpoint(id) = member.holder else {
                continue;
            };
            if let Entry::Vacant(unknown) = known.entry(member.identity) {
                let record = self.record(id)?;
                let labels = record.map(|endpoint| endpoint.labels);
                unknown.insert(Pods::of(&labels.unwrap_or_default()));
            }
        }
        Ok(known)
    }
}
