//! The pipeline as a whole: what an endpoint's object is, and how a node gets along without clang.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use ep_builder::builder::{Built, Origin};
use ep_builder::cache::Bundle;
use ep_builder::elf::Content;
use ep_builder::endpoint::{EndpointId, Values};
use ep_builder::object::Loadable;
use ep_builder::patch::Template;
use ep_builder::sources::Sources;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, chain, endpoint_2665, put};

#[test]
fn patch_changes_the_listed_places_and_nothing_else() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let endpoint = endpoint_2665();
    let shape = builder.shape_of(&endpoint.options);
    let template = builder
        .template(&shape, &mut Timeline::default())
        .unwrap()
        .entry
        .template;
    let object = template.patch(&Values::of_endpoint(&endpoint));
    let listed: Vec<_> = template
        .layout()
        .constants
        .iter()
        .map(|site| site.range.clone())
        .chain(
            template
                .layout()
                .names
                .iter()
                .map(|site| site.digits.clone()),
        )
        .collect();
    assert_eq!(object.bytes().len(), template.bytes().len());
    for (at, (new, old)) in object.bytes().iter().zip(template.bytes()).enumerate() {
        assert!(
            new == old || listed.iter().any(|range| range.contains(&at)),
            "byte {at}"
        );
    }
    let content = Content::read(object.bytes()).unwrap();
    assert!(
        content.maps.contains("weir_policy_02665") && content.maps.contains("weir_calls_02665")
    );
    assert_eq!(content.constants["LXC_IPV4"], [10, 11, 255, 104]);
    assert_eq!(content.constants["LXC_IP"], [0; 16]);
    assert_eq!(
        content.constants["NODE_MAC"],
        [0x42, 0x23, 0xdc, 0x4d, 0x79, 0xb1, 0, 0]
    );
    assert_eq!(content.constants["SECLABEL_NB"], 12022_u32.to_be_bytes());
    assert_eq!(content.constants["LXC_IFINDEX"], 19_u32.to_le_bytes());
}

/// What a load prepares before the other values are known is what it would read when they are.
#[test]
fn a_template_that_is_named_reads_as_the_object_but_for_its_data() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let mut endpoint = endpoint_2665();
    let shape = builder.shape_of(&endpoint.options);
    let template = builder.template(&shape, &mut Timeline::default());
    let mut template = template.unwrap().entry.template;
    for id in [EndpointId::MIN, 2665, EndpointId::MAX] {
        endpoint.id = EndpointId::new(id).unwrap();
        template.name(endpoint.id);
        let named = Loadable::parse(template.bytes()).unwrap();
        let object = template.patch(&Values::of_endpoint(&endpoint));
        let whole = Loadable::parse(object.bytes()).unwrap();
        assert_ne!(named, whole, "its constants are the template's");
        assert_eq!(named.with_data_of(object.bytes()).unwrap(), whole);
        assert!(whole.with_data_of(&object.bytes()[..64]).is_err());
    }
}

#[test]
fn no_placeholder_is_left_in_an_endpoint_s_object() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let mut endpoint = endpoint_2665();
    endpoint.options.set("ConntrackLocal", 1).unwrap();
    let built = builder.build(&endpoint, &mut Timeline::default()).unwrap();
    let text = String::from_utf8_lossy(built.object.bytes());
    assert!(
        !text.contains("_65535"),
        "a name still carries the placeholder"
    );
    for placeholder in [
        [192, 0, 2, 3].as_slice(),
        &[0x02, 0x00, 0x60, 0x0d, 0xf0, 0x0d],
    ] {
        assert!(
            !built
                .object
                .bytes()
                .windows(placeholder.len())
                .any(|w| w == placeholder)
        );
    }
    for map in [
        "weir_ct4_02665",
        "weir_ct_any4_02665",
        "weir_ct6_02665",
        "weir_ct_any6_02665",
    ] {
        assert!(text.contains(map), "{map}");
    }
}

#[test]
fn an_object_that_is_no_template_is_refused() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let built = builder
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert!(
        chain(&Template::read(Unit::Lxc, built.object.bytes().to_vec()).unwrap_err())
            .contains("named after an endpoint")
    );
    let template = builder
        .template(
            &builder.shape_of(&endpoint_2665().options),
            &mut Timeline::default(),
        )
        .unwrap();
    let bytes = template.entry.template.bytes();
    for cut in 0..bytes.len() {
        assert!(
            Template::read(Unit::Lxc, bytes[..cut].to_vec()).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn the_second_endpoint_compiles_nothing() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let mut endpoint = endpoint_2665();
    let first = node
        .builder()
        .build(&endpoint, &mut Timeline::default())
        .unwrap();
    assert!(matches!(first.origin, Origin::Compiled(_)));
    endpoint.id = EndpointId::new(7).unwrap();
    endpoint.ipv6 = Some("fd00::7".parse().unwrap());
    let second = node
        .builder()
        .build(&endpoint, &mut Timeline::default())
        .unwrap();
    assert_eq!((second.origin, second.key), (Origin::Cache, first.key));
    assert_ne!(first.object, second.object);
}

#[test]
fn a_complete_bundle_needs_no_clang() {
    need!(Need::Tool("clang"));
    let factory = Node::new();
    let built = factory
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    let node = Node::new().without_clang();
    let error = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap_err();
    assert!(chain(&error).contains("no clang found"), "{error}");

    fs::rename(factory.path("state/templates"), node.path("bundle")).unwrap();
    Bundle::write_index(
        &node.path("bundle"),
        &factory.builder().clang().unwrap().version,
    )
    .unwrap();
    let again = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert_eq!((again.origin, again.key), (Origin::Bundle, built.key));
    assert_eq!(again.object, built.object);
    assert!(
        node.templates().is_empty(),
        "a bundled template is not copied"
    );
}

#[test]
fn a_poisoned_bundle_is_reported_and_not_used() {
    need!(Need::Tool("clang"));
    let factory = Node::new();
    let built = factory
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    let node = Node::new();
    fs::rename(factory.path("state/templates"), node.path("bundle")).unwrap();
    Bundle::write_index(
        &node.path("bundle"),
        &factory.builder().clang().unwrap().version,
    )
    .unwrap();
    let object = node.path(&format!("bundle/{}/bpf_lxc.o", built.key));
    let mut bytes = fs::read(&object).unwrap();
    bytes[100] ^= 1;
    put(&object, bytes);
    let again = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert!(matches!(again.origin, Origin::Compiled(_)));
    assert!(
        again.notices.iter().any(|n| n.contains("was altered")),
        "{:?}",
        again.notices
    );
    assert_eq!(again.object, built.object);
}

#[test]
fn templates_outlive_their_compiler() {
    need!(Need::Tool("clang"));
    let mut node = Node::new();
    let built = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    node = node.without_clang();
    let again = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert_eq!((again.origin, again.key), (Origin::Cache, built.key));
}

/// A node with a bundle of the one template, whose clang does not answer.
fn bundled() -> (Node, Built) {
    let factory = Node::new();
    let built = factory
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    let node = Node::with_script("sleep 1000");
    fs::rename(factory.path("state/templates"), node.path("bundle")).unwrap();
    Bundle::write_index(
        &node.path("bundle"),
        &factory.builder().clang().unwrap().version,
    )
    .unwrap();
    (node, built)
}

#[test]
fn the_bundle_is_asked_before_the_compiler() {
    need!(Need::Tool("clang"));
    let (node, built) = bundled();
    // Would take 10 s if the compiler were asked.
    let again = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert_eq!((again.origin, again.object), (Origin::Bundle, built.object));
}

#[test]
fn a_bundle_may_be_hard_linked() {
    need!(Need::Tool("clang"));
    let (node, built) = bundled();
    let object = node.path(&format!("bundle/{}/bpf_lxc.o", built.key));
    fs::hard_link(object, node.path("second-name")).unwrap();
    let again = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap();
    assert_eq!(again.origin, Origin::Bundle);
}

#[test]
fn a_bundle_that_cannot_be_used_is_said_and_passed_over() {
    need!(Need::Tool("clang"));
    for (index, words) in [("{", "is damaged"), ("{\"compiler\":1}", "is damaged")] {
        let node = Node::new();
        fs::create_dir(node.path("bundle")).unwrap();
        put(node.path("bundle/bundle.json"), index);
        let built = node
            .builder()
            .build(&endpoint_2665(), &mut Timeline::default())
            .unwrap();
        assert!(
            built.notices.join("").contains(words),
            "{:?}",
            built.notices
        );
        let node = node.without_clang();
        let again = node
            .builder()
            .build(&endpoint_2665(), &mut Timeline::default())
            .unwrap();
        assert_eq!(again.origin, Origin::Cache);
    }
}

#[test]
fn a_bundle_without_the_template_is_named_when_there_is_no_compiler() {
    need!(Need::Tool("clang"));
    let (mut node, _) = bundled();
    node = node.without_clang();
    node.settings.endpoint.ct_tcp += 1;
    let error = node
        .builder()
        .build(&endpoint_2665(), &mut Timeline::default())
        .unwrap_err();
    let text = chain(&error);
    assert!(
        text.contains("has no template for this configuration") && text.contains("no clang found"),
        "{text}"
    );
    assert!(
        error.advice().unwrap().contains("bundle"),
        "{:?}",
        error.advice()
    );
}

#[test]
fn sources_that_anybody_could_write_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path().join("bpf_lxc.c"), "");
    Sources::read(folder.path()).unwrap();
    fs::set_permissions(
        folder.path().join("bpf_lxc.c"),
        fs::Permissions::from_mode(0o666),
    )
    .unwrap();
    assert!(chain(&Sources::read(folder.path()).unwrap_err()).contains("by everybody"));
    put(folder.path().join("bpf_lxc.c"), "");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(chain(&Sources::read(folder.path()).unwrap_err()).contains("by everybody"));
}

#[test]
fn symbolic_links_among_the_sources_are_refused() {
    for (name, target) in [("lib", "/usr/include"), ("a.h", "bpf_lxc.c")] {
        let folder = tempfile::tempdir().unwrap();
        put(folder.path().join("bpf_lxc.c"), "");
        std::os::unix::fs::symlink(target, folder.path().join(name)).unwrap();
        let error = chain(&Sources::read(folder.path()).unwrap_err());
        assert!(error.contains("is a symbolic link"), "{error}");
    }
}
