//! The release as a folder and as an archive.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Node, binaries, process};

use crate::listing::{difference, listing};
use crate::release::{Made, needs};

#[test]
fn the_release_is_what_install_takes_and_names_its_files() {
    needs!(Need::Tool("sha256sum"));
    let made = Made::new("tree");
    let tree = made.path().join("tree");
    let mut sums = Command::new("sha256sum");
    let sums = sums.args(["--check", "--quiet", "--strict", "SHA256SUMS"]);
    process::run(sums.current_dir(&tree)).expect_success();
    let named = fs::read_to_string(tree.join("SHA256SUMS")).unwrap();
    let files = listing(&tree, &[""]).into_iter();
    let files = files.filter(|(_, text)| !text.ends_with("folder")).count();
    assert_eq!(named.lines().count() + 1, files);

    let root = made.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut install = binaries::weir();
    install
        .arg("install")
        .arg("--from")
        .arg(&tree)
        .arg("--root")
        .arg(&root);
    process::run(&mut install).expect_success();
    let pairs = [
        ("bin/weir-cni", "opt/cni/bin/weir-cni"),
        ("conf/weir.toml", "etc/weir/weir.toml"),
        ("conf/10-weir.conflist", "etc/cni/net.d/10-weir.conflist"),
    ];
    for (from, to) in pairs {
        assert!(
            fs::read(tree.join(from)).unwrap() == fs::read(root.join(to)).unwrap(),
            "{to}"
        );
    }
    for folder in ["bpf", "bpf-templates", "templates"] {
        let (shipped, installed) = (tree.join(folder), root.join("usr/lib/weir").join(folder));
        let found = difference(&listing(&shipped, &[""]), &listing(&installed, &[""]));
        assert_eq!(found, [""; 0]);
    }
}

/// What a release holds speaks of no folder in which it was made.
#[test]
fn a_bundle_has_every_unit_and_gives_the_bytes_of_a_new_compile() {
    needs!();
    let made = Made::new("tree");
    let templates = made.path().join("tree/templates");
    let places = [made.path().to_owned(), repository("")];
    for path in listing(&templates, &[""]).into_keys() {
        let bytes = fs::read(templates.join(&path)).unwrap_or_default();
        for place in &places {
            let place = place.to_str().unwrap().as_bytes();
            assert!(
                !bytes.windows(place.len()).any(|it| it == place),
                "{}",
                path.display()
            );
        }
    }
    let node = Node::new();
    let text = fs::read_to_string(node.config()).unwrap();
    let (own, shipped) = (node.bundle(), templates.to_str().unwrap());
    let text = text.replace(own.to_str().unwrap(), shipped);
    ep_builder::whole_file::write(&node.config(), text.as_bytes()).unwrap();
    let mut verify = node.command();
    verify.args(["template", "verify", "--rebuild", "-o", "json"]);
    // As long as it takes: a whole release has hundreds.
    let verified = verify.output().unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&verified.stdout).unwrap();
    let units = rows.iter().map(|row| row["unit"].as_str().unwrap());
    let units: BTreeSet<_> = units.collect();
    assert!(units.into_iter().eq(["host", "lxc", "sock"]));
    for row in rows {
        assert_eq!(
            row["result"], "whole, and identical to a new compile",
            "{row}"
        );
    }
}
