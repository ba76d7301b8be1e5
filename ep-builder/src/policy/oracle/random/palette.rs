//! What one case draws from: little, so that its rules meet.

use super::choices::Choices;
use crate::maps::Prefix;
use crate::policy::Protocol;

/// Ports at and next to where blocks begin and end.
const PORTS: [u16; 14] = [
    80, 81, 79, 87, 88, 95, 96, 255, 256, 8_079, 8_080, 32_767, 32_768, 65_535,
];
/// Networks within networks, of both families.
const NETWORKS: [&str; 16] = [
    "10.0.0.0/8",
    "0.0.0.0/0",
    "10.0.0.0/16",
    "10.0.1.0/24",
    "10.0.1.0/25",
    "10.0.1.4/30",
    "10.0.1.1/32",
    "10.0.1.7/32",
    "192.0.2.0/24",
    "192.0.2.128/25",
    "::/0",
    "fd00::/8",
    "fd00:1::/32",
    "fd00:1::/64",
    "fd00:1::4/126",
    "2001:db8::/32",
];

/// The ports, protocols and networks of a case.
pub(super) struct Palette {
    pub(super) ports: Vec<u16>,
    pub(super) protocols: Vec<Protocol>,
    pub(super) networks: Vec<Prefix>,
}

impl Palette {
    /// Some of all that there are.
    pub(super) fn new(choices: &mut Choices) -> Self {
        let protocols = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
        let networks = some(choices, &NETWORKS, 8);
        let networks = networks.into_iter().filter_map(|text| text.parse().ok());
        Self {
            ports: some(choices, &PORTS, 5),
            protocols: some(choices, &protocols, 2),
            networks: networks.collect(),
        }
    }
}

/// One or more of these, in a row as they stand.
fn some<T: Copy>(choices: &mut Choices, all: &[T], most: usize) -> Vec<T> {
    let count = 1 + choices.below(most);
    let first = choices.below(all.len());
    all.iter()
        .cycle()
        .skip(first)
        .take(count)
        .copied()
        .collect()
}
