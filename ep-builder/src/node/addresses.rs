//! The addresses of the node's devices, and which of them packets of pods leave with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::libc;
use serde::{Deserialize, Serialize};

use crate::attach::bytes::{attributes, word};
use crate::maps::Prefix;

/// `struct ifaddrmsg`: family, length of the prefix, flags, scope, then the device.
const HEADER: usize = 8;
const INDEX: usize = 4;
/// Attributes of an address.
const ADDRESS: u16 = 1;
const LOCAL: u16 = 2;
const FLAGS: u16 = 8;
/// `enum rt_scope_t`: everywhere, and within a site.
const UNIVERSE: u8 = 0;
const SITE: u8 = 200;
/// The networks that the Internet routes begin with these three bits.
const GLOBAL_UNICAST: u8 = 0x20;

/// An address of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The device.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// How many bits its network has.
    pub bits: u8,
    /// Where it is known (`enum rt_scope_t`).
    pub scope: u8,
    /// The kernel's flags (`IFA_F_*`).
    pub flags: u32,
}

impl Address {
    /// Reads the kernel's answer.
    pub(super) fn read(answer: &[u8]) -> Option<Self> {
        let [family, bits, flags, scope, ..] = *answer else {
            return None;
        };
        let (mut address, mut local) = (None, None);
        let mut flags = u32::from(flags);
        for (kind, value) in attributes(answer, HEADER) {
            match kind {
                ADDRESS => address = ip(family, value),
                LOCAL => local = ip(family, value),
                FLAGS => flags = word(value, 0).unwrap_or(flags),
                _ => {}
            }
        }
        Some(Self {
            index: word(answer, INDEX)?,
            // On a point-to-point device the other one is the peer's.
            address: local.or(address)?,
            bits,
            scope,
            flags,
        })
    }

    /// Whether others may know the node by it.
    pub fn is_public(&self) -> bool {
        matches!(self.scope, UNIVERSE | SITE) && !self.address.is_loopback()
    }

    /// The network it is in.
    pub fn network(&self) -> Option<Prefix> {
        Prefix::around(self.address, self.bits).ok()
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether packets can be sent with it now.
    fn is_usable(&self) -> bool {
        let is_unproven = self.has(libc::IFA_F_TENTATIVE) && !self.has(libc::IFA_F_OPTIMISTIC);
        self.scope == UNIVERSE && !is_unproven && !self.has(libc::IFA_F_DADFAILED)
    }

    /// The lower, the better a source it is.
    fn rank(&self, gateway: Option<IpAddr>) -> (bool, bool, bool) {
        // Of IPv4 the flag means that it is not the first of its network, of IPv6 that it is for a while only.
        let is_fleeting = self.has(libc::IFA_F_SECONDARY) || self.has(libc::IFA_F_DEPRECATED);
        let is_private =
            matches!(self.address, IpAddr::V6(it) if it.octets()[0] & 0xe0 != GLOBAL_UNICAST);
        let is_far = !gateway.is_some_and(|gateway| {
            let network = self.network();
            network.is_some_and(|network| network.contains(Prefix::of(gateway)))
        });
        (is_fleeting, is_private, is_far)
    }
}

/// What the default route of a device says of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hints {
    /// The source that the route names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// The next hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// The address of one family that packets of pods leave a device with: what its default route names, else as
/// the kernel's own masquerade chooses. The one chosen before stays while none is better, so that running
/// connections keep it.
pub(super) fn source<'a>(
    addresses: impl Iterator<Item = &'a Address> + Clone,
    index: u32,
    hints: Hints,
    before: Option<IpAddr>,
) -> Option<IpAddr> {
    let named = |it: &&Address| Some(it.address) == hints.source && it.is_usable();
    if let Some(named) = addresses.clone().find(named) {
        return Some(named.address);
    }
    let rank = |it: &Address| (it.rank(hints.gateway), Some(it.address) != before);
    let usable = addresses.filter(|it| it.index == index && it.is_usable());
    // Of equals the first, which is the one the kernel takes.
    usable.min_by_key(|it| rank(it)).map(|it| it.address)
}

/// The address in these bytes.
pub(super) fn ip(family: u8, bytes: &[u8]) -> Option<IpAddr> {
    match i32::from(family) {
        libc::AF_INET => bytes
            .first_chunk::<4>()
            .map(|it| Ipv4Addr::from(*it).into()),
        libc::AF_INET6 => bytes
            .first_chunk::<16>()
            .map(|it| Ipv6Addr::from(*it).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(index: u32, text: &str, flags: u32) -> Address {
        let (address, bits) = text.split_once('/').unwrap();
        Address {
            index,
            address: address.parse().unwrap(),
            bits: bits.parse().unwrap(),
            scope: UNIVERSE,
            flags,
        }
    }

    /// The addresses of device 2 with their flags, source and gateway of the route, the choice before, the choice.
    type Case<'a> = (&'a [(&'a str, u32)], [&'a str; 2], &'a str, &'a str);

    const CASES: &[Case<'_>] = &[
        (&[], ["", ""], "", ""),
        (&[("192.0.2.7/24", 0)], ["", ""], "", "192.0.2.7"),
        // The first, but rather the one in the gateway's network.
        (
            &[("192.0.2.7/24", 0), ("198.51.100.7/24", 0)],
            ["", ""],
            "",
            "192.0.2.7",
        ),
        (
            &[("192.0.2.7/24", 0), ("198.51.100.7/24", 0)],
            ["", "198.51.100.1"],
            "",
            "198.51.100.7",
        ),
        // The one before stays, unless another has become better.
        (
            &[("192.0.2.7/24", 0), ("198.51.100.7/24", 0)],
            ["", ""],
            "198.51.100.7",
            "198.51.100.7",
        ),
        (
            &[("192.0.2.7/24", 0), ("198.51.100.7/24", 0)],
            ["", "192.0.2.1"],
            "198.51.100.7",
            "192.0.2.7",
        ),
        (
            &[("192.0.2.7/24", 0)],
            ["", ""],
            "198.51.100.7",
            "192.0.2.7",
        ),
        // What the route names; nothing of it if no device has it.
        (
            &[("192.0.2.7/24", 0), ("192.0.2.8/24", libc::IFA_F_SECONDARY)],
            ["192.0.2.8", "192.0.2.1"],
            "",
            "192.0.2.8",
        ),
        (&[("192.0.2.7/24", 0)], ["192.0.2.9", ""], "", "192.0.2.7"),
        (
            &[("192.0.2.8/24", libc::IFA_F_SECONDARY), ("192.0.2.7/24", 0)],
            ["", ""],
            "",
            "192.0.2.7",
        ),
        // IPv6: global before local, lasting before temporary, proven only.
        (
            &[("fd00::7/64", 0), ("2001:db8::7/64", 0)],
            ["", "fe80::1"],
            "",
            "2001:db8::7",
        ),
        (
            &[
                ("2001:db8::8/64", libc::IFA_F_TEMPORARY),
                ("2001:db8::7/64", 0),
            ],
            ["", ""],
            "",
            "2001:db8::7",
        ),
        (
            &[
                ("2001:db8::8/64", libc::IFA_F_DEPRECATED),
                ("fd00::7/64", 0),
            ],
            ["", ""],
            "",
            "fd00::7",
        ),
        (
            &[("2001:db8::8/64", libc::IFA_F_DEPRECATED)],
            ["", ""],
            "",
            "2001:db8::8",
        ),
        (
            &[("2001:db8::7/64", libc::IFA_F_TENTATIVE)],
            ["", ""],
            "",
            "",
        ),
        (
            &[(
                "2001:db8::7/64",
                libc::IFA_F_TENTATIVE | libc::IFA_F_OPTIMISTIC,
            )],
            ["", ""],
            "",
            "2001:db8::7",
        ),
        (
            &[(
                "2001:db8::7/64",
                libc::IFA_F_TENTATIVE | libc::IFA_F_DADFAILED,
            )],
            ["", ""],
            "",
            "",
        ),
    ];

    #[test]
    fn the_source_is_the_routes_or_the_kernels_choice() {
        let ip = |text: &str| text.parse::<IpAddr>().ok();
        for (there, [named, gateway], before, want) in CASES {
            let mut all: Vec<_> = there
                .iter()
                .map(|(text, flags)| address(2, text, *flags))
                .collect();
            // Of another device, or not for others.
            all.insert(0, address(3, "203.0.113.1/24", 0));
            all.push(Address {
                scope: 253,
                ..address(2, "169.254.0.1/16", 0)
            });
            let hints = Hints {
                source: ip(named),
                gateway: ip(gateway),
            };
            let found = source(all.iter(), 2, hints, ip(before));
            assert_eq!(found, ip(want), "{there:?} {named} {gateway} {before}");
        }
        let elsewhere = [address(3, "203.0.113.1/24", 0)];
        let hints = Hints {
            source: ip("203.0.113.1"),
            gateway: None,
        };
        let found = source(elsewhere.iter(), 2, hints, None);
        assert_eq!(
            found,
            ip("203.0.113.1"),
            "a route may name another device's"
        );
    }

    #[test]
    fn an_address_is_read_from_the_kernels_words() {
        let mut bytes = vec![2, 24, 0x80, 0];
        bytes.extend(7_u32.to_ne_bytes());
        for (kind, value) in [
            (ADDRESS, [192, 0, 2, 1]),
            (LOCAL, [192, 0, 2, 7]),
            (FLAGS, 1_u32.to_ne_bytes()),
        ] {
            bytes.extend(8_u16.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
        }
        assert_eq!(Address::read(&bytes), Some(address(7, "192.0.2.7/24", 1)));
        assert_eq!(Address::read(&bytes[..8]), None);
        assert_eq!(Address::read(&[]), None);
        let found = Address::read(&bytes).unwrap();
        assert!(found.is_public());
        assert_eq!(found.network().unwrap().to_string(), "192.0.2.0/24");
    }
}
