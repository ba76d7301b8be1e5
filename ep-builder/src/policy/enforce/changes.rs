//! What a new policy changes for an endpoint. No I/O.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Holder, Member};
use crate::maps::{Counters, Decision, Direction, Generation, Prefix, Rule, Traffic};
use crate::policy::{FIRST_NETWORK, SubjectPolicy};

/// An entry with what it has counted before.
pub(super) type Row = (Rule, Decision, Counters);

/// What becomes of the policy of an endpoint, or of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// The endpoint; 0 for the node.
    pub endpoint: Holder,
    /// Its identity.
    pub identity: u32,
    /// How many entries it has then.
    pub entries: usize,
    /// How many there were not before.
    pub added: usize,
    /// How many are there no more.
    pub removed: usize,
    /// How many allow what they denied, or deny what they allowed.
    pub changed: usize,
    /// Before.
    pub before: Isolation,
    /// Then.
    pub after: Isolation,
}

/// In which directions an endpoint is isolated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Isolation {
    /// Whether what reaches it needs a rule.
    pub ingress: bool,
    /// Whether what it sends needs one.
    pub egress: bool,
}

impl Isolation {
    /// What entries say: who is not isolated has one that lets anybody through by no rule.
    pub(super) fn of(generation: &Generation) -> Self {
        let is_open = |direction| {
            let any = Rule {
                identity: 0,
                direction,
                traffic: Traffic::Any,
            };
            let open = Decision {
                deny: false,
                rule: 0,
            };
            generation.get(&any).map(|(decision, _)| *decision) == Some(open)
        };
        Self {
            ingress: !is_open(Direction::Ingress),
            egress: !is_open(Direction::Egress),
        }
    }
}

impl Change {
    /// Whether there is anything.
    pub fn is_something(&self) -> bool {
        self.added + self.removed + self.changed > 0 || self.before != self.after
    }
}

/// Who an entry is about, whatever number a network has under a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Identity(u32),
    Network(Prefix),
}

/// The networks of a revision, by their numbers.
pub(super) type Numbered = BTreeMap<u32, Prefix>;

/// The networks, by their numbers.
pub(super) fn numbered(networks: &[(Prefix, u32)]) -> Numbered {
    let networks = networks.iter();
    networks
        .map(|(prefix, number)| (*number, *prefix))
        .collect()
}

fn who(number: u32, networks: &Numbered) -> Who {
    let network = (number >= FIRST_NETWORK).then(|| networks.get(&number));
    network
        .flatten()
        .map_or(Who::Identity(number), |network| Who::Network(*network))
}

/// The entries of an endpoint under its new policy, with what those that stay have counted, and what changes.
pub(super) fn staged(
    member: &Member,
    old: &Generation,
    old_networks: &Numbered,
    new: &SubjectPolicy,
    new_networks: &Numbered,
) -> (Vec<Row>, Change) {
    let key = |rule: &Rule, networks| (who(rule.identity, networks), rule.direction, rule.traffic);
    let mut before: BTreeMap<_, _> = old
        .iter()
        .map(|(rule, row)| (key(rule, old_networks), *row))
        .collect();
    let mut change = Change {
        endpoint: member.holder,
        identity: member.identity,
        entries: new.entries.len(),
        added: 0,
        removed: 0,
        changed: 0,
        before: if member.is_unjudged() {
            Isolation::default()
        } else {
            Isolation::of(old)
        },
        after: Isolation {
            ingress: new.isolates_ingress,
            egress: new.isolates_egress,
        },
    };
    let mut rows = Vec::with_capacity(new.entries.len());
    for entry in &new.entries {
        let counters = match before.remove(&key(&entry.rule, new_networks)) {
            None => {
                change.added += 1;
                Counters::default()
            }
            Some((decision, _)) if decision.deny != entry.decision.deny => {
                change.changed += 1;
                Counters::default()
            }
            Some((_, counters)) => counters,
        };
        rows.push((entry.rule, entry.decision, counters));
    }
    change.removed = before.len();
    (rows, change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointId;
    use crate::policy::PolicyEntry;

    fn rule(identity: u32) -> Rule {
        Rule {
            identity,
            direction: Direction::Ingress,
            traffic: Traffic::Any,
        }
    }

    fn decision(deny: bool, rule: u32) -> Decision {
        Decision { deny, rule }
    }

    #[test]
    fn what_stays_keeps_its_counters_whatever_its_numbers() {
        let member = Member {
            holder: Holder::Endpoint(EndpointId::new(7).unwrap()),
            identity: 256,
            revision: 3,
        };
        let counted = Counters {
            packets: 5,
            bytes: 300,
        };
        let (net, other): (Prefix, Prefix) = (
            "10.0.0.0/8".parse().unwrap(),
            "10.1.0.0/16".parse().unwrap(),
        );
        let old: Generation = [
            (rule(0), (decision(false, 0), counted)),
            (rule(300), (decision(false, 4), counted)),
            (rule(301), (decision(false, 5), counted)),
            (rule(FIRST_NETWORK), (decision(false, 6), counted)),
        ]
        .into();
        let entry = |rule, decision| PolicyEntry { rule, decision };
        let new = SubjectPolicy {
            isolates_ingress: true,
            isolates_egress: true,
            entries: vec![
                entry(rule(300), decision(false, 1)),
                entry(rule(301), decision(true, 2)),
                entry(rule(302), decision(false, 3)),
                entry(rule(FIRST_NETWORK + 1), decision(false, 4)),
            ],
        };
        let (rows, change) = staged(
            &member,
            &old,
            &[(FIRST_NETWORK, net)].into(),
            &new,
            &[(FIRST_NETWORK, other), (FIRST_NETWORK + 1, net)].into(),
        );
        let none = Counters::default();
        let counters: Vec<_> = rows.iter().map(|(.., counters)| *counters).collect();
        assert_eq!(counters, [counted, none, none, counted]);
        assert_eq!(
            (change.added, change.removed, change.changed, change.entries),
            (1, 1, 1, 4)
        );
        assert_eq!((change.before.ingress, change.before.egress), (false, true));
        assert!(change.is_something());
    }
}
