//! Documents without their selectors: which pods a document speaks for, and what each rule reaches.

use super::bits::Bits;
use super::index::{self, Pods};
use super::networks::Networks;
use super::ports;
use crate::maps::{Direction, Traffic};
use crate::policy::{
    Action, Document, Entity, NamedPort, NodeFacts, Origin, Peer, PodFacts, PolicyKind, PolicyRule,
    PolicySet, PortMatch, PortRule, Protocol, Rules, Scope,
};

/// The identity of an entry that counts for anybody.
pub(super) const ANYBODY: u32 = 0;
/// `IDENTITY_HOST` of `bpf-src/lib/identity.h`.
pub(crate) const HOST: u32 = 1;
/// `IDENTITY_WORLD` of `bpf-src/lib/identity.h`.
const WORLD: u32 = 2;

/// A document, as far as these pods are concerned.
pub(super) struct Prepared<'a> {
    /// The pods it speaks for.
    pub(super) subjects: Bits,
    /// Whether it speaks for this node.
    pub(super) is_the_nodes: bool,
    pub(super) isolates_ingress: bool,
    pub(super) isolates_egress: bool,
    pub(super) rules: Vec<Reach<'a>>,
}

impl Prepared<'_> {
    /// Whether traffic of a direction needs a rule because of it.
    pub(super) fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Ingress => self.isolates_ingress,
            Direction::Egress => self.isolates_egress,
        }
    }
}

/// What a rule is about: traffic with peers.
pub(super) struct Reach<'a> {
    pub(super) direction: Direction,
    pub(super) deny: bool,
    /// The number of its origin.
    pub(super) origin: u32,
    /// Peers, as the maps know them.
    pub(super) peers: Vec<u32>,
    /// What passes between any of them and the pod...
    pub(super) traffic: Vec<Traffic>,
    /// ...besides the pod's own ports of these names, for ingress...
    pub(super) own_ports: Vec<(Protocol, &'a str)>,
    /// ...and, for egress, such ports of a peer.
    pub(super) peers_ports: Vec<(u32, Traffic)>,
}

impl Reach<'_> {
    /// Every peer with its traffic, for a pod with these ports.
    pub(super) fn pairs(&self, ports: &[NamedPort]) -> impl Iterator<Item = (u32, Traffic)> {
        let own = self.own_ports.iter();
        let own = own.flat_map(|(protocol, name)| ports::named(ports, *protocol, name));
        let traffic: Vec<_> = self.traffic.iter().copied().chain(own).collect();
        let each = self
            .peers
            .iter()
            .flat_map(move |peer| traffic.clone().into_iter().map(|traffic| (*peer, traffic)));
        each.chain(self.peers_ports.iter().copied())
    }

    /// Whether this peer is one of its own.
    pub(super) fn names(&self, peer: u32) -> bool {
        self.peers.contains(&peer) || self.peers_ports.iter().any(|(of, _)| *of == peer)
    }
}

/// Where the rules of a set come from, in the order of their numbers, which begin with 1.
pub(super) fn origins(set: &PolicySet) -> Vec<Origin> {
    let rules = set.policies.iter().flat_map(|document| {
        sides(document)
            .into_iter()
            .flat_map(move |(direction, side)| {
                let rules = side.rules.iter();
                rules.map(move |rule| (document, direction, rule))
            })
    });
    rules
        .map(|(document, direction, rule)| Origin {
            kind: document.kind,
            namespace: document.namespace.clone(),
            name: document.name.clone(),
            direction,
            action: rule.action,
            place: rule.place.clone(),
        })
        .collect()
}

/// The documents of a set, for these pods.
pub(super) fn prepare<'a>(
    set: &'a PolicySet,
    pods: &Pods<'_>,
    host: &NodeFacts,
    networks: &Networks,
) -> Vec<Prepared<'a>> {
    let mut numbers = 1..;
    let documents = set.policies.iter().map(|document| {
        let mut rules = Vec::new();
        for (direction, side) in sides(document) {
            for (rule, origin) in side.rules.iter().zip(&mut numbers) {
                if speaks(document.kind, side) {
                    rules.push(reach(rule, direction, origin, pods, networks));
                }
            }
        }
        let (subjects, is_the_nodes) = match &document.scope {
            Scope::Pods(target) => (pods.meant_by(target), false),
            Scope::Node(selector) => (pods.none(), index::holds(selector, &host.labels)),
        };
        Prepared {
            subjects,
            is_the_nodes,
            isolates_ingress: document.ingress.isolates,
            isolates_egress: document.egress.isolates,
            rules,
        }
    });
    documents.collect()
}

fn sides(document: &Document) -> [(Direction, &Rules); 2] {
    [
        (Direction::Ingress, &document.ingress),
        (Direction::Egress, &document.egress),
    ]
}

/// Kubernetes' kind says nothing at all of a direction that `policyTypes` does not list.
fn speaks(kind: PolicyKind, side: &Rules) -> bool {
    side.isolates || kind == PolicyKind::WeirPolicy
}

fn reach<'a>(
    rule: &'a PolicyRule,
    direction: Direction,
    origin: u32,
    pods: &Pods<'_>,
    networks: &Networks,
) -> Reach<'a> {
    let peers = Peers::of(rule.peers.as_deref(), pods, networks);
    let mut reach = Reach {
        direction,
        deny: rule.action == Action::Deny,
        origin,
        peers: Vec::new(),
        traffic: Vec::new(),
        own_ports: Vec::new(),
        peers_ports: Vec::new(),
    };
    match &rule.ports {
        None => reach.traffic.push(Traffic::Any),
        Some(ports) => {
            for port in ports {
                reach.add(port, &peers, pods);
            }
        }
    }
    reach.peers = peers.numbers(pods);
    reach
}

impl<'a> Reach<'a> {
    fn add(&mut self, port: &'a PortRule, peers: &Peers, pods: &Pods<'_>) {
        let protocol = port.protocol;
        match (&port.port, self.direction) {
            (PortMatch::Any, _) => self.traffic.push(Traffic::Protocol(protocol.number())),
            (PortMatch::Range(first, last), _) => {
                self.traffic.extend(ports::range(protocol, *first, *last));
            }
            (PortMatch::Named(name), Direction::Ingress) => self.own_ports.push((protocol, name)),
            (PortMatch::Named(name), Direction::Egress) => {
                for (identity, facts) in peers.with_ports(pods) {
                    let ports = ports::named(&facts.ports, protocol, name);
                    let pairs = ports.into_iter().map(|traffic| (identity, traffic));
                    self.peers_ports.extend(pairs);
                }
            }
        }
    }
}

/// The other ends of a rule.
struct Peers {
    /// The pods among them that rules name.
    pods: Bits,
    anybody: bool,
    /// Entities and networks, as the maps know them.
    others: Vec<u32>,
}

impl Peers {
    fn of(peers: Option<&[Peer]>, pods: &Pods<'_>, networks: &Networks) -> Self {
        let mut this = Self {
            pods: pods.none(),
            anybody: peers.is_none(),
            others: Vec::new(),
        };
        for peer in peers.into_iter().flatten() {
            match peer {
                Peer::Pods(target) => this.pods.add_all(&pods.meant_by(target)),
                Peer::Network { network, except } => {
                    this.others.extend(networks.inside(*network, except));
                }
                Peer::Entity(Entity::Host) => this.others.push(HOST),
                Peer::Entity(Entity::World) => this.others.push(WORLD),
                Peer::Entity(Entity::All) => this.anybody = true,
            }
        }
        this
    }

    /// The pods whose names of ports count: any pod is somebody.
    fn with_ports<'p>(&self, pods: &Pods<'p>) -> impl Iterator<Item = (u32, &'p PodFacts)> {
        let places = pods.list().iter().enumerate();
        let meant = places.filter(|(place, _)| self.anybody || self.pods.has(*place));
        meant.map(|(_, (identity, facts))| (*identity, *facts))
    }

    /// All of them. For anybody one entry says it.
    fn numbers(self, pods: &Pods<'_>) -> Vec<u32> {
        if self.anybody {
            return vec![ANYBODY];
        }
        let places = self.pods.places();
        let identities = places.filter_map(|place| pods.list().get(place));
        let mut numbers: Vec<_> = identities.map(|(identity, _)| *identity).collect();
        numbers.extend(self.others);
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }
}
