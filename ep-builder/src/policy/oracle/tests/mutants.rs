//! The property finds faults: each of these compilers is wrong in one way, and a few cases tell.
//!
//! A fault is put before or behind the compiler and not into it. Its stages are pure, so one that is wrong
//! does what a right one does with other input, or leaves other output; and what ships holds no fault.

use super::PACKETS;
use crate::maps::{Decision, Direction, Rule, Traffic};
use crate::policy::oracle::random::{self, Choices};
use crate::policy::oracle::{Case, HOST};
use crate::policy::{
    Action, Compiled, FIRST_NETWORK, Namespaces, Operator, Peer, PolicyEntry, PolicyKind,
    PolicyRule, PortMatch, Protocol, Requirement, Rules, Scope, Selector, Target,
};

/// How many cases may be needed to find a fault.
const CASES: u64 = 400;

enum Fault {
    /// What is compiled is not what was said.
    Reads(fn(&mut Case)),
    /// What comes out is not what was compiled.
    Writes(fn(&Case, &mut Compiled)),
}

const MUTANTS: [(&str, Fault); 26] = [
    ("exceptions are ignored", Fault::Reads(no_exceptions)),
    (
        "a block is not written out for networks inside",
        Fault::Writes(only_own_networks),
    ),
    (
        "a finer rule that allows hides one that denies",
        Fault::Writes(hidden_denials),
    ),
    (
        "who denies a network does not deny it",
        Fault::Writes(no_denied_networks),
    ),
    (
        "an allowing rule for the same key wins",
        Fault::Writes(allowed_keys),
    ),
    (
        "a range ends too early",
        Fault::Reads(|case| ranges(case, 0, -1)),
    ),
    (
        "a range ends too late",
        Fault::Reads(|case| ranges(case, 0, 1)),
    ),
    (
        "a range begins too late",
        Fault::Reads(|case| ranges(case, 1, 0)),
    ),
    ("an empty selector selects nothing", Fault::Reads(empty)),
    (
        "NotIn asks for the label",
        Fault::Reads(|case| requirements(case, Operator::NotIn, Operator::Exists)),
    ),
    ("DoesNotExist is always true", Fault::Reads(no_absence)),
    (
        "namespaces and pods of a peer are two peers",
        Fault::Reads(either),
    ),
    (
        "a peer without namespaces is of all namespaces",
        Fault::Reads(no_own_namespace),
    ),
    (
        "who has rules isolates",
        Fault::Reads(|case| sides(case, |side| side.isolates |= !side.rules.is_empty())),
    ),
    (
        "who has no rules does not isolate",
        Fault::Reads(|case| sides(case, |side| side.isolates &= !side.rules.is_empty())),
    ),
    ("what `policyTypes` leaves out counts", Fault::Reads(chatty)),
    ("a name counts for any protocol", Fault::Reads(any_protocol)),
    (
        "a name means whatever any pod calls so",
        Fault::Reads(anybodys_ports),
    ),
    (
        "the node is forgotten",
        Fault::Reads(|case| case.allow_localhost = false),
    ),
    ("the node is reached, too", Fault::Writes(reached_node)),
    (
        "what nothing isolates is isolated",
        Fault::Writes(no_freedom),
    ),
    ("SCTP is UDP", Fault::Reads(no_sctp)),
    (
        "labels of namespaces are unknown",
        Fault::Reads(|case| case.set.namespaces.clear()),
    ),
    ("rules count from 0", Fault::Writes(from_zero)),
    (
        "every policy of nodes is of this node",
        Fault::Reads(|case| {
            for document in &mut case.set.policies {
                if let Scope::Node(selector) = &mut document.scope {
                    selector.0.clear();
                }
            }
        }),
    ),
    (
        "what is said of the node is said of nobody",
        Fault::Writes(|_, compiled| drop(compiled.subjects.remove(&HOST))),
    ),
];

#[test]
fn every_fault_is_found() {
    for (name, fault) in MUTANTS {
        let found = (0..CASES).find(|seed| {
            let case = random::case(&mut Choices::seeded(*seed), PACKETS);
            case.disagreement_with(&faulty(&case, &fault)).is_some()
        });
        assert!(found.is_some(), "not found: {name}");
    }
}

fn faulty(case: &Case, fault: &Fault) -> Compiled {
    let mut misread = case.clone();
    if let Fault::Reads(misread_by) = fault {
        misread_by(&mut misread);
    }
    let mut compiled = misread.compiled().unwrap();
    if let Fault::Writes(change) = fault {
        change(case, &mut compiled);
    }
    compiled
}

fn sides(case: &mut Case, mut change: impl FnMut(&mut Rules)) {
    for document in &mut case.set.policies {
        change(&mut document.ingress);
        change(&mut document.egress);
    }
}

fn rules(case: &mut Case, mut change: impl FnMut(&mut PolicyRule)) {
    sides(case, |side| side.rules.iter_mut().for_each(&mut change));
}

fn peers(case: &mut Case, mut change: impl FnMut(&mut Peer)) {
    rules(case, |rule| {
        rule.peers.iter_mut().flatten().for_each(&mut change);
    });
}

fn targets(case: &mut Case, mut change: impl FnMut(&mut Target)) {
    for document in &mut case.set.policies {
        if let Scope::Pods(target) = &mut document.scope {
            change(target);
        }
    }
    peers(case, |peer| {
        if let Peer::Pods(target) = peer {
            change(target);
        }
    });
}

fn selectors(case: &mut Case, mut change: impl FnMut(&mut Selector)) {
    targets(case, |target| {
        change(&mut target.pods);
        if let Namespaces::Labelled(selector) = &mut target.namespaces {
            change(selector);
        }
    });
}

/// Adds, to each requirement of one kind, one of another kind for the same label.
fn requirements(case: &mut Case, of: Operator, added: Operator) {
    selectors(case, |selector| {
        let asked = selector.0.iter().filter(|asked| asked.operator == of);
        let more: Vec<_> = asked
            .map(|asked| Requirement {
                key: asked.key.clone(),
                operator: added,
                values: [].into(),
            })
            .collect();
        selector.0.extend(more);
    });
}

fn ranges(case: &mut Case, first: i16, last: i16) {
    rules(case, |rule| {
        for port in rule.ports.iter_mut().flatten() {
            if let PortMatch::Range(from, to) = &mut port.port
                && from != to
            {
                *from = from.saturating_add_signed(first);
                *to = to.saturating_add_signed(last);
            }
        }
    });
}

fn no_exceptions(case: &mut Case) {
    peers(case, |peer| {
        if let Peer::Network { except, .. } = peer {
            except.clear();
        }
    });
}

fn empty(case: &mut Case) {
    selectors(case, |selector| {
        if selector.0.is_empty() {
            selector.0.push(Requirement {
                key: "none".to_owned(),
                operator: Operator::Exists,
                values: [].into(),
            });
        }
    });
}

fn no_absence(case: &mut Case) {
    selectors(case, |selector| {
        let asks = |asked: &Requirement| asked.operator != Operator::DoesNotExist;
        selector.0.retain(asks);
    });
}

fn either(case: &mut Case) {
    rules(case, |rule| {
        if let Some(peers) = &mut rule.peers {
            let pods = peers.iter().filter_map(|peer| match peer {
                Peer::Pods(target) if !target.pods.0.is_empty() => Some(Peer::Pods(Target {
                    namespaces: Namespaces::Labelled(Selector::default()),
                    pods: target.pods.clone(),
                })),
                _ => None,
            });
            let pods: Vec<_> = pods.collect();
            peers.extend(pods);
        }
    });
}

fn no_own_namespace(case: &mut Case) {
    peers(case, |peer| {
        if let Peer::Pods(target) = peer
            && matches!(target.namespaces, Namespaces::Named(_))
        {
            target.namespaces = Namespaces::Labelled(Selector::default());
        }
    });
}

fn chatty(case: &mut Case) {
    for document in &mut case.set.policies {
        document.kind = PolicyKind::WeirPolicy;
    }
}

fn any_protocol(case: &mut Case) {
    for pod in case.pods.values_mut() {
        let named = pod.facts.ports.clone();
        for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Sctp] {
            let other = named.iter().cloned();
            let other = other.map(|port| crate::policy::NamedPort { protocol, ..port });
            pod.facts.ports.extend(other);
        }
    }
}

fn anybodys_ports(case: &mut Case) {
    let all = case.pods.values().flat_map(|pod| pod.facts.ports.clone());
    let all: Vec<_> = all.collect();
    for pod in case.pods.values_mut() {
        pod.facts.ports.clone_from(&all);
    }
}

fn no_sctp(case: &mut Case) {
    rules(case, |rule| {
        for port in rule.ports.iter_mut().flatten() {
            if port.protocol == Protocol::Sctp {
                port.protocol = Protocol::Udp;
            }
        }
    });
}

/// Adds what the rules that allow give alone, as far as `wins` says against what is there.
fn add_allowed(case: &Case, compiled: &mut Compiled, wins: fn(Option<&PolicyEntry>) -> bool) {
    let mut allowing = case.clone();
    // A rule for nobody keeps its number.
    rules(&mut allowing, |rule| {
        if rule.action == Action::Deny {
            rule.peers = Some(Vec::new());
        }
    });
    let allowing = allowing.compiled().unwrap().subjects;
    for (identity, policy) in &mut compiled.subjects {
        for entry in &allowing[identity].entries {
            let place = policy.entries.iter().position(|old| old.rule == entry.rule);
            if wins(place.map(|place| &policy.entries[place])) {
                place.map(|place| policy.entries.remove(place));
                policy.entries.push(*entry);
            }
        }
    }
}

fn hidden_denials(case: &Case, compiled: &mut Compiled) {
    add_allowed(case, compiled, |old| old.is_none());
}

fn allowed_keys(case: &Case, compiled: &mut Compiled) {
    add_allowed(case, compiled, |old| {
        old.is_some_and(|old| old.decision.deny)
    });
}

fn no_denied_networks(_: &Case, compiled: &mut Compiled) {
    entries(compiled, |entry| {
        !entry.decision.deny || entry.rule.identity < FIRST_NETWORK
    });
}

fn no_freedom(_: &Case, compiled: &mut Compiled) {
    entries(compiled, |entry| {
        entry.rule.identity != 0 || entry.decision.rule != 0
    });
}

fn entries(compiled: &mut Compiled, keeps: fn(&PolicyEntry) -> bool) {
    for policy in compiled.subjects.values_mut() {
        policy.entries.retain(keeps);
    }
}

fn only_own_networks(case: &Case, compiled: &mut Compiled) {
    let networks = compiled.networks.clone();
    let origins = compiled.origins.clone();
    let mut case = case.clone();
    let mut own = Vec::new();
    rules(&mut case, |rule| {
        for peer in rule.peers.iter().flatten() {
            if let Peer::Network { network, .. } = peer {
                own.push((rule.place.clone(), *network));
            }
        }
    });
    let is_own = |entry: &PolicyEntry| {
        let number = entry.rule.identity;
        let named = networks.iter().find(|(_, other)| *other == number);
        let Some((network, _)) = named else {
            return true;
        };
        let place = &origins[entry.decision.rule as usize - 1].place;
        own.iter().any(|of| *of == (place.clone(), *network))
    };
    for policy in compiled.subjects.values_mut() {
        policy.entries.retain(is_own);
    }
}

fn reached_node(_: &Case, compiled: &mut Compiled) {
    for policy in compiled.subjects.values_mut() {
        let rule = Rule {
            identity: 1,
            direction: Direction::Egress,
            traffic: Traffic::Any,
        };
        let decision = Decision {
            deny: false,
            rule: 0,
        };
        if policy.entries.iter().all(|entry| entry.rule != rule) {
            policy.entries.push(PolicyEntry { rule, decision });
        }
    }
}

fn from_zero(_: &Case, compiled: &mut Compiled) {
    for policy in compiled.subjects.values_mut() {
        for entry in &mut policy.entries {
            entry.decision.rule = entry.decision.rule.saturating_sub(1);
        }
    }
}
