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

use crate::common::{
    Node, clang, copy_tree, endpoint_2665, put, renderer, repository, sources, sources_in,
};

fn headers(node: &NodeConfig, shape: &EndpointConfig) -> Headers {
    renderer().template(Unit::Lxc, node, shape).unwrap()
}

/// The key of a unit of the sources in this folder.
fn key_of(unit: Unit, root: &Path) -> TemplateKey {
    TemplateKey::new(
        unit,
        &headers(&NodeConfig::default(), &EndpointConfig::default()),
        sources_in(root, unit).digest(),
        FLAGS,
        "clang version 14.0.0",
    )
}

#[test]
fn two_folders_give_the_same_key_and_the_same_bytes() {
    need!(Need::Tool("clang"));
    let elsewhere = tempfile::tempdir().unwrap();
    copy_tree(
        &repository("bpf-src"),
        &elsewhere.path().join("a/much/longer/name"),
    );
    let copied = elsewhere.path().join("a/much/longer/name");
    let (node, shape) = (NodeConfig::default(), EndpointConfig::default());
    let build = |unit: Unit, root: &Path, folder: &Path| {
        let folder = &folder.join(unit.name());
        let headers = renderer().template(unit, &node, &shape).unwrap();
        fs::create_dir_all(folder).unwrap();
        compile(
            &clang(),
            unit,
            &headers,
            &sources_in(root, unit),
            &Limits::default(),
            folder,
        )
        .unwrap()
        .object
    };
    for unit in Unit::ALL {
        assert_eq!(key_of(unit, &copied), key_of(unit, &repository("bpf-src")));
        let first = build(unit, &repository("bpf-src"), &elsewhere.path().join("x"));
        let second = build(unit, &copied, &elsewhere.path().join("y/yyyyyyyyyyyyyyy"));
        assert!(first == second, "the objects of {unit} differ");
        let types = Btf::parse(&Loadable::parse(&first).unwrap().types).unwrap();
        assert_eq!(check(&types, Required::Used), [], "{unit}");
    }
}

#[test]
fn one_byte_changes_the_keys_of_the_units_that_include_it() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("bpf");
    copy_tree(&repository("bpf-src"), &root);
    let keys = || Unit::ALL.map(|unit| key_of(unit, &root));
    let before = keys();
    let mut others = 0;
    for file in Sources::read(&root).unwrap().files() {
        let path = root.join(&file.path);
        let mut bytes = file.bytes.clone();
        let last = bytes.last_mut().unwrap();
        *last ^= 1;
        put(&path, &bytes);
        let is_part = |unit| {
            sources(unit)
                .files()
                .iter()
                .any(|part| part.path == file.path)
        };
        let expected = Unit::ALL.map(is_part);
        let after = keys();
        let changed = [0, 1, 2].map(|at| after[at] != before[at]);
        assert_eq!(changed, expected, "{}", path.display());
        others += usize::from(!expected[0]);
        put(&path, &file.bytes);
    }
    assert!(others > 0, "an endpoint's programs consist of all files");
    assert_eq!(keys(), before, "all changes undone");
}

#[test]
fn a_new_file_changes_the_key_once_it_is_included() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("bpf");
    copy_tree(&repository("bpf-src"), &root);
    let key = || key_of(Unit::Lxc, &root);
    let before = key();
    put(root.join("lib/new.h"), "");
    assert_eq!(key(), before, "nobody includes it");
    let main = root.join("bpf_lxc.c");
    let text = fs::read_to_string(&main).unwrap() + "#include \"lib/new.h\"\n";
    put(&main, &text);
    let with = key();
    put(root.join("lib/new.h"), "/* */");
    assert_ne!(key(), with, "it is included");
    fs::remove_file(root.join("lib/new.h")).unwrap();
    let without = key();
    assert!(
        without != with && without != before,
        "what is included is gone"
    );
    // Beside the file that includes it the compiler looks first.
    let inner = fs::read_to_string(root.join("lib/utils.h")).unwrap() + "#include \"new.h\"\n";
    put(root.join("lib/utils.h"), &inner);
    let outer = key();
    put(root.join("new.h"), "");
    let below = key();
    put(root.join("lib/new.h"), "");
    assert!(below != outer && key() != below, "either may be meant");
}

#[test]
fn every_flag_and_the_compiler_s_version_change_the_key() {
    let headers = headers(&NodeConfig::default(), &EndpointConfig::default());
    let sources = sources(Unit::Lxc);
    let key = TemplateKey::new(
        Unit::Lxc,
        &headers,
        sources.digest(),
        FLAGS,
        "clang version 14.0.6",
    );
    for (index, flag) in FLAGS.iter().enumerate() {
        let mut flags = FLAGS.to_vec();
        flags.remove(index);
        assert_ne!(
            TemplateKey::new(
                Unit::Lxc,
                &headers,
                sources.digest(),
                &flags,
                "clang version 14.0.6"
            ),
            key,
            "{flag}"
        );
    }
    assert_ne!(
        TemplateKey::new(
            Unit::Lxc,
            &headers,
            sources.digest(),
            FLAGS,
            "clang version 14.0.7"
        ),
        key
    );
}

#[test]
fn every_unit_has_a_key_of_its_own() {
    let headers = headers(&NodeConfig::default(), &EndpointConfig::default());
    // The same sources for all: it is not they that make the difference.
    let sources = sources(Unit::Lxc);
    let key = |unit| TemplateKey::new(unit, &headers, sources.digest(), FLAGS, "c").to_string();
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
    let sources = sources(Unit::Lxc);
    let mut keys: Vec<_> = all
        .iter()
        .map(|(node, shape)| {
            TemplateKey::new(
                Unit::Lxc,
                &headers(node, shape),
                sources.digest(),
                FLAGS,
                "c",
            )
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

/// What `sources/includes.rs` reads, and no other way to include.
#[test]
fn our_sources_include_by_literal_names_below_them() {
    let sources = Sources::read(&repository("bpf-src")).unwrap();
    let mut included = 0;
    for file in sources.files() {
        let text = str::from_utf8(&file.bytes).unwrap();
        for other in ["%:", "??=", "include_next", "__has_include", "#embed"] {
            assert!(!text.contains(other), "{}: {other}", file.path.display());
        }
        let directives = text.lines().filter_map(|line| {
            let rest = line.trim_start().strip_prefix('#')?;
            rest.trim_start().strip_prefix("include")
        });
        for name in directives {
            let literal = name
                .trim()
                .strip_prefix('"')
                .and_then(|it| it.strip_suffix('"'));
            let is_plain = |name: &str| !name.starts_with('/') && !name.contains("..");
            assert!(
                literal.is_some_and(is_plain),
                "{}: {name}",
                file.path.display()
            );
            included += 1;
        }
    }
    assert!(included > 50, "{included}");
}
