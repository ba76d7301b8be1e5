//! Names are read as they are written, and as the headers say them.

use super::*;
use crate::unit::Unit;

fn id(id: u16) -> EndpointId {
    EndpointId::new(id).unwrap()
}

#[test]
fn a_name_is_read_as_it_is_written() {
    let prefix = MapPrefix::default();
    let owners = [None, Some(id(1)), Some(id(2665))];
    let conntrack = owners.into_iter().flat_map(Conntrack::all);
    let mut all: Vec<_> = conntrack.map(MapName::Conntrack).collect();
    all.extend(MapName::SINGLE);
    all.extend([MapName::Policy(id(7)), MapName::Calls(id(65_534))]);
    all.extend([DeviceId::Host, DeviceId::Native(7)].map(MapName::DeviceCalls));
    all.extend([0, 7, 0xfedc_ba98_7654_3210, u64::MAX].map(MapName::Tails));
    for map in all {
        let name = map.with(&prefix);
        assert_eq!(MapName::parse(&prefix, &name), Some(map), "{name}");
        let other = MapPrefix::new("weir_b").unwrap();
        assert_eq!(MapName::parse(&prefix, &map.with(&other)), None, "{name}");
    }
}

#[test]
fn other_names_are_no_maps_of_ours() {
    let prefix = MapPrefix::default();
    for name in [
        "",
        "weir",
        "weir_",
        "weir_policy",
        "weir_policy_",
        "weir_policy_7",
        "weir_calls_00000",
        "weir_policy_65535",
        "weir_calls_02665__new",
        "weir_tails_",
        "weir_tails_7",
        "weir_tails_FEDCBA9876543210",
        "weir_tails_+edcba9876543210",
        "weir_tails_fedcba98765432100",
        "weir_lxc_global",
        "weir_ct4",
        "lxc",
        "Weir_lxc",
        "weir_ct4_globals",
        "weir_policy_０",
        "é",
    ] {
        assert_eq!(MapName::parse(&prefix, name), None, "{name}");
    }
}

#[test]
fn headers_say_the_same_names() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../bpf-templates");
    let read = |name| std::fs::read_to_string(format!("{folder}/{name}.hbs")).unwrap();
    let renderer =
        crate::header::Renderer::new(&read("ep_config.h"), &read("node_config.h")).unwrap();
    let node = crate::shape::NodeConfig::default();
    for own in [0, 1] {
        let mut shape = crate::shape::EndpointConfig::default();
        shape.options.set("ConntrackLocal", own).unwrap();
        let headers = renderer.template(Unit::Lxc, &node, &shape).unwrap();
        let text = headers.ep_config + &headers.node_config;
        let defined = text.lines().filter_map(|line| {
            let (_, name) = line.strip_prefix("#define ")?.split_once(' ')?;
            name.strip_prefix("weir_")
        });
        let names: Vec<_> = defined.collect();
        assert!(names.len() >= 13, "{names:?}");
        for name in names {
            // A template's maps have the digits that no endpoint has.
            let name = format!("weir_{}", name.replace("65535", "00001"));
            assert!(MapName::parse(&node.map_prefix, &name).is_some(), "{name}");
        }
    }
}

#[test]
fn types_are_called_as_bpftool_does() {
    let row = |number| (MapType::of(number), MapType::of(number).to_string());
    assert_eq!(row(9), (MapType::Lru, "lru_hash".to_owned()));
    assert_eq!(row(4), (MapType::Other(4), "4".to_owned()));
}
