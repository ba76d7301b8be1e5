//! Who there is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ep_builder::endpoint::{Endpoint, EndpointId, Labels};
use ep_builder::health;
use ep_builder::maps::Prefix;
use ep_builder::policy::oracle::{HOST, network_of};
use ep_builder::policy::reach::{Party, WORLD};
use ep_builder::policy::{Compiled, NAMESPACE_LABEL, PodFacts};

/// What the answers depend on besides policy and pods.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    /// Whether IPv4 is compiled, and IPv6.
    pub(crate) families: [bool; 2],
    /// The addresses of the node, as far as they are known.
    pub(crate) node: Vec<IpAddr>,
    /// Whether what policy refuses passes all the same.
    pub(crate) audits: bool,
}

/// Somebody who reaches others, or is reached.
#[derive(Clone, Debug)]
pub(crate) struct Actor {
    /// What it is.
    pub(crate) kind: Kind,
    /// What people call it.
    pub(crate) name: String,
    /// The namespace of pods; empty for all others, and for pods without one.
    pub(crate) namespace: String,
    /// The identity.
    pub(crate) identity: u32,
    /// The labels of pods.
    pub(crate) labels: Labels,
    /// The endpoints of pods, in the order of their ids.
    pub(crate) endpoints: Vec<EndpointId>,
    /// Whether what reaches it, and what it sends, needs a rule; for pods and a node that is judged.
    pub(crate) isolates: [bool; 2],
    /// As what look-ups know its addresses, by family: IPv4 first.
    pub(crate) parties: [BTreeSet<Party>; 2],
}

/// What an actor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// The pods of one identity.
    Pods,
    /// The node itself.
    Node,
    /// Whoever is outside, in no network that policy names.
    World,
    /// Whoever is outside, in this network, and in none within it that policy names.
    Network(Prefix),
}

impl Kind {
    /// Whether it is neither the node nor one of its pods.
    pub(crate) fn is_outside(self) -> bool {
        matches!(self, Self::World | Self::Network(_))
    }
}

impl Actor {
    /// Whether connections between them could be any of our business.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let both = (self.kind, other.kind);
        both != (Kind::Node, Kind::Node) && !(self.kind.is_outside() && other.kind.is_outside())
    }

    /// Whether it is one pod, which has nobody like itself to talk to.
    pub(super) fn is_single(&self) -> bool {
        self.kind != Kind::Pods || self.endpoints.len() == 1
    }
}

/// Everybody, in an order that people expect: pods by name, then the node, then the world and its networks. Pods of an
/// identity of which nothing is compiled are left out: nobody knows what they may do.
pub(crate) fn actors(
    compiled: &Compiled,
    endpoints: &[Endpoint],
    around: &Surroundings,
) -> Vec<Actor> {
    let mut by_identity: BTreeMap<u32, Vec<&Endpoint>> = BTreeMap::new();
    for endpoint in endpoints {
        by_identity
            .entry(endpoint.identity)
            .or_default()
            .push(endpoint);
    }
    let known = by_identity.into_iter();
    let known = known.filter(|(identity, _)| compiled.subjects.contains_key(identity));
    let mut actors: Vec<_> = known
        .map(|(identity, endpoints)| pods(compiled, identity, endpoints, around))
        .collect();
    actors.sort_by(|one, other| (&one.namespace, &one.name).cmp(&(&other.namespace, &other.name)));
    actors.push(node(compiled, around));
    actors.extend(outside(compiled, around));
    actors
}

fn pods(
    compiled: &Compiled,
    identity: u32,
    mut endpoints: Vec<&Endpoint>,
    around: &Surroundings,
) -> Actor {
    endpoints.sort_by_key(|endpoint| endpoint.id);
    let labels = endpoints.first().map(|first| first.labels.clone());
    let labels = labels.unwrap_or_default();
    let addresses = endpoints.iter().flat_map(|endpoint| {
        let own = [endpoint.ipv4.map(IpAddr::V4), endpoint.ipv6.map(IpAddr::V6)];
        own.into_iter().flatten()
    });
    let addresses: Vec<_> = addresses.collect();
    Actor {
        kind: Kind::Pods,
        name: name(&endpoints),
        namespace: namespace(&endpoints, &labels),
        identity,
        endpoints: endpoints.iter().map(|endpoint| endpoint.id).collect(),
        isolates: isolates(compiled, identity),
        parties: parties(compiled, identity, &addresses, around),
        labels,
    }
}

fn isolates(compiled: &Compiled, identity: u32) -> [bool; 2] {
    let subject = compiled.subjects.get(&identity);
    subject.map_or([false; 2], |it| [it.isolates_ingress, it.isolates_egress])
}

/// The namespace that policy sees, where it is one that somebody gave.
fn namespace(endpoints: &[&Endpoint], labels: &Labels) -> String {
    let of_labels = PodFacts::of(labels).namespace;
    let is_given = labels.iter().any(|label| label.key == NAMESPACE_LABEL);
    let of_pod = endpoints.iter().find_map(|endpoint| endpoint.pod.as_ref());
    match (is_given, of_pod) {
        (false, Some(pod)) => pod.namespace.clone(),
        _ => of_labels,
    }
}

/// What people call pods that are the same to policy: what their names begin with.
fn name(endpoints: &[&Endpoint]) -> String {
    let names: Vec<_> = endpoints
        .iter()
        .map(|endpoint| own_name(endpoint))
        .collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first, others @ ..] => {
            let common = others.iter().fold(first.as_str(), |common, name| {
                let same = common.chars().zip(name.chars()).take_while(|(a, b)| a == b);
                let length = same.map(|(c, _)| c.len_utf8()).sum();
                common.get(..length).unwrap_or_default()
            });
            let count = names.len();
            if common.is_empty() {
                format!("{first} and {} more", count - 1)
            } else {
                format!("{common}* ({count} pods)")
            }
        }
    }
}

fn own_name(endpoint: &Endpoint) -> String {
    match &endpoint.pod {
        Some(pod) => pod.name.clone(),
        None if health::is_health(endpoint) => "health".to_owned(),
        None if !endpoint.container_name.is_empty() => endpoint.container_name.clone(),
        None => format!("endpoint {}", endpoint.id),
    }
}

fn node(compiled: &Compiled, around: &Surroundings) -> Actor {
    Actor {
        name: "the node".to_owned(),
        isolates: isolates(compiled, HOST),
        parties: parties(compiled, HOST, &around.node, around),
        ..other(Kind::Node, HOST)
    }
}

fn outside<'a>(
    compiled: &'a Compiled,
    around: &'a Surroundings,
) -> impl Iterator<Item = Actor> + 'a {
    let mut world = other(Kind::World, WORLD);
    "world".clone_into(&mut world.name);
    for is_v6 in families(around) {
        let covers =
            |(network, _): &&(Prefix, u32)| network.bits() == 0 && family(*network) == is_v6;
        // Where policy names a network that has every address, nobody is outside of it.
        if !compiled.networks.iter().any(|network| covers(&network)) {
            let party = Party {
                identity: WORLD,
                network: None,
            };
            world.parties[usize::from(is_v6)].insert(party);
        }
    }
    let networks = compiled.networks.iter();
    let networks = networks.filter(|(network, _)| around.families[usize::from(family(*network))]);
    let networks = networks.map(|(network, number)| {
        let party = Party {
            identity: WORLD,
            network: Some(*number),
        };
        let mut actor = other(Kind::Network(*network), WORLD);
        actor.name = network_name(compiled, *network);
        actor.parties[usize::from(family(*network))].insert(party);
        actor
    });
    let is_anybody = world.parties.iter().any(|parties| !parties.is_empty());
    Some(world)
        .filter(|_| is_anybody)
        .into_iter()
        .chain(networks)
}

/// An address belongs to the longest network alone.
pub(super) fn network_name(compiled: &Compiled, network: Prefix) -> String {
    let mut others = compiled.networks.iter();
    if others.any(|(other, _)| *other != network && network.contains(*other)) {
        format!("rest of {network}")
    } else {
        network.to_string()
    }
}

fn other(kind: Kind, identity: u32) -> Actor {
    Actor {
        kind,
        name: String::new(),
        namespace: String::new(),
        identity,
        labels: Labels::default(),
        endpoints: Vec::new(),
        isolates: [false; 2],
        parties: Default::default(),
    }
}

fn families(around: &Surroundings) -> impl Iterator<Item = bool> {
    let families = around.families;
    [false, true]
        .into_iter()
        .filter(move |is_v6| families[usize::from(*is_v6)])
}

fn family(network: Prefix) -> bool {
    network.address().is_ipv6()
}

/// Addresses as look-ups know them; of whom no address is known, as one that is in no network.
fn parties(
    compiled: &Compiled,
    identity: u32,
    addresses: &[IpAddr],
    around: &Surroundings,
) -> [BTreeSet<Party>; 2] {
    let mut parties: [BTreeSet<Party>; 2] = Default::default();
    for is_v6 in families(around) {
        let own = addresses
            .iter()
            .filter(|address| address.is_ipv6() == is_v6);
        let own = own.map(|address| network_of(&compiled.networks, *address));
        parties[usize::from(is_v6)] = own.map(|network| Party { identity, network }).collect();
    }
    if parties.iter().all(BTreeSet::is_empty) {
        for is_v6 in families(around) {
            let party = Party {
                identity,
                network: None,
            };
            parties[usize::from(is_v6)].insert(party);
        }
    }
    parties
}
