//! Default routes: which devices lead outside, and what they say of the source.

use std::net::IpAddr;

use nix::libc;

use super::addresses::{Hints, ip};
use crate::attach::bytes::{attributes, word};
use crate::attach::route::{HEADER, OIF};

/// Attributes of a route, beside its device.
const GATEWAY: u16 = 5;
const PRIORITY: u16 = 6;
const SOURCE: u16 = 7;
const HOPS: u16 = 9;
const VIA: u16 = 18;
/// `struct rtnexthop`: its length, flags, hops, then the device.
const HOP_HEADER: usize = 8;

/// A way of a default route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Whether it is IPv6's.
    pub is_ipv6: bool,
    /// The device.
    pub index: u32,
    /// What it says of the source.
    pub hints: Hints,
    /// The lower, the earlier it is taken.
    pub priority: u32,
}

impl DefaultRoute {
    /// Reads the kernel's answer: none for other routes, several for one with several hops.
    pub(super) fn read(answer: &[u8]) -> Vec<Self> {
        let [family, 0, _, _, table, _, _, libc::RTN_UNICAST, ..] = *answer else {
            return Vec::new();
        };
        // The dump is asked for this table; before Linux 4.20 it has all of them.
        if table != libc::RT_TABLE_MAIN {
            return Vec::new();
        }
        let mut route = Self {
            is_ipv6: i32::from(family) == libc::AF_INET6,
            index: 0,
            hints: Hints::default(),
            priority: 0,
        };
        let mut hops = Vec::new();
        for (kind, value) in attributes(answer, HEADER) {
            match kind {
                OIF => route.index = word(value, 0).unwrap_or_default(),
                GATEWAY => route.hints.gateway = ip(family, value),
                VIA => route.hints.gateway = via(value),
                PRIORITY => route.priority = word(value, 0).unwrap_or_default(),
                SOURCE => route.hints.source = ip(family, value),
                HOPS => hops = hops_in(family, value),
                _ => {}
            }
        }
        let hops = hops.into_iter().map(|(index, gateway)| Self {
            index,
            hints: Hints {
                gateway,
                ..route.hints
            },
            ..route
        });
        let all = hops.chain([route]);
        all.filter(|route| route.index != 0).collect()
    }
}

/// The devices and next hops of a route with several.
fn hops_in(family: u8, bytes: &[u8]) -> Vec<(u32, Option<IpAddr>)> {
    let (mut rest, mut hops) = (bytes, Vec::new());
    while let Some([l0, l1]) = rest.first_chunk() {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        let Some(hop) = rest.get(..length).filter(|hop| hop.len() >= HOP_HEADER) else {
            break;
        };
        let gateway = attributes(hop, HOP_HEADER).find_map(|(kind, value)| match kind {
            GATEWAY => ip(family, value),
            VIA => via(value),
            _ => None,
        });
        hops.extend(word(hop, 4).map(|index| (index, gateway)));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    hops
}

/// The next hop of another family: its family in two bytes, then the address.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (family, address) = value.split_first_chunk::<2>()?;
    ip(u8::try_from(u16::from_ne_bytes(*family)).ok()?, address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [&length.to_ne_bytes(), &kind.to_ne_bytes(), value].concat();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn route(bits: u8, table: u8, kind: u8, more: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = vec![2, bits, 0, 0, table, 0, 0, kind, 0, 0, 0, 0];
        bytes.extend(more.concat());
        bytes
    }

    fn hop(index: u32, gateway: [u8; 4]) -> Vec<u8> {
        let mut bytes = vec![16, 0, 0, 0];
        bytes.extend(index.to_ne_bytes());
        bytes.extend(attribute(GATEWAY, &gateway));
        bytes
    }

    #[test]
    fn default_routes_are_told_from_others() {
        let device = attribute(OIF, &7_u32.to_ne_bytes());
        let more = [
            device.clone(),
            attribute(GATEWAY, &[192, 0, 2, 1]),
            attribute(SOURCE, &[192, 0, 2, 7]),
            attribute(PRIORITY, &100_u32.to_ne_bytes()),
        ];
        let found = DefaultRoute::read(&route(0, 254, 1, &more));
        let expected = DefaultRoute {
            is_ipv6: false,
            index: 7,
            hints: Hints {
                source: "192.0.2.7".parse().ok(),
                gateway: "192.0.2.1".parse().ok(),
            },
            priority: 100,
        };
        assert_eq!(found, [expected]);
        for (bits, table, kind) in [(24, 254, 1), (0, 255, 1), (0, 254, 6), (0, 100, 1)] {
            let found = DefaultRoute::read(&route(bits, table, kind, &more));
            assert_eq!(found, [], "/{bits} table {table} type {kind}");
        }
        assert_eq!(DefaultRoute::read(&route(0, 254, 1, &[])), [], "no device");
    }

    #[test]
    fn each_hop_counts_and_a_gateway_of_the_other_family_too() {
        let hops = [hop(3, [192, 0, 2, 1]), hop(4, [198, 51, 100, 1])].concat();
        let found = DefaultRoute::read(&route(0, 254, 1, &[attribute(HOPS, &hops)]));
        let seen: Vec<_> = found
            .iter()
            .map(|it| (it.index, it.hints.gateway.unwrap().to_string()))
            .collect();
        let expected = [(3, "192.0.2.1".to_owned()), (4, "198.51.100.1".to_owned())];
        assert_eq!(seen, expected);
        let gateway = [&10_u16.to_ne_bytes()[..], &[0xfe, 0x80], &[0; 13], &[1]].concat();
        let more = [
            attribute(VIA, &gateway),
            attribute(OIF, &7_u32.to_ne_bytes()),
        ];
        let found = DefaultRoute::read(&route(0, 254, 1, &more));
        assert_eq!(found[0].hints.gateway, "fe80::1".parse().ok());
    }

    #[test]
    fn cut_messages_are_survived() {
        let hops = [hop(3, [192, 0, 2, 1]), hop(4, [198, 51, 100, 1])].concat();
        let whole = route(0, 254, 1, &[attribute(HOPS, &hops)]);
        for length in 0..whole.len() {
            DefaultRoute::read(&whole[..length]);
            let mut bent = whole.clone();
            bent[length] = 255;
            DefaultRoute::read(&bent);
        }
    }
}
