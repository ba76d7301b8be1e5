//! What an ADD makes of what IPAM gave.

use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::run;

use super::check::difference;
use super::{Plan, Pod, become_host, outcome};

/// Addresses, routes, and lines that the pod's tables must have, in order.
type Shape = (
    &'static [&'static str],
    &'static [&'static str],
    &'static [&'static str],
);

const SHAPES: &[Shape] = &[
    (
        &["10.88.0.5/16"],
        &[],
        &[
            "default via 10.88.0.1 dev eth0 mtu 1400",
            "10.88.0.1 dev eth0 scope link",
        ],
    ),
    (
        &["fd88::5/64"],
        &[],
        &[
            "fd88::1 dev eth0 metric 1024",
            "default via fd88::1 dev eth0 metric 1024 mtu 1400",
        ],
    ),
    (
        &["10.88.0.5/16>10.88.9.9", "fd88::5/64>fd88::9"],
        &[],
        &[
            "default via 10.88.9.9 dev eth0 mtu 1400",
            "10.88.9.9 dev eth0 scope link",
            "fd88::9 dev eth0 metric 1024",
            "default via fd88::9 dev eth0 metric 1024 mtu 1400",
        ],
    ),
    // The configuration's default route is the only one; one of the other family is nobody's.
    (
        &["10.88.0.5/16"],
        &["0.0.0.0/0", "::/0"],
        &[
            "default via 10.88.0.1 dev eth0 mtu 1400",
            "10.88.0.1 dev eth0 scope link",
        ],
    ),
    (
        &["10.88.0.5/16"],
        &[
            "0.0.0.0/0>10.88.0.77",
            "192.168.7.9/24",
            "10.96.0.0/12>10.88.0.1",
        ],
        &[
            "default via 10.88.0.77 dev eth0 onlink mtu 1400",
            "10.88.0.1 dev eth0 scope link",
            "10.96.0.0/12 via 10.88.0.1 dev eth0",
            "192.168.7.0/24 via 10.88.0.1 dev eth0",
        ],
    ),
    // Networks without a first address, or whose first address is the pod's.
    (
        &["10.88.0.5/32", "fd88::5/128"],
        &[],
        &[
            "default via 169.254.1.1 dev eth0 mtu 1400",
            "169.254.1.1 dev eth0 scope link",
            "default via fe80::1 dev eth0 metric 1024 mtu 1400",
        ],
    ),
    (
        &["10.77.0.1/24"],
        &[],
        &[
            "default via 169.254.1.1 dev eth0 mtu 1400",
            "169.254.1.1 dev eth0 scope link",
        ],
    ),
];

/// The routes of a pod without the kernel's own ones.
fn routes(pod: &Pod) -> Vec<String> {
    let said = pod.run("ip route") + &pod.run("ip -6 route");
    let lines = said.lines().map(|line| line.replace(" pref medium", ""));
    let lines = lines.map(|line| line.trim().to_owned());
    lines
        .filter(|line| !line.is_empty() && !line.contains("proto kernel"))
        .collect()
}

#[test]
fn every_shape_has_its_addresses_and_routes() {
    need!(Need::Root, Need::Tool("ip"));
    for (addresses, given, expected) in SHAPES {
        become_host();
        let pod = Pod::new(5);
        let outcome = outcome(addresses, given);
        let pair = pod.wire(&outcome, 1400);
        assert_eq!(routes(&pod), *expected, "{addresses:?} {given:?}");
        let said = pod.run("ip addr show dev eth0");
        for address in &Plan::new(&outcome, 1400).unwrap().addresses {
            let prefix = if address.is_ipv4() { 32 } else { 128 };
            assert!(
                said.contains(&format!("{address}/{prefix} ")),
                "{address}: {said}"
            );
            let way = run(&format!("ip route get {address}"));
            assert!(way.contains(&pair.host_name), "{way}");
        }
        assert!(!said.contains("global tentative"), "{said}");
        assert_eq!(difference(&pod, &outcome), None, "{addresses:?} {given:?}");
    }
}

#[test]
fn a_route_keeps_what_the_result_says_of_it() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let pod = Pod::new(5);
    let mut outcome = outcome(
        &["10.88.0.5/16", "fd88::5/64"],
        &["10.96.0.0/12", "10.97.0.0/16", "0.0.0.0/0"],
    );
    let [plain, linked, default] = &mut outcome.routes[..] else {
        unreachable!()
    };
    (plain.mtu, plain.advmss, plain.priority) = (Some(1300), Some(1200), Some(7));
    plain.table = Some(1000);
    linked.scope = Some(253);
    (default.mtu, default.table) = (Some(1350), Some(100));
    pod.wire(&outcome, 1400);
    for (table, expected) in [
        (
            "1000",
            "10.96.0.0/12 via 10.88.0.1 dev eth0 metric 7 mtu 1300 advmss 1200",
        ),
        ("100", "default via 10.88.0.1 dev eth0 mtu 1350"),
        // A default route in a table of its own is not the pod's.
        ("main", "default via 10.88.0.1 dev eth0 mtu 1400"),
        ("main", "10.97.0.0/16 dev eth0 scope link"),
    ] {
        let said = pod.run(&format!("ip route show table {table}"));
        let mut lines = said
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(lines.any(|line| line == expected), "{expected}: {said}");
    }
    assert_eq!(difference(&pod, &outcome), None);
}

#[test]
fn a_second_network_brings_no_second_default_route_of_its_own() {
    need!(Need::Root, Need::Tool("ip"));
    become_host();
    let mut pod = Pod::new(5);
    pod.wire(&outcome(&["10.88.0.5/16"], &[]), 1400);
    pod.attachment = super::attachment("container-5", "net1");
    pod.id = 6;
    let second = outcome(&["10.99.0.5/16"], &[]);
    pod.wire(&second, 1400);
    assert_eq!(difference(&pod, &second), None);
    let default = |all: &[String]| all.iter().filter(|l| l.starts_with("default")).count();
    assert_eq!(default(&routes(&pod)), 1, "{:?}", routes(&pod));
    // One that the configuration asks for goes behind the first.
    pod.attachment = super::attachment("container-5", "net2");
    pod.id = 7;
    pod.wire(&outcome(&["10.77.0.5/16"], &["0.0.0.0/0"]), 1400);
    let all = routes(&pod);
    assert_eq!(default(&all), 2, "{all:?}");
    assert!(all[0].contains("via 10.88.0.1 dev eth0"), "{all:?}");
}
