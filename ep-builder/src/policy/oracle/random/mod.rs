//! Random cases in which things overlap: few labels, ports at the edges of blocks, networks within networks,
//! and pods, node and world in all of them.

mod choices;
mod documents;
mod packets;
mod palette;

pub use choices::Choices;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::case::{Case, Pod};
use crate::identity;
use crate::policy::{NamedPort, NodeFacts, PodFacts};
use palette::Palette;

/// The namespaces.
const NAMESPACES: [&str; 3] = ["default", "shop", "lab"];
/// The labels of pods, and those of namespaces, with their values.
const POD_LABELS: [(&str, [&str; 2]); 2] = [("app", ["web", "db"]), ("tier", ["front", "back"])];
const NAMESPACE_LABELS: [(&str, [&str; 2]); 2] =
    [("env", ["test", "prod"]), ("team", ["red", "blue"])];
/// Those of the node.
const NODE_LABELS: [(&str, [&str; 2]); 2] = [
    ("kubernetes.io/hostname", ["a", "b"]),
    ("role", ["edge", "core"]),
];
/// The names of ports.
const PORT_NAMES: [&str; 2] = ["http", "dns"];

/// A case with this many packets.
pub fn case(choices: &mut Choices, packets: usize) -> Case {
    let allow_localhost = !choices.percent(30);
    let palette = Palette::new(choices);
    let pods = pods(choices, &palette);
    let node = NodeFacts {
        labels: labels(choices, &NODE_LABELS, 60),
    };
    // Before the documents: a row of choices that is used up leaves simple documents, and not one packet.
    let packets = choices.times(packets, |choices| packets::packet(choices, &palette, &pods));
    Case {
        set: documents::set(choices, &palette),
        allow_localhost,
        packets: packets.into_iter().flatten().collect(),
        pods,
        node,
    }
}

fn pods(choices: &mut Choices, palette: &Palette) -> BTreeMap<u32, Pod> {
    let count = 2 + choices.below(4);
    let mut pods = BTreeMap::new();
    for (number, host) in (identity::FIRST..).zip(4_u8..).take(count) {
        let pod = Pod {
            facts: facts(choices, palette),
            ipv4: Ipv4Addr::new(10, 0, 1, host),
            ipv6: Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, host.into()),
        };
        // Two identities never have the same labels.
        if pods.values().all(|other: &Pod| other.facts != pod.facts) {
            pods.insert(number, pod);
        }
    }
    pods
}

fn facts(choices: &mut Choices, palette: &Palette) -> PodFacts {
    // Who is in no namespace has no labels and no names of ports either.
    if choices.percent(10) {
        return PodFacts::default();
    }
    PodFacts {
        namespace: choices.one_of(&NAMESPACES).unwrap_or_default().to_owned(),
        labels: labels(choices, &POD_LABELS, 60),
        ports: ports(choices, palette),
    }
}

fn labels(
    choices: &mut Choices,
    all: &[(&str, [&str; 2])],
    percent: usize,
) -> BTreeMap<String, String> {
    let keys = choices.some_of(all, percent);
    let labels = keys.into_iter().filter_map(|(key, values)| {
        let value = choices.one_of(&values)?;
        Some((key.to_owned(), value.to_owned()))
    });
    labels.collect()
}

/// A name may stand for a port of each protocol.
fn ports(choices: &mut Choices, palette: &Palette) -> Vec<NamedPort> {
    let mut ports = choices.up_to(3, |choices| {
        Some(NamedPort {
            name: choices.one_of(&PORT_NAMES)?.to_owned(),
            protocol: choices.one_of(&palette.protocols)?,
            container_port: choices.one_of(&palette.ports)?,
        })
    });
    ports.sort();
    ports.dedup_by_key(|port| {
        let port = port.as_ref()?;
        Some((port.name.clone(), port.protocol))
    });
    ports.into_iter().flatten().collect()
}
