//! From what rules reach to the entries of a map.
//!
//! Of one peer the datapath sees only the finest entry that fits. So within a peer's entries an allowing one
//! that lies within a denying one is left out: whatever denies is then found, because nothing finer hides
//! it. Between the peer's identity, its network and anybody the datapath takes the one that denies.

use std::collections::BTreeSet;

use super::CompileOptions;
use super::rules::{ANYBODY, HOST, Prepared};
use crate::maps::{Decision, Direction, Rule, Traffic};
use crate::policy::{NamedPort, PolicyEntry, SubjectPolicy};

/// What no rule says.
const NO_RULE: u32 = 0;

/// The policy of a pod with these ports that these documents speak for.
pub(super) fn subject(
    documents: &[&Prepared<'_>],
    ports: &[NamedPort],
    options: &CompileOptions,
) -> SubjectPolicy {
    written(documents, ports, |direction, isolated| {
        unsaid(direction, isolated, options)
    })
}

/// The policy of the node, of which these documents speak. It has no way to itself that would need an entry, and no
/// names of ports.
pub(super) fn of_the_node(documents: &[&Prepared<'_>]) -> SubjectPolicy {
    written(documents, &[], |direction, isolated| {
        (!isolated).then(|| entry(ANYBODY, direction, Traffic::Any, false, NO_RULE))
    })
}

fn written(
    documents: &[&Prepared<'_>],
    ports: &[NamedPort],
    unsaid: impl Fn(Direction, bool) -> Option<PolicyEntry>,
) -> SubjectPolicy {
    let isolates = |direction| {
        documents
            .iter()
            .any(|document| document.isolates(direction))
    };
    let mut candidates = Vec::new();
    for direction in Direction::ALL {
        candidates.extend(unsaid(direction, isolates(direction)));
        candidates.extend(said(documents, ports, direction, isolates(direction)));
    }
    SubjectPolicy {
        isolates_ingress: isolates(Direction::Ingress),
        isolates_egress: isolates(Direction::Egress),
        entries: resolve(candidates),
    }
}

/// The part of it that names this peer.
pub(super) fn about(
    peer: u32,
    documents: &[&Prepared<'_>],
    ports: &[NamedPort],
) -> Vec<PolicyEntry> {
    let mut candidates = Vec::new();
    for direction in Direction::ALL {
        let isolated = documents
            .iter()
            .any(|document| document.isolates(direction));
        let said = said(documents, ports, direction, isolated);
        candidates.extend(said.filter(|entry| entry.rule.identity == peer));
    }
    resolve(candidates)
}

/// What needs no rule: anything that nothing isolates, and the node's way to its pods.
fn unsaid(direction: Direction, isolated: bool, options: &CompileOptions) -> Option<PolicyEntry> {
    let peer = match (isolated, direction) {
        (false, _) => ANYBODY,
        (true, Direction::Ingress) if options.allow_localhost => HOST,
        (true, _) => return None,
    };
    Some(entry(peer, direction, Traffic::Any, false, NO_RULE))
}

/// What rules say. Where nothing isolates a pod, what allows adds nothing.
fn said<'a>(
    documents: &[&'a Prepared<'a>],
    ports: &'a [NamedPort],
    direction: Direction,
    isolated: bool,
) -> impl Iterator<Item = PolicyEntry> {
    let rules = documents.iter().flat_map(|document| &document.rules);
    let counting = rules.filter(move |rule| rule.direction == direction && (rule.deny || isolated));
    counting.flat_map(move |rule| {
        let pairs = rule.pairs(ports);
        pairs.map(move |(peer, traffic)| entry(peer, direction, traffic, rule.deny, rule.origin))
    })
}

fn entry(
    identity: u32,
    direction: Direction,
    traffic: Traffic,
    deny: bool,
    rule: u32,
) -> PolicyEntry {
    PolicyEntry {
        rule: Rule {
            identity,
            direction,
            traffic,
        },
        decision: Decision { deny, rule },
    }
}

/// One entry for each key, and none that allows within one that denies.
fn resolve(mut candidates: Vec<PolicyEntry>) -> Vec<PolicyEntry> {
    // Of one key: who denies, then who has a rule, then the first rule.
    candidates.sort_unstable_by_key(|PolicyEntry { rule, decision }| {
        (
            *rule,
            !decision.deny,
            decision.rule == NO_RULE,
            decision.rule,
        )
    });
    candidates.dedup_by_key(|entry| entry.rule);
    let mut denied = Denied::default();
    candidates.retain(|entry| denied.lets_stand(entry));
    candidates
}

/// What the entries so far deny. They come sorted, so one that holds others comes before them.
#[derive(Default)]
struct Denied {
    everything: Option<(u32, Direction)>,
    /// All of them: the entries of several protocols come before those of the ports of any.
    protocols: BTreeSet<(u32, Direction, u8)>,
    /// The last port, too.
    ports: Option<(u32, Direction, u8, u16)>,
}

impl Denied {
    fn lets_stand(&mut self, PolicyEntry { rule, decision }: &PolicyEntry) -> bool {
        if decision.deny {
            self.add(rule);
        }
        decision.deny || !self.covers(rule)
    }

    fn add(&mut self, rule: &Rule) {
        let (peer, direction) = (rule.identity, rule.direction);
        match rule.traffic {
            Traffic::Any => self.everything = Some((peer, direction)),
            Traffic::Protocol(protocol) => {
                self.protocols.insert((peer, direction, protocol));
            }
            // One within another one takes nothing away from it.
            Traffic::Ports(_) if self.covers(rule) => {}
            Traffic::Ports(ports) => {
                self.ports = Some((peer, direction, ports.protocol, ports.last()));
            }
        }
    }

    fn covers(&self, rule: &Rule) -> bool {
        let (peer, direction) = (rule.identity, rule.direction);
        let by_protocol = |protocol| self.protocols.contains(&(peer, direction, protocol));
        self.everything == Some((peer, direction))
            || match rule.traffic {
                Traffic::Any => false,
                Traffic::Protocol(protocol) => by_protocol(protocol),
                Traffic::Ports(ports) => {
                    by_protocol(ports.protocol)
                        || self.ports.is_some_and(|(of, toward, protocol, last)| {
                            (of, toward, protocol) == (peer, direction, ports.protocol)
                                && ports.first <= last
                        })
                }
            }
    }
}
