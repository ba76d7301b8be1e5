//! Random packets between the pods of a case and whoever else there is.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::choices::Choices;
use super::palette::Palette;
use crate::maps::Direction;
use crate::policy::oracle::case::{self, End, Packet, Pod};

/// The node, within the networks of its pods.
const HOST: [&str; 2] = ["10.0.1.1", "fd00:1::1"];
/// Others: inside and outside of every network that documents name, and never a pod.
const WORLD: [&str; 12] = [
    "192.0.2.1",
    "192.0.2.200",
    "10.0.1.9",
    "10.0.1.130",
    "10.0.2.9",
    "10.77.0.1",
    "203.0.113.5",
    "2001:db8::1",
    "fd00:1::9",
    "fd00:1:0:1::9",
    "fd00:2::2",
    "fe80::1",
];
/// What has no ports: echoes of both families, and something else.
const OTHERS: [(u8, u16); 3] = [(1, 8), (58, 128), (47, 0)];

/// A packet; none if there is no pod.
pub(super) fn packet(
    choices: &mut Choices,
    palette: &Palette,
    pods: &BTreeMap<u32, Pod>,
) -> Option<Packet> {
    let numbers: Vec<_> = pods.keys().copied().collect();
    let pod = choices.one_of(&numbers)?;
    let direction = choices.one_of(&Direction::ALL)?;
    let (remote, address) = remote(choices, pods, &numbers)?;
    // Nobody asks about what the node sends to its pods, or to itself.
    let may_be_nodes = match remote {
        End::Pod(_) => direction == Direction::Ingress,
        End::Host => false,
        End::World => true,
    };
    let subject = if may_be_nodes && choices.percent(25) {
        case::HOST
    } else {
        pod
    };
    let (protocol, port) = traffic(choices, palette, [subject, remote.identity()], pods)?;
    Some(Packet {
        subject,
        direction,
        remote,
        address,
        protocol,
        port,
    })
}

fn remote(
    choices: &mut Choices,
    pods: &BTreeMap<u32, Pod>,
    numbers: &[u32],
) -> Option<(End, IpAddr)> {
    let parsed = |text: &str| text.parse().ok();
    match choices.below(8) {
        0..4 => {
            let number = choices.one_of(numbers)?;
            let pod = pods.get(&number)?;
            let address = if choices.percent(30) {
                pod.ipv6.into()
            } else {
                pod.ipv4.into()
            };
            Some((End::Pod(number), address))
        }
        4 => Some((End::Host, parsed(choices.one_of(&HOST)?)?)),
        _ => Some((End::World, parsed(choices.one_of(&WORLD)?)?)),
    }
}

/// Protocol and port: often one that a pod of the two has given a name.
fn traffic(
    choices: &mut Choices,
    palette: &Palette,
    ends: [u32; 2],
    pods: &BTreeMap<u32, Pod>,
) -> Option<(u8, u16)> {
    if choices.percent(10) {
        return choices.one_of(&OTHERS);
    }
    let named: Vec<_> = ends
        .iter()
        .filter_map(|end| pods.get(end))
        .flat_map(|pod| &pod.facts.ports)
        .map(|port| port.container_port)
        .collect();
    let ports = if choices.percent(30) && !named.is_empty() {
        &named[..]
    } else {
        &palette.ports[..]
    };
    let port = choices.one_of(ports)?;
    // Next to an edge is where ranges go wrong.
    let port = port.saturating_add_signed(choices.one_of(&[0, 0, 0, 1, -1])?);
    Some((choices.one_of(&palette.protocols)?.number(), port))
}
