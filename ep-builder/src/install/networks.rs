//! Network configurations beside ours, and which networks are taken: pure but for nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use serde_json::{Value, json};

use crate::maps::Prefix;

/// The name of ours, and those by which it comes before others, in the order they are tried.
pub(super) const NAME: &str = "10-weir.conflist";
const FIRST: [&str; 2] = ["00-weir.conflist", "0-weir.conflist"];

/// The endings of what runtimes take for a configuration.
const ENDINGS: [&str; 3] = ["conf", "conflist", "json"];

/// The type of our plugin, and the name of its program.
pub const PLUGIN: &str = "weir-cni";

/// A configuration in the folder that runtimes read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// Its file name.
    pub name: String,
    /// Whether it is ours, by what it says.
    pub is_ours: bool,
    /// The networks that its pods get addresses of.
    pub networks: Vec<Prefix>,
}

/// A network that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The network.
    pub network: Prefix,
    /// Whose.
    pub by: String,
}

/// Whether a runtime reads a file of this name.
pub fn is_read(name: impl AsRef<Path>) -> bool {
    let ending = name.as_ref().extension().and_then(|it| it.to_str());
    ending.is_some_and(|ending| ENDINGS.contains(&ending))
}

/// A configuration, as its text says.
pub(super) fn list(name: &str, text: &[u8]) -> List {
    let value: Value = serde_json::from_slice(text).unwrap_or_default();
    let mut networks = Vec::new();
    subnets(&value, &mut networks);
    let plugins = value["plugins"].as_array().into_iter().flatten();
    let mut types = plugins
        .map(|plugin| &plugin["type"])
        .chain([&value["type"]]);
    List {
        name: name.to_owned(),
        is_ours: types.any(|kind| kind == PLUGIN),
        networks,
    }
}

/// Whatever is called `subnet`, wherever it stands: plugins put it in several places.
fn subnets(value: &Value, found: &mut Vec<Prefix>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| subnets(item, found)),
        Value::Object(keys) => {
            for (key, value) in keys {
                match value.as_str() {
                    Some(text) if key == "subnet" => found.extend(network(text)),
                    _ => subnets(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Others write a network with an address in it.
fn network(text: &str) -> Option<Prefix> {
    let (address, bits) = text.split_once('/')?;
    Prefix::around(address.parse().ok()?, bits.parse().ok()?).ok()
}

/// A configuration with other ranges: those of a family are one set, from which a pod gets one address.
pub(super) fn with_ranges(text: &[u8], ranges: &[Prefix]) -> Result<Vec<u8>, String> {
    if ranges.is_empty() {
        return Ok(text.to_owned());
    }
    let mut value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let plugins = value["plugins"].as_array_mut().into_iter().flatten();
    let ours = plugins.into_iter().find(|it| it["type"] == PLUGIN);
    let ours = ours.ok_or("it has no plugin of the type weir-cni")?;
    let sets = [true, false].map(|is_ipv4| {
        let of_family = ranges.iter().filter(|it| it.address().is_ipv4() == is_ipv4);
        of_family
            .map(|range| json!({ "subnet": range }))
            .collect::<Vec<_>>()
    });
    let sets = sets.into_iter().filter(|set| !set.is_empty());
    ours["ipam"]["ranges"] = sets.collect();
    let mut text = serde_json::to_vec_pretty(&value).map_err(|error| error.to_string())?;
    text.push(b'\n');
    Ok(text)
}

/// A name for ours that comes before all others; none if there is no such one.
pub(super) fn first_name(others: &[&str]) -> Option<&'static str> {
    let is_first = |name: &&str| others.iter().all(|other| name < other);
    FIRST.into_iter().find(is_first)
}

/// Who has a network, or a part of it, or one around it.
pub(super) fn overlap(range: Prefix, taken: &[Taken]) -> Option<&Taken> {
    let is_shared = |it: &&Taken| range.contains(it.network) || it.network.contains(range);
    taken.iter().find(is_shared)
}

/// Whether a device is weir's own: a pod's, or the node's.
fn is_own(device: &str) -> bool {
    device.starts_with("lxc") || ["weir_host", "weir_net", "lo"].contains(&device)
}

fn taken_by_route(network: Prefix, device: &str) -> Option<Taken> {
    let is_default = network.bits() == 0;
    (!is_default && !is_own(device)).then(|| Taken {
        network,
        by: format!("a route of the node by {device}"),
    })
}

/// The networks of `/proc/net/route`.
pub(super) fn routes_ipv4(text: &str) -> Vec<Taken> {
    let route = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let device = words.next()?;
        let number = |word: &str| u32::from_str_radix(word, 16).ok();
        let network = number(words.next()?)?;
        let mask = number(words.nth(5)?)?;
        // In the order of the network, and so of memory.
        let address: IpAddr = Ipv4Addr::from(network.to_ne_bytes()).into();
        let bits = u8::try_from(mask.count_ones()).ok()?;
        taken_by_route(Prefix::around(address, bits).ok()?, device)
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// The networks of `/proc/net/ipv6_route`, without those that every link has.
pub(super) fn routes_ipv6(text: &str) -> Vec<Taken> {
    let route = |line: &str| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let [address, bits, .., device] = words.as_slice() else {
            return None;
        };
        let address = Ipv6Addr::from_bits(u128::from_str_radix(address, 16).ok()?);
        if address.is_unicast_link_local() || address.is_multicast() {
            return None;
        }
        let bits = u8::from_str_radix(bits, 16).ok()?;
        taken_by_route(Prefix::around(address.into(), bits).ok()?, device)
    };
    text.lines().filter_map(route).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> Vec<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn lists_are_told_apart_with_their_networks() {
        for (text, is_ours, networks) in [
            (
                r#"{"plugins":[{"type":"weir-cni","ipam":{"ranges":[[{"subnet":"10.1.0.0/16"}],[{"subnet":"fd01::/64"}]]}}]}"#,
                true,
                &["10.1.0.0/16", "fd01::/64"][..],
            ),
            (
                r#"{"type":"bridge","ipam":{"subnet":"10.2.3.4/16"}}"#,
                false,
                &["10.2.0.0/16"],
            ),
            (
                r#"{"plugins":[{"type":"ptp","ipam":{"subnet":7}},{"type":"portmap"}]}"#,
                false,
                &[],
            ),
            ("{", false, &[]),
            ("[]", false, &[]),
        ] {
            let found = list("x.conf", text.as_bytes());
            assert_eq!(
                (found.is_ours, found.networks),
                (is_ours, prefixes(networks)),
                "{text}"
            );
        }
        for (name, want) in [
            ("10-a.conf", true),
            ("10-a.conflist", true),
            ("a.json", true),
            ("a.conf.bak", false),
            (".10-weir.conflist.weir-new", false),
            ("conf", false),
        ] {
            assert_eq!(is_read(name), want, "{name}");
        }
    }

    #[test]
    fn ranges_of_a_family_are_one_set() {
        let shipped = br#"{"name":"weir","plugins":[{"type":"x"},{"type":"weir-cni","mtu":7,"ipam":{"type":"weir","ranges":[]}}]}"#;
        let check = |ranges: &[&str], want: Value| {
            let text = with_ranges(shipped, &prefixes(ranges)).unwrap();
            let value: Value = serde_json::from_slice(&text).unwrap();
            let plugin = &value["plugins"][1];
            assert_eq!(
                plugin["ipam"],
                json!({ "type": "weir", "ranges": want }),
                "{ranges:?}"
            );
            assert_eq!(
                (&plugin["mtu"], &value["name"]),
                (&json!(7), &json!("weir"))
            );
        };
        let subnet = |text: &str| json!({ "subnet": text });
        check(&["10.1.0.0/16"], json!([[subnet("10.1.0.0/16")]]));
        check(
            &["fd01::/64", "10.1.0.0/16", "10.2.0.0/24"],
            json!([
                [subnet("10.1.0.0/16"), subnet("10.2.0.0/24")],
                [subnet("fd01::/64")]
            ]),
        );
        check(&[], json!([]));
        assert!(with_ranges(b"{}", &prefixes(&["10.1.0.0/16"])).is_err());
    }

    #[test]
    fn a_name_before_all_others_is_found() {
        for (others, want) in [
            (&[][..], Some("00-weir.conflist")),
            (&["05-x.conf", "10-y.conflist"], Some("00-weir.conflist")),
            (&["00-multus.conf"], Some("0-weir.conflist")),
            (&["0-a.conf"], None),
        ] {
            assert_eq!(first_name(others), want, "{others:?}");
        }
    }

    #[test]
    fn networks_of_routes_are_read_and_compared() {
        let ipv4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            podman0\t0000580A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            weir_host\t0000590A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            lxc0123456789ab\t0700590A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n";
        let found = routes_ipv4(ipv4);
        if cfg!(target_endian = "little") {
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(found[0].network.to_string(), "10.88.0.0/16");
            assert!(found[0].by.contains("podman0"));
        }
        let ipv6 = "fd880000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 cni0\n\
            fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001 eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200 lo\n\
            ff000000000000000000000000000000 08 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000004 00000000 00000001 eth0\n";
        let taken = routes_ipv6(ipv6);
        assert_eq!(taken.len(), 1, "{taken:?}");
        for (range, is_taken) in [
            ("fd88::/64", true),
            ("fd88::1:0/112", true),
            ("fd00::/8", true),
            ("fd89::/64", false),
            ("10.0.0.0/8", false),
        ] {
            let range = range.parse().unwrap();
            assert_eq!(overlap(range, &taken).is_some(), is_taken, "{range}");
        }
    }
}
