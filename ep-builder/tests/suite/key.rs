//! The key: equal for equal inputs, different for any change that the compiler sees, and blind to
//! everything else.

use std::fs;
use std::path::Path;

use ep_builder::btf::Btf;
use ep_builder::compile::{FLAGS, Limits, compile};
use ep_builder::endpoint::{EndpointId, MacAddr};
use ep_builder::header::Headers;
use ep_builder::key::TemplateKey;
use ep_builder::layout_check::{Required, check};
use ep_builder::object::Loadable;
use ep_builder::options::OPTIONS;
use ep_builder::pairwise::shapes;
use ep_builder::shape::{EndpointConfig, NodeConfig};
use ep_builder::sources::Sources;
use ep_builder::timeline::Timeline;
use ep_builder::unit::Unit;

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{Node, clang, endpoint_2665, put, renderer, repository, sources};

fn headers(node: &NodeConfig, shape: &EndpointConfig) -> Headers {
    renderer().template(Unit::Lxc, node, shape).unwrap()
}

fn key_of(sources: &Sources) -> TemplateKey {
    TemplateKey::new(
        Unit::Lxc,
        &headers(&NodeConfig::default(), &EndpointConfig::default()),
        sources,
        FLAGS,
        "clang version 14.0.0",
    )
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn two_folders_give_the_same_key_and_the_same_bytes() {
    need!(Need::Tool("clang"));
    let elsewhere = tempfile::tempdir().unwrap();
    copy_tree(
        &repository("bpf-src"),
        &elsewhere.path().join("a/much/longer/name"),
    );
    let copied = Sources::read(&elsewhere.path().join("a/much/longer/name")).unwrap();
    assert_eq!(key_of(&copied), key_of(&sources()));

    let (node, shape) = (NodeConfig::default(), EndpointConfig::default());
    let build = |unit: Unit, sources: &Sources, folder: &Path| {
        let folder = &folder.join(unit.name());
        let headers = renderer().template(unit, &node, &shape).unwrap();
        fs::create_dir_all(folder).unwrap();
        compile(
            &clang(),
            unit,
            &headers,
            sources,
            &Limits::default(),
            folder,
        )
        .unwrap()
        .object
    };
    for unit in Unit::ALL {
        let first = build(unit, &sources(), &elsewhere.path().join("x"));
        let second = build(unit, &copied, &elsewhere.path().join("y/yyyyyyyyyyyyyyy"));
        assert!(first == second, "the objects of {unit} differ");
        let types = Btf::parse(&Loadable::parse(&first).unwrap().types).unwrap();
        assert_eq!(check(&types, Required::Used), [], "{unit}");
    }
}

#[test]
fn one_byte_of_any_source_changes_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("bpf");
    copy_tree(&repository("bpf-src"), &root);
    let original = Sources::read(&root).unwrap();
    let key = key_of(&original);
    for file in original.files() {
        let path = root.join(&file.path);
        let mut bytes = file.bytes.clone();
        let last = bytes.last_mut().unwrap();
        *last ^= 1;
        put(&path, &bytes);
        assert_ne!(
            key_of(&Sources::read(&root).unwrap()),
            key,
            "{}",
            path.display()
        );
        put(&path, &file.bytes);
    }
    put(root.join("lib/new.h"), "");
    assert_ne!(key_of(&Sources::read(&root).unwrap()), key, "a new file");
    fs::rename(root.join("lib/new.h"), root.join("lib/other.h")).unwrap();
    let renamed = key_of(&Sources::read(&root).unwrap());
    fs::remove_file(root.join("lib/other.h")).unwrap();
    assert_ne!(renamed, key);
    assert_eq!(
        key_of(&Sources::read(&root).unwrap()),
        key,
        "all changes undone"
    );
}

#[test]
fn every_flag_and_the_compiler_s_version_change_the_key() {
    let headers = headers(&NodeConfig::default(), &EndpointConfig::default());
    let sources = sources();
    let key = TemplateKey::new(Unit::Lxc, &headers, &sources, FLAGS, "clang version 14.0.6");
    for (index, flag) in FLAGS.iter().enumerate() {
        let mut flags = FLAGS.to_vec();
        flags.remove(index);
        assert_ne!(
            TemplateKey::new(
                Unit::Lxc,
                &headers,
                &sources,
                &flags,
                "clang version 14.0.6"
            ),
            key,
            "{flag}"
        );
    }
    assert_ne!(
        TemplateKey::new(Unit::Lxc, &headers, &sources, FLAGS, "clang version 14.0.7"),
        key
    );
}

#[test]
fn every_unit_has_a_key_of_its_own() {
    let headers = headers(&NodeConfig::default(), &EndpointConfig::default());
    let sources = sources();
    let key = |unit| TemplateKey::new(unit, &headers, &sources, FLAGS, "c").to_string();
    let mut keys = Unit::ALL.map(key).to_vec();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), Unit::ALL.len());
}

#[test]
fn every_shape_has_a_key_of_its_own() {
    let base = (NodeConfig::default(), EndpointConfig::default());
    let mut all = shapes(&base);
    let mut with = |change: &dyn Fn(&mut NodeConfig, &mut EndpointConfig)| {
        let (mut node, mut shape) = base.clone();
        change(&mut node, &mut shape);
        all.push((node, shape));
    };
    with(&|node, _| node.sizes.endpoints += 1);
    with(&|node, _| node.sizes.ipcache += 1);
    with(&|node, _| node.sizes.policy += 1);
    with(&|node, _| node.sizes.metrics += 1);
    with(&|node, _| node.sizes.events *= 2);
    with(&|node, _| node.sizes.fragments += 1);
    with(&|_, shape| shape.ct_tcp += 1);
    with(&|_, shape| shape.ct_any += 1);
    with(&|node, _| node.map_prefix = ep_builder::shape::MapPrefix::new("other").unwrap());
    let sources = sources();
    let mut keys: Vec<_> = all
        .iter()
        .map(|(node, shape)| {
            TemplateKey::new(Unit::Lxc, &headers(node, shape), &sources, FLAGS, "c")
        })
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all.len());
    assert!(all.len() > OPTIONS.len() + 9);
}

#[test]
fn an_endpoint_s_own_values_leave_the_key_alone() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let builder = node.builder();
    let base = endpoint_2665();
    let key = builder.build(&base, &mut Timeline::default()).unwrap().key;
    let mut other = base.clone();
    other.id = EndpointId::new(1).unwrap();
    other.ipv4 = None;
    other.ipv6 = Some("fd00::1".parse().unwrap());
    other.mac = MacAddr([2, 0, 0, 0, 0, 1]);
    other.host_mac = MacAddr([2, 0, 0, 0, 0, 2]);
    other.host_ifindex = 4711;
    other.host_ifname = "lxc000000000001".into();
    other.identity = 70_000;
    other.labels = [].into_iter().collect();
    other.verdict_log_filter = 1;
    other.container_id = "other".into();
    assert_eq!(
        builder.build(&other, &mut Timeline::default()).unwrap().key,
        key
    );
}
