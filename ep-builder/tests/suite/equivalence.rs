//! The object compiled from an endpoint's own header does what the patched template does.

use std::net::{Ipv4Addr, Ipv6Addr};

use ep_builder::elf::Content;
use ep_builder::endpoint::{Endpoint, EndpointId, MacAddr};
use ep_builder::pairwise::shapes;
use ep_builder::timeline::Timeline;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, endpoint_2665};

pub(crate) fn any_endpoint() -> impl Strategy<Value = Endpoint> {
    let addresses = (
        proptest::option::of(any::<u32>().prop_map(Ipv4Addr::from)),
        proptest::option::of(any::<u128>().prop_map(Ipv6Addr::from)),
        any::<[u8; 6]>().prop_map(MacAddr),
        any::<[u8; 6]>().prop_map(MacAddr),
    );
    let numbers = (
        1..=EndpointId::MAX,
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
    );
    (addresses, numbers).prop_map(
        |((ipv4, ipv6, mac, host_mac), (id, identity, ifindex, filter))| Endpoint {
            id: EndpointId::new(id).unwrap(),
            ipv4,
            ipv6,
            mac,
            host_mac,
            identity,
            host_ifindex: ifindex,
            verdict_log_filter: filter,
            masquerade: false,
            host_ports: Vec::new(),
            ..endpoint_2665()
        },
    )
}

#[test]
fn direct_and_patched_objects_are_equivalent_for_every_option() {
    need!(Need::Tool("clang"));
    let mut node = Node::new();
    let base = (node.settings.node.clone(), node.settings.endpoint.clone());
    // A fixed seed: a failure repeats, and the shapes are the same in every run.
    let mut random = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    for (node_config, shape) in shapes(&base) {
        node.settings.node = node_config;
        node.settings.endpoint = shape.clone();
        let builder = node.builder();
        let mut endpoint = any_endpoint().new_tree(&mut random).unwrap().current();
        endpoint.options = shape.options;
        let patched = builder
            .build(&endpoint, &mut Timeline::default())
            .unwrap()
            .object;
        let direct = builder
            .build_direct(&endpoint, &mut Timeline::default())
            .unwrap();
        let patched = Content::read(patched.bytes()).unwrap();
        let direct = Content::read(direct.bytes()).unwrap();
        assert!(
            patched.programs.len() >= 5 && patched.maps.len() >= 8,
            "an empty comparison proves nothing"
        );
        assert_eq!(patched.differences(&direct), [""; 0], "{endpoint:?}");
    }
}

#[test]
fn the_comparison_finds_what_differs() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let content = |endpoint: &Endpoint| {
        Content::read(
            builder
                .build_direct(endpoint, &mut Timeline::default())
                .unwrap()
                .bytes(),
        )
        .unwrap()
    };
    let base = content(&endpoint_2665());
    let mut other = endpoint_2665();
    other.identity += 1;
    assert_eq!(
        base.differences(&content(&other)),
        ["constant SECLABEL differs", "constant SECLABEL_NB differs"]
    );
    let mut other = endpoint_2665();
    other.id = EndpointId::new(1).unwrap();
    let lines = base.differences(&content(&other)).join("\n");
    assert!(lines.contains("map weir_policy_00001 is in one"), "{lines}");
    let mut other = endpoint_2665();
    other.options.set("DropNotification", 0).unwrap();
    let lines = base.differences(&content(&other)).join("\n");
    assert!(
        lines.contains("program ") && lines.contains(" differs"),
        "{lines}"
    );
}
