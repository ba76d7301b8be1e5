//! What is enforced: the outcome of compiling, as it is kept on disk and written into maps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::model::{Action, Place, PolicyKind};
use crate::maps::{Decision, Direction, Prefix, Rule, Traffic};

/// The number of the first network. Below it are identities of pods, so both fit one field of a key; a mark
/// holds 24 bits and never carries one of these.
pub const FIRST_NETWORK: u32 = 1 << 24;

/// All that is enforced under one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compiled {
    /// The rules that entries come from: [`Decision::rule`] counts them from 1. 0 is no rule: what a pod may
    /// do that nothing isolates, and the node's way to its pods.
    pub origins: Vec<Origin>,
    /// The networks that rules name, each with a number of its own, sorted. An address belongs to the longest
    /// one; entries for a network count for every address in it, so shorter ones are written out for it, too.
    pub networks: Vec<(Prefix, u32)>,
    /// The policy of each identity; that of the node only if a document speaks for it.
    pub subjects: BTreeMap<u32, SubjectPolicy>,
}

/// Where a rule comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// The kind of its document.
    pub kind: PolicyKind,
    /// The namespace of its document; empty for a kind without.
    pub namespace: String,
    /// The name of its document.
    pub name: String,
    /// The direction.
    pub direction: Direction,
    /// What it does.
    pub action: Action,
    /// File and line.
    pub place: Place,
}

impl Origin {
    /// That of the rule with this number; 0 is none.
    pub fn of_rule(origins: &[Self], number: u32) -> Option<&Self> {
        origins.get(usize::try_from(number.checked_sub(1)?).ok()?)
    }
}

/// The policy of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectPolicy {
    /// Whether what reaches the pod needs a rule that allows it.
    pub isolates_ingress: bool,
    /// Whether what the pod sends needs one.
    pub isolates_egress: bool,
    /// The entries of the policy map, sorted by rule; keys are unique.
    pub entries: Vec<PolicyEntry>,
}

/// An entry of a policy map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyEntry {
    /// Its key.
    pub rule: Rule,
    /// Its value.
    pub decision: Decision,
}

impl PolicyEntry {
    /// What stands in the map of an endpoint without any policy: everything passes. The datapath itself denies what no
    /// entry allows, so a map that lost its entries lets nothing in.
    pub(super) fn admit_all() -> [Self; 2] {
        Direction::ALL.map(|direction| Self {
            rule: Rule {
                identity: 0,
                direction,
                traffic: Traffic::Any,
            },
            decision: Decision {
                deny: false,
                rule: 0,
            },
        })
    }
}
