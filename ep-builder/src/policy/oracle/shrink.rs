//! From a case in which something is wrong to a small one.

use std::collections::BTreeMap;

use super::case::{Case, End, HOST, Packet, Pod};
use crate::policy::{
    Document, Namespaces, Peer, PodFacts, PolicyKind, PolicyRule, Rules, Scope, Target,
};

/// The smallest case that this way leads to and that `is_wrong` still says to be wrong: one thing after the
/// other is taken out, for as long as that leaves something wrong.
pub fn shrink(mut case: Case, mut is_wrong: impl FnMut(&Case) -> bool) -> Case {
    loop {
        let mut place = 0;
        let mut has_shrunk = false;
        while let Some(smaller) = without(&case, place) {
            if smaller != case && is_wrong(&smaller) {
                case = smaller;
                has_shrunk = true;
            } else {
                place += 1;
            }
        }
        if !has_shrunk {
            return case;
        }
    }
}

/// The case without the thing at this place; none if there are not so many.
fn without(case: &Case, place: usize) -> Option<Case> {
    let mut smaller = case.clone();
    let mut knife = Knife { place: Some(place) };
    knife.case(&mut smaller);
    knife.place.is_none().then_some(smaller)
}

/// Cuts out one thing, counting all of them in the order of the case.
struct Knife {
    /// How many come before it; none once it is out.
    place: Option<usize>,
}

impl Knife {
    /// Whether this is the thing.
    fn is_here(&mut self) -> bool {
        let is_here = self.place == Some(0);
        self.place = self.place.and_then(|place| place.checked_sub(1));
        is_here
    }

    /// One of a list, if it is here and at least `least` are left.
    fn list<T>(&mut self, list: &mut Vec<T>, least: usize) {
        let spare = list.len().saturating_sub(least);
        let mut at = 0;
        // All of them may go when at least one is spare.
        let places = if spare > 0 { list.len() } else { 0 };
        while at < places {
            if self.is_here() {
                list.remove(at);
                return;
            }
            at += 1;
        }
    }

    fn map<K: Clone + Ord, V>(&mut self, map: &mut BTreeMap<K, V>) {
        let keys: Vec<_> = map.keys().cloned().collect();
        for key in keys {
            if self.is_here() {
                map.remove(&key);
                return;
            }
        }
    }

    fn case(&mut self, case: &mut Case) {
        // Half of the packets at a time: there are many, and mostly one of them is wrong.
        let half = case.packets.len() / 2;
        if half > 0 && self.is_here() {
            case.packets.truncate(half);
        }
        if half > 0 && self.is_here() {
            case.packets.drain(..half);
        }
        self.list(&mut case.packets, 1);
        self.list(&mut case.set.policies, 0);
        for document in &mut case.set.policies {
            self.document(document);
        }
        self.map(&mut case.set.namespaces);
        for labels in case.set.namespaces.values_mut() {
            self.map(labels);
        }
        self.map(&mut case.pods);
        case.packets.retain(|packet| is_about(packet, &case.pods));
        for pod in case.pods.values_mut() {
            self.facts(&mut pod.facts);
        }
        self.map(&mut case.node.labels);
    }

    fn facts(&mut self, facts: &mut PodFacts) {
        self.map(&mut facts.labels);
        self.list(&mut facts.ports, 0);
    }

    fn document(&mut self, document: &mut Document) {
        match &mut document.scope {
            Scope::Pods(target) => self.target(target),
            Scope::Node(selector) => self.list(&mut selector.0, 0),
        }
        for side in [&mut document.ingress, &mut document.egress] {
            self.side(side);
        }
        // Kubernetes' kind cannot be written without.
        if document.kind == PolicyKind::NetworkPolicy && !document.egress.isolates {
            document.ingress.isolates = true;
        }
    }

    fn side(&mut self, side: &mut Rules) {
        if side.isolates && self.is_here() {
            side.isolates = false;
        }
        self.list(&mut side.rules, 0);
        for rule in &mut side.rules {
            self.rule(rule);
        }
    }

    /// The last peer or port goes with the whole list: that means anybody, and everything.
    fn rule(&mut self, rule: &mut PolicyRule) {
        if rule.peers.is_some() && self.is_here() {
            rule.peers = None;
        }
        if rule.ports.is_some() && self.is_here() {
            rule.ports = None;
        }
        if let Some(peers) = &mut rule.peers {
            self.list(peers, 1);
        }
        if let Some(ports) = &mut rule.ports {
            self.list(ports, 1);
        }
        for peer in rule.peers.iter_mut().flatten() {
            match peer {
                Peer::Pods(target) => self.target(target),
                Peer::Network { except, .. } => self.list(except, 0),
                Peer::Entity(_) => {}
            }
        }
    }

    fn target(&mut self, target: &mut Target) {
        if let Namespaces::Labelled(selector) = &mut target.namespaces {
            self.list(&mut selector.0, 0);
        }
        self.list(&mut target.pods.0, 0);
    }
}

/// Whether the pods that a packet is about are there.
fn is_about(packet: &Packet, pods: &BTreeMap<u32, Pod>) -> bool {
    let remote = match packet.remote {
        End::Pod(identity) => pods.contains_key(&identity),
        End::Host | End::World => true,
    };
    remote && (packet.subject == HOST || pods.contains_key(&packet.subject))
}
