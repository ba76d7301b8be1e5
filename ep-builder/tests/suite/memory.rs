//! Headers from what is remembered of them are the headers that the engine renders.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ep_builder::digest::sha256_hex;
use ep_builder::endpoint::{Endpoint, Label, Labels};
use ep_builder::header::Renderer;
use ep_builder::pairwise::shapes;
use ep_builder::shape::{EndpointConfig, NodeConfig};
use ep_builder::sources::read_templates;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::common::{Node, endpoint_2665, put, renderer, repository};
use crate::equivalence::any_endpoint;

/// Of the first of two processes, what the second one has.
fn recalled(memory: &Path, node: &NodeConfig, shape: &EndpointConfig) -> Renderer {
    let texts = read_templates(&repository("bpf-templates")).unwrap();
    Renderer::recalled(texts, memory, node, shape).unwrap()
}

/// Endpoints with labels and texts of all kinds.
fn any_described() -> impl Strategy<Value = Endpoint> {
    let label = (".{0,12}", ".{0,12}", ".{0,12}");
    let label = label.prop_map(|(source, key, value)| Label { key, value, source });
    let labels = proptest::collection::vec(label, 0..4).prop_map(|all| all.into_iter().collect());
    (any_endpoint(), ".{0,40}", labels).prop_map(
        |(endpoint, container_id, labels): (_, _, Labels)| Endpoint {
            container_id,
            labels,
            ..endpoint
        },
    )
}

#[test]
fn a_header_from_memory_is_the_rendered_one() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("headers.json");
    let engine = renderer();
    let mut random = TestRunner::deterministic();
    for (node, shape) in shapes(&(NodeConfig::default(), EndpointConfig::default())) {
        // Each process remembers once.
        renderer().remember(&memory, &node, &shape);
        let text = fs::read_to_string(&memory).unwrap();
        let (_, json) = text.split_once('\n').unwrap();
        let kept: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(
            kept["ep_config"].as_array().unwrap().len(),
            3,
            "all of it is kept"
        );
        let recalled = recalled(&memory, &node, &shape);
        for unit in Unit::ALL {
            assert_eq!(
                recalled.template(unit, &node, &shape).unwrap(),
                engine.template(unit, &node, &shape).unwrap()
            );
        }
        for _ in 0..16 {
            let endpoint = any_described().new_tree(&mut random).unwrap().current();
            assert_eq!(
                recalled.endpoint(&node, &shape, &endpoint).unwrap(),
                engine.endpoint(&node, &shape, &endpoint).unwrap()
            );
            assert_eq!(
                recalled.ep_config(&node, &shape, &endpoint).unwrap(),
                engine.ep_config(&node, &shape, &endpoint).unwrap()
            );
        }
    }
}

/// A memory whose digest holds, with one word of it changed.
fn changed(memory: &str, from: &str, to: &str) -> String {
    let (_, json) = memory.split_once('\n').unwrap();
    assert!(json.contains(from), "{from}");
    let json = json.replace(from, to);
    format!("{}\n{json}", sha256_hex(json.as_bytes()))
}

#[test]
fn only_a_whole_memory_of_the_same_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let memory = folder.path().join("headers.json");
    let (node, shape) = (NodeConfig::default(), EndpointConfig::default());
    let engine = renderer();
    engine.remember(&memory, &node, &shape);
    let whole = fs::read_to_string(&memory).unwrap();
    let header = |node: &NodeConfig, shape: &EndpointConfig| {
        let renderer = recalled(&memory, node, shape);
        renderer.ep_config(node, shape, &endpoint_2665()).unwrap()
    };
    let rendered = header(&node, &shape);
    // What is told apart below is told apart: a memory that holds is believed.
    put(&memory, changed(&whole, "PolicyMap", "NoMap"));
    assert_eq!(
        header(&node, &shape),
        rendered.replace("PolicyMap", "NoMap")
    );
    let damaged = whole.replace("PolicyMap", "NoMap");
    for (what, text) in [
        ("damaged", damaged),
        ("cut", whole[..whole.len() / 2].to_owned()),
        ("empty", String::new()),
        ("no JSON", format!("{}\n{{", sha256_hex(b"{"))),
        (
            "nothing kept",
            changed(&whole, "NodeMAC", "NodeMAC\u{2}stranger\u{3}"),
        ),
    ] {
        put(&memory, text);
        assert_eq!(header(&node, &shape), rendered, "{what}");
    }
    put(&memory, changed(&whole, "PolicyMap", "NoMap"));
    fs::set_permissions(&memory, fs::Permissions::from_mode(0o620)).unwrap();
    assert_eq!(
        header(&node, &shape),
        rendered,
        "others could have written it"
    );
    fs::remove_file(&memory).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &memory).unwrap();
    assert_eq!(header(&node, &shape), rendered, "a link");
    fs::remove_file(&memory).unwrap();
    put(&memory, changed(&whole, "PolicyMap", "NoMap"));
    let mut other = shape.clone();
    other.ct_tcp += 1;
    let direct = engine.ep_config(&node, &other, &endpoint_2665()).unwrap();
    assert_eq!(header(&node, &other), direct, "another shape");
}

#[test]
fn a_node_remembers_and_sees_what_changes() {
    let mut node = Node::new();
    let templates = node.path("templates.own");
    fs::create_dir(&templates).unwrap();
    for name in ["ep_config.h.hbs", "node_config.h.hbs"] {
        let text = fs::read(repository("bpf-templates").join(name)).unwrap();
        put(templates.join(name), text);
    }
    node.settings.paths.bpf_templates_dir.clone_from(&templates);
    let build = |node: &Node| {
        let built = node
            .builder()
            .build(&endpoint_2665(), &mut Timeline::default());
        built.unwrap()
    };
    let first = build(&node);
    assert!(node.path("state/headers.json").is_file());
    let second = build(&node);
    assert_eq!((first.key, &first.header), (second.key, &second.header));
    assert_eq!(first.object, second.object);
    let path = templates.join("ep_config.h.hbs");
    let text = fs::read_to_string(&path).unwrap();
    put(&path, text + "#define A_LINE_MORE 1\n");
    let third = build(&node);
    assert!(third.header.ends_with("#define A_LINE_MORE 1\n"));
    assert_ne!(third.key, first.key);
    node.settings.endpoint.ct_any += 1;
    let fourth = build(&node);
    assert!(fourth.header != third.header && fourth.key != third.key);
}
