//! W5, W9, W13: results in every version, and nothing lost on the way through.

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::holds;
use crate::result::{Address, Dns, Extra, Interface, Outcome, Route};
use crate::version::Version;

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// What ADD makes for a pod with both families.
fn dual_stack() -> Outcome {
    let link = |name: &str, sandbox: Option<&str>| Interface {
        name: name.to_owned(),
        mac: "0A:58:0a:58:00:02".to_owned(),
        mtu: Some(1450),
        sandbox: sandbox.map(str::to_owned),
        extra: Extra::new(),
    };
    let address = |text: &str, gateway: &str| Address {
        address: net(text),
        gateway: Some(gateway.parse().unwrap()),
        interface: Some(1),
        extra: Extra::new(),
    };
    let default = Route {
        mtu: Some(1400),
        scope: Some(0),
        ..Route::new(net("0.0.0.0/0"), Some("10.88.0.1".parse().unwrap()))
    };
    Outcome {
        interfaces: vec![link("lxc123", None), link("eth0", Some("/proc/7/ns/net"))],
        ips: vec![
            address("10.88.0.2/16", "10.88.0.1"),
            address("fd88::2/64", "fd88::1"),
        ],
        routes: vec![default, Route::new(net("::/0"), None)],
        dns: Dns::default(),
        extra: Extra::new(),
    }
}

fn encoded(outcome: &Outcome, version: &str) -> Value {
    outcome.encode(Version::named(version).unwrap()).unwrap()
}

fn decoded(value: &Value) -> Outcome {
    Outcome::decode(("result".to_owned(), value.clone()), Version::NEWEST).unwrap()
}

#[test]
fn w5_the_oldest_results_have_one_address_of_each_family() {
    let expected = json!({
        "ip4": {"ip": "10.88.0.2/16", "gateway": "10.88.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.88.0.1"}]},
        "ip6": {"ip": "fd88::2/64", "gateway": "fd88::1", "routes": [{"dst": "::/0"}]},
        "dns": {},
    });
    for version in ["0.1.0", "0.2.0"] {
        let mut got = encoded(&dual_stack(), version);
        assert_eq!(got["cniVersion"], version);
        let back = decoded(&got);
        assert_eq!((back.ips.len(), back.routes.len()), (2, 2));
        got.as_object_mut().unwrap().remove("cniVersion");
        assert_eq!(got, expected, "{version}");
    }
    let mut more = dual_stack();
    more.ips.insert(
        1,
        Address {
            address: net("10.88.0.3/16"),
            ..more.ips[0].clone()
        },
    );
    assert_eq!(
        encoded(&more, "0.2.0")["ip4"]["ip"],
        "10.88.0.2/16",
        "the first counts"
    );
    let error = Outcome::default().encode(Version::V0_1_0).unwrap_err();
    assert!(error.to_string().contains("0.3.1"), "{error}");
}

#[test]
fn w5_w9_newer_results_differ_in_the_family_and_the_newest_fields() {
    let host = json!({"name": "lxc123", "mac": "0a:58:0a:58:00:02", "sandbox": ""});
    let pod = json!({"name": "eth0", "mac": "0a:58:0a:58:00:02", "sandbox": "/proc/7/ns/net"});
    let with = |value: &Value, key: &str, more: Value| {
        let mut value = value.clone();
        value[key] = more;
        value
    };
    let four = json!({"address": "10.88.0.2/16", "gateway": "10.88.0.1", "interface": 1});
    let six = json!({"address": "fd88::2/64", "gateway": "fd88::1", "interface": 1});
    let default = json!({"dst": "0.0.0.0/0", "gw": "10.88.0.1"});
    for version in ["0.3.0", "0.3.1", "0.4.0"] {
        let expected = json!({
            "cniVersion": version,
            "interfaces": [host, pod],
            "ips": [with(&four, "version", json!("4")), with(&six, "version", json!("6"))],
            "routes": [default, {"dst": "::/0"}],
            "dns": {},
        });
        assert_eq!(encoded(&dual_stack(), version), expected);
    }
    let expected = json!({
        "cniVersion": "1.0.0",
        "interfaces": [host, pod],
        "ips": [four, six],
        "routes": [default, {"dst": "::/0"}],
        "dns": {},
    });
    assert_eq!(encoded(&dual_stack(), "1.0.0"), expected);
    let newest = json!({"dst": "0.0.0.0/0", "gw": "10.88.0.1", "mtu": 1400, "scope": 0});
    let expected = json!({
        "cniVersion": "1.1.0",
        "interfaces": [with(&host, "mtu", json!(1450)), with(&pod, "mtu", json!(1450))],
        "ips": [four, six],
        "routes": [newest, {"dst": "::/0"}],
    });
    assert_eq!(encoded(&dual_stack(), "1.1.0"), expected);
}

#[test]
fn w5_a_result_comes_back_in_every_version() {
    for version in Version::ALL {
        let first = dual_stack().encode(version).unwrap();
        let second = decoded(&first).encode(version).unwrap();
        assert_eq!(first, second, "{version}");
    }
}

/// What other plugins write and no specification has.
#[test]
fn odd_results_of_others_are_read() {
    let odd = json!({
        "CNIVersion": "1.0.0",
        "Interfaces": [{"Name": "eth0", "MAC": "0A:58:0A:58:00:02", "sandbox": ""}, null],
        "ips": [
            {"address": "10.0.0.2/24", "gateway": "", "interface": -1},
            {"address": "10.0.0.3/24", "interface": 1},
            {"Address": "10.0.0.4/24", "interface": 0, "gateway": null},
        ],
        "routes": null,
        "dns": null,
    });
    let outcome = decoded(&odd);
    assert_eq!(outcome.interfaces[0].mac, "0a:58:0a:58:00:02");
    assert_eq!(outcome.interfaces[0].sandbox, None);
    // An index past the end makes containerd panic.
    let indices: Vec<_> = outcome.ips.iter().map(|ip| ip.interface).collect();
    assert_eq!(indices, [None, None, Some(0)]);
    assert!(outcome.ips.iter().all(|ip| ip.gateway.is_none()));
    assert_eq!((outcome.routes, outcome.dns), (vec![], Dns::default()));
}

/// A delegate of today answers an old configuration with the fields of 1.1.0.
#[test]
fn newer_fields_in_an_older_result_are_used_and_handed_on() {
    let result = json!({
        "cniVersion": "1.0.0",
        "interfaces": [{"name": "eth0", "sandbox": "x", "mtu": 1400, "pciID": "0"}],
        "ips": [],
        "routes": [{"dst": "10.0.0.0/8", "mtu": 1300, "table": 100, "priority": "odd"}],
    });
    let outcome = decoded(&result);
    assert_eq!(outcome.interfaces[0].mtu, Some(1400));
    let route = &outcome.routes[0];
    assert_eq!(
        (route.mtu, route.table, route.priority),
        (Some(1300), Some(100), None)
    );
    assert!(holds(&encoded(&outcome, "1.0.0"), &result));
}

#[test]
fn w13_unknown_fields_survive_at_every_level() {
    for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let odd = json!({"deep": [1, {"er": null}], "n": 9_007_199_254_740_993_u64});
        let result = json!({
            "cniVersion": version, "x-top": odd,
            "interfaces": [{"name": "a", "sandbox": "", "socketPath": "/s", "pciID": "p", "x": odd}],
            "ips": [{"address": "10.0.0.1/8", "interface": 0, "x": odd}],
            "routes": [{"dst": "10.0.0.0/8", "x": odd}],
            "dns": {"nameservers": ["1.1.1.1"], "domain": "d", "search": ["s"], "options": ["o"], "x": odd},
        });
        let out = encoded(&decoded(&result), version);
        assert!(holds(&out, &result), "{version}: {out}");
    }
    let result = json!({
        "cniVersion": "0.2.0", "x": 1,
        "ip4": {"ip": "10.0.0.1/8", "x": 2, "routes": [{"dst": "0.0.0.0/0", "x": 3}]},
        "dns": {"x": 4},
    });
    assert!(holds(&encoded(&decoded(&result), "0.2.0"), &result));
}

fn nets() -> impl Strategy<Value = IpNet> {
    let four = (any::<[u8; 4]>(), 0..=32_u8).prop_map(|(ip, length)| IpNet::new(ip.into(), length));
    let six =
        (any::<[u8; 16]>(), 0..=128_u8).prop_map(|(ip, length)| IpNet::new(ip.into(), length));
    prop_oneof![four, six].prop_map(Result::unwrap)
}

fn gateways() -> impl Strategy<Value = Option<std::net::IpAddr>> {
    prop::option::of(nets().prop_map(|net| net.addr()))
}

fn interfaces() -> impl Strategy<Value = Interface> {
    let sandbox = prop::option::of("/[a-z]{1,8}");
    let mac = any::<[u8; 6]>().prop_map(|mac| ep_builder::endpoint::MacAddr(mac).to_string());
    let mtu = prop::option::of(1..70_000_u32);
    ("[a-z]{1,8}", mac, mtu, sandbox).prop_map(|(name, mac, mtu, sandbox)| Interface {
        name,
        mac,
        mtu,
        sandbox,
        extra: Extra::new(),
    })
}

prop_compose! {
    fn addresses()(address in nets(), gateway in gateways(), interface in prop::option::of(0..2_usize)) -> Address {
        Address { address, gateway, interface, extra: Extra::new() }
    }
}

prop_compose! {
    fn routes()(
        dst in nets(), gw in gateways(), numbers in any::<[Option<std::num::NonZeroU32>; 3]>(),
        table in any::<Option<u32>>(), scope in any::<Option<u8>>(),
    ) -> Route {
        let [mtu, advmss, priority] = numbers.map(|number| number.map(u32::from));
        Route { mtu, advmss, priority, table, scope, ..Route::new(dst, gw) }
    }
}

prop_compose! {
    /// What any ADD of ours could make.
    pub(super) fn outcomes()(
        interfaces in prop::collection::vec(interfaces(), 2),
        ips in prop::collection::vec(addresses(), 1..4),
        routes in prop::collection::vec(routes(), 0..4),
        nameservers in prop::collection::vec(nets().prop_map(|net| net.addr().to_string()), 0..3),
        domain in "[a-z.]{0,8}",
    ) -> Outcome {
        let dns = Dns { nameservers, domain, ..Dns::default() };
        Outcome { interfaces, ips, routes, dns, extra: Extra::new() }
    }
}

proptest! {
    #[test]
    fn every_outcome_comes_back_from_the_newest_version(outcome in outcomes()) {
        let back = decoded(&outcome.encode(Version::NEWEST).unwrap());
        prop_assert_eq!(back, outcome);
    }

    #[test]
    fn every_outcome_comes_back_from_older_ones_without_what_is_new(outcome in outcomes()) {
        let mut expected = outcome.clone();
        expected.interfaces.iter_mut().for_each(|link| link.mtu = None);
        for route in &mut expected.routes {
            *route = Route::new(route.dst, route.gw);
        }
        for version in [Version::V0_3_0, Version::V0_3_1, Version::V0_4_0, Version::V1_0_0] {
            prop_assert_eq!(&decoded(&outcome.encode(version).unwrap()), &expected);
        }
    }
}
