//! The rendered headers against the golden one, and against text that tries to break out of a comment.

use std::net::Ipv6Addr;

use crate::common::{chain, endpoint_2665, renderer};
use ep_builder::endpoint::{Endpoint, EndpointId, Label, Pod};
use ep_builder::header::{Renderer, envelope};
use ep_builder::shape::{EndpointConfig, MapPrefix, NodeConfig};
use ep_builder::unit::Unit;

const GOLDEN: &str = include_str!("../golden/ep_config-2665.h");

fn render(endpoint: &Endpoint) -> String {
    let node = NodeConfig {
        map_prefix: MapPrefix::new("cilium").unwrap(),
        ..NodeConfig::default()
    };
    let shape = EndpointConfig {
        options: endpoint.options.clone(),
        ..EndpointConfig::default()
    };
    renderer()
        .endpoint(&node, &shape, endpoint)
        .unwrap()
        .ep_config
}

/// The record's base64 in a comment line, without magic and version.
fn record_of(line: &str) -> &str {
    line.split_once(':').unwrap().1
}

#[test]
fn golden_header_line_for_line() {
    let ours = render(&endpoint_2665());
    for (number, (golden, ours)) in GOLDEN.lines().zip(ours.lines()).enumerate() {
        if number == 1 {
            assert!(ours.starts_with(" * WEIR_BASE64_"));
            assert_eq!(
                record_of(ours),
                record_of(golden),
                "the record is byte for byte the same"
            );
        } else {
            assert_eq!(ours, golden, "line {}", number + 1);
        }
    }
    assert_eq!(ours.lines().count(), GOLDEN.lines().count());
}

/// Lines that `changed` has and `base` has not, and the other way round; comment line 2 left out.
fn difference(base: &str, changed: &str) -> (Vec<String>, Vec<String>) {
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .enumerate()
            .filter(|(n, _)| *n != 1)
            .map(|(_, l)| l.to_owned())
            .collect()
    };
    let (base, changed) = (lines(base), lines(changed));
    let only = |a: &[String], b: &[String]| a.iter().filter(|l| !b.contains(l)).cloned().collect();
    (only(&changed, &base), only(&base, &changed))
}

#[test]
fn dual_stack_adds_the_ipv6_lines() {
    let mut endpoint = endpoint_2665();
    endpoint.ipv6 = Some("f00d::a0b:0:0:a68".parse::<Ipv6Addr>().unwrap());
    let (added, removed) = difference(&render(&endpoint_2665()), &render(&endpoint));
    assert_eq!(
        added,
        [
            " * IPv6 address: f00d::a0b:0:0:a68",
            "DEFINE_IPV6(LXC_IP, 0xf0, 0x0d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x00, 0x0a, 0x68);",
            "#define LXC_IP fetch_ipv6(LXC_IP)",
        ]
    );
    assert_eq!(removed, [" * IPv6 address: "]);
}

#[test]
fn ipv6_alone_leaves_the_ipv4_lines_out() {
    let mut endpoint = endpoint_2665();
    endpoint.ipv4 = None;
    let (added, removed) = difference(&render(&endpoint_2665()), &render(&endpoint));
    assert_eq!(added, [" * IPv4 address: "]);
    assert_eq!(
        removed,
        [
            " * IPv4 address: 10.11.255.104",
            "DEFINE_U32(LXC_IPV4, 0x68ff0b0a); /* 1761544970 */",
            "#define LXC_IPV4 fetch_u32(LXC_IPV4)",
        ]
    );
}

#[test]
fn own_conntrack_maps_are_named_after_the_endpoint() {
    let mut endpoint = endpoint_2665();
    endpoint.options.set("ConntrackLocal", 1).unwrap();
    let header = render(&endpoint);
    assert!(header.contains("#define CT_MAP_TCP4 cilium_ct4_02665\n"));
    assert!(header.contains("#define CT_MAP_ANY6 cilium_ct_any6_02665\n"));
    assert!(!header.contains("_global"));
}

#[test]
fn golden_record_decodes_to_the_endpoint() {
    // The golden line carries another magic; the record behind it is what counts.
    let golden = GOLDEN.lines().nth(1).unwrap();
    let ours = format!(" * WEIR_BASE64_IjEuMCI=:{}", record_of(golden));
    assert_eq!(
        envelope::decode(&GOLDEN.replace(golden, &ours)).unwrap(),
        endpoint_2665()
    );
}

#[test]
fn header_decodes_to_the_endpoint_it_was_rendered_from() {
    let mut endpoint = endpoint_2665();
    endpoint.id = EndpointId::new(7).unwrap();
    endpoint.ifname = "eth0".into();
    endpoint.verdict_log_filter = 3;
    endpoint.ipv4 = None;
    endpoint.ipv6 = Some(Ipv6Addr::LOCALHOST);
    endpoint.pod = Some(Pod {
        namespace: "a".into(),
        name: "b*/\n".into(),
        uid: "c".into(),
    });
    endpoint.labels = [
        Label::new("k", "*/", "k8s"),
        Label::new("k", "another", "container"),
        Label::new("", "\0\u{1F980}", ""),
    ]
    .into_iter()
    .collect();
    assert_eq!(envelope::decode(&render(&endpoint)).unwrap(), endpoint);
}

#[test]
fn a_cut_header_is_an_error_at_every_offset() {
    let header = render(&endpoint_2665());
    let end = header.find("\n */\n").unwrap();
    for cut in 0..end {
        assert!(envelope::decode(&header[..cut]).is_err(), "cut at {cut}");
    }
    assert_eq!(envelope::decode(&header[..end]).unwrap(), endpoint_2665());
}

#[test]
fn templates_are_strict() {
    let error = |ep: &str, node: &str| match Renderer::new(ep, node) {
        Err(error) => chain(&error),
        Ok(renderer) => chain(
            &renderer
                .template(
                    Unit::Lxc,
                    &NodeConfig::default(),
                    &EndpointConfig::default(),
                )
                .unwrap_err(),
        ),
    };
    for (ep, node, want) in [
        (
            "{{no_such_thing}}",
            "",
            ["ep_config.h.hbs", "no_such_thing"],
        ),
        (
            "",
            "line\n{{#each maps}}{{sise}}{{/each}}",
            ["node_config.h.hbs", "sise"],
        ),
        ("{{#if lxc_ip}}", "", ["ep_config.h.hbs", ""]),
        (
            "{{#if no_such_thing}}x{{/if}}",
            "",
            ["ep_config.h.hbs", "no_such_thing"],
        ),
        (
            "{{#with no_such_thing}}x{{/with}}",
            "",
            ["ep_config.h.hbs", ""],
        ),
        (
            "{{#each no_such_thing}}x{{/each}}",
            "",
            ["ep_config.h.hbs", ""],
        ),
    ] {
        let text = error(ep, node);
        assert!(want.iter().all(|w| text.contains(w)), "{text}");
    }
}

#[test]
fn a_record_that_disagrees_with_the_plain_lines_is_damaged() {
    let header = render(&endpoint_2665());
    let mut other = endpoint_2665();
    for (change, what) in [
        (
            (|e| e.ipv4 = Some([10, 11, 255, 105].into())) as fn(&mut Endpoint),
            "IPv4 address",
        ),
        (|e| e.ipv6 = Some(Ipv6Addr::LOCALHOST), "IPv6 address"),
        (|e| e.identity += 1, "Identity"),
        (|e| e.host_mac.0[5] ^= 1, "NodeMAC"),
        (|e| e.container_id.push('x'), "Container ID"),
        (|e| e.id = EndpointId::new(2666).unwrap(), "PolicyMap"),
    ] {
        change(&mut other);
        let record = envelope::encode(&other).unwrap();
        let mixed = header.replace(header.lines().nth(1).unwrap(), &format!(" * {record}"));
        let error = envelope::decode(&mixed).unwrap_err().to_string();
        assert!(error.contains(what), "{what}: {error}");
        other = endpoint_2665();
    }
}
