//! Which devices, which addresses, which routes: tables.

use super::*;

fn link(index: u32, name: &str) -> Link {
    Link {
        index,
        name: name.to_owned(),
        alias: String::new(),
        mac: Some(MacAddr([2, 0, 0, 0, 0, 7])),
        mtu: 1500,
        framing: Framing::Ethernet,
        is_up: true,
        is_loopback: name == "lo",
        kind: String::new(),
        group: 0,
        peer: None,
    }
}

fn address(index: u32, text: &str) -> Address {
    let (address, bits) = text.split_once('/').unwrap();
    Address {
        index,
        address: address.parse().unwrap(),
        bits: bits.parse().unwrap(),
        scope: 0,
        flags: 0,
    }
}

fn default_route(index: u32, gateway: &str) -> DefaultRoute {
    let gateway: Option<IpAddr> = gateway.parse().ok();
    DefaultRoute {
        is_ipv6: gateway.is_some_and(|it| it.is_ipv6()),
        index,
        hints: Hints {
            source: None,
            gateway,
        },
        priority: 0,
    }
}

/// A node with `lo`, `eth0` of both families, `eth1` of IPv4, `tun0`, InfiniBand, our pair and a pod's.
fn facts(routes: &[(u32, &str)]) -> Facts {
    let ours = Link {
        alias: "weir:node:weir".to_owned(),
        kind: "veth".to_owned(),
        ..link(6, "weir_host")
    };
    let pods = Link {
        kind: "veth".to_owned(),
        ..link(7, "lxc0123456789ab")
    };
    let tunnel = Link {
        mac: None,
        mtu: 1420,
        framing: Framing::Bare,
        ..link(4, "tun0")
    };
    let other = Link {
        framing: Framing::Other(32),
        ..link(5, "ib0")
    };
    let eth1 = Link {
        mtu: 9000,
        ..link(3, "eth1")
    };
    Facts {
        links: vec![
            link(1, "lo"),
            link(2, "eth0"),
            eth1,
            tunnel,
            other,
            ours,
            pods,
        ],
        addresses: vec![
            address(2, "192.0.2.7/24"),
            address(2, "2001:db8::7/64"),
            address(3, "198.51.100.7/24"),
            address(4, "10.9.0.1/32"),
            address(6, "10.88.0.1/32"),
        ],
        routes: routes
            .iter()
            .map(|(index, gateway)| default_route(*index, gateway))
            .collect(),
    }
}

/// Configured names, default routes, devices with their sources and MTU, a part of each notice.
type Case<'a> = (
    &'a [&'a str],
    &'a [(u32, &'a str)],
    &'a [&'a str],
    u32,
    &'a [&'a str],
);

const CASES: &[Case<'_>] = &[
    (
        &[],
        &[(2, "192.0.2.1")],
        &["eth0 192.0.2.7 2001:db8::7"],
        1500,
        &[],
    ),
    (
        &[],
        &[(2, "192.0.2.1"), (2, "fe80::1")],
        &["eth0 192.0.2.7 2001:db8::7"],
        1500,
        &[],
    ),
    // Several, in the order of the routes; the smallest MTU counts.
    (
        &[],
        &[(3, "198.51.100.1"), (2, "192.0.2.1"), (4, "10.9.0.2")],
        &[
            "eth1 198.51.100.7 -",
            "eth0 192.0.2.7 2001:db8::7",
            "tun0 10.9.0.1 - bare",
        ],
        1420,
        &[],
    ),
    (
        &[],
        &[(3, "198.51.100.1")],
        &["eth1 198.51.100.7 -"],
        9000,
        &[],
    ),
    // A family whose default route takes a device without an address of it.
    (
        &[],
        &[(3, "fe80::1")],
        &["eth1 198.51.100.7 -"],
        9000,
        &["eth1 has no IPv6 address"],
    ),
    (&[], &[], &[], 1500, &["no device leads outside"]),
    // Neither pods nor our own pair nor the loopback lead outside.
    (
        &[],
        &[(1, ""), (6, ""), (7, "")],
        &[],
        1500,
        &["no device leads outside"],
    ),
    (
        &[],
        &[(5, "192.0.2.1")],
        &[],
        1500,
        &["ib0 carries cannot be read (it is hardware of type 32)"],
    ),
    // What is named counts alone, and may be missing.
    (
        &["eth1"],
        &[(2, "192.0.2.1")],
        &["eth1 198.51.100.7 -"],
        9000,
        &[],
    ),
    (
        &["bond0", "eth0", "lo", "weir_host"],
        &[(3, "198.51.100.1")],
        &["eth0 192.0.2.7 2001:db8::7"],
        1500,
        &["no device bond0", "lo, which", "weir_host, which"],
    ),
];

fn shown(device: &DeviceRecord) -> String {
    let facts = &device.facts;
    let text = |address: Option<String>| address.unwrap_or("-".to_owned());
    let ipv4 = text(facts.ipv4_masquerade.map(|it| it.to_string()));
    let ipv6 = text(facts.ipv6_masquerade.map(|it| it.to_string()));
    let bare = if facts.has_ethernet { "" } else { " bare" };
    format!("{} {ipv4} {ipv6}{bare}", facts.name)
}

#[test]
fn devices_are_those_of_the_default_routes_or_those_named() {
    for (names, routes, devices, mtu, notices) in CASES {
        let mut settings = Settings::default();
        settings.host.devices = names.iter().map(|&name| name.to_owned()).collect();
        let plan = Plan::new(&settings, &facts(routes), &[]);
        let found: Vec<_> = plan.natives.iter().map(shown).collect();
        assert_eq!(found, *devices, "{names:?} {routes:?}");
        assert_eq!(plan.mtu, *mtu, "{names:?} {routes:?}");
        assert_eq!(plan.notices.len(), notices.len(), "{:?}", plan.notices);
        for (said, part) in plan.notices.iter().zip(*notices) {
            assert!(said.contains(part), "{said} {part}");
        }
    }
}

#[test]
fn a_family_that_is_off_has_no_source_and_is_not_missed() {
    let mut settings = Settings::default();
    settings.node.ipv4 = false;
    let plan = Plan::new(&settings, &facts(&[(3, "198.51.100.1")]), &[]);
    assert_eq!(shown(&plan.natives[0]), "eth1 - -");
    assert_eq!(plan.notices, [""; 0]);
}

#[test]
fn the_source_of_before_stays() {
    let settings = Settings::default();
    let mut there = facts(&[(2, "fe80::1")]);
    there.addresses.insert(0, address(2, "2001:db8::1/64"));
    let first = Plan::new(&settings, &there, &[]);
    assert_eq!(shown(&first.natives[0]), "eth0 192.0.2.7 2001:db8::1");
    let mut before = first.natives[0].clone();
    before.facts.ipv6_masquerade = "2001:db8::7".parse().ok();
    let second = Plan::new(&settings, &there, &[before]);
    assert_eq!(shown(&second.natives[0]), "eth0 192.0.2.7 2001:db8::7");
}

#[test]
fn a_gateway_goes_where_nobody_else_has_it() {
    let there = facts(&[]).addresses;
    for (gateway, want) in [
        ("10.88.0.1", GatewayPlace::Own),
        ("10.89.0.1", GatewayPlace::Own),
        ("fd88::1", GatewayPlace::Own),
        ("192.0.2.7", GatewayPlace::Elsewhere),
        ("192.0.2.1", GatewayPlace::Neighbour(2)),
        ("2001:db8::1", GatewayPlace::Neighbour(2)),
    ] {
        let found = place_of(gateway.parse().unwrap(), &there, 6);
        assert_eq!(found, want, "{gateway}");
    }
}

#[test]
fn networks_are_routed_whole_and_once() {
    let network = |text: &str| PodNetwork {
        network: text.parse().unwrap(),
        gateway: None,
    };
    let known = [
        network("fd88::/64"),
        network("10.88.0.0/16"),
        network("10.88.0.0/16"),
        network("10.9.0.7/32"),
        network("fd99::7/128"),
        network("0.0.0.0/0"),
    ];
    let mut settings = Settings::default();
    let routed = |settings: &Settings| -> Vec<_> {
        let all = routed(settings, &known).into_iter();
        all.map(|it| it.to_string()).collect()
    };
    assert_eq!(routed(&settings), ["10.88.0.0/16", "fd88::/64"]);
    settings.node.ipv6 = false;
    assert_eq!(routed(&settings), ["10.88.0.0/16"]);
    settings.host.pod_cidrs = vec!["10.0.0.0/8".parse().unwrap()];
    assert_eq!(routed(&settings), ["10.0.0.0/8"]);
}

#[test]
fn an_address_counts_once() {
    let all = node_addresses(&[
        address(3, "198.51.100.7/24"),
        address(2, "192.0.2.7/24"),
        address(9, "192.0.2.7/32"),
    ]);
    let found: Vec<_> = all
        .iter()
        .map(|it| (it.address.to_string(), it.ifindex))
        .collect();
    assert_eq!(
        found,
        [("192.0.2.7".to_owned(), 2), ("198.51.100.7".to_owned(), 3)]
    );
}
