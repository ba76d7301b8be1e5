//! Configuration and templates that cannot be used: file and cause are named, and nothing is changed.

use std::fs;
use std::path::Path;

use ep_builder::whole_file;
use weir_tests::node::repository;
use weir_tests::{Node, binaries, process};

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weir.toml");
    for (text, words) in [
        (
            "[maps]\nct_tpc = 5\n",
            &["weir.toml:2:1", "ct_tpc", "did you mean `ct_tcp`?"][..],
        ),
        ("[maps]\nct_tcp = \n", &["weir.toml:2"]),
        ("map_prefix = \"We ir\"\n", &["weir.toml:1", "lower-case"]),
        (
            "[options]\nconntrack = false\n",
            &["weir.toml:2", "conntrack_accounting"],
        ),
        (
            "[datapath]\nipv4 = false\nipv6 = false\n",
            &["weir.toml:3", "IPv4", "IPv6"],
        ),
        (
            "[paths]\nstate_dir = \"relative\"\n",
            &["weir.toml:2", "absolute"],
        ),
    ] {
        whole_file::write(&path, text.as_bytes()).unwrap();
        let failed = process::run(
            binaries::weir()
                .arg("--config")
                .arg(&path)
                .args(["template", "list"]),
        );
        assert_eq!(failed.code, Some(3), "{text}: {failed:?}");
        for word in words {
            assert!(
                failed.stderr.contains(word),
                "{text}: {word:?} is not in {}",
                failed.stderr
            );
        }
    }
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    for path in ["/nonexistent/weir.toml", "/", "/dev/zero"] {
        let failed = process::run(binaries::weir().args(["--config", path, "template", "list"]));
        assert_eq!(failed.code, Some(3), "{failed:?}");
        assert!(failed.stderr.contains(path), "{failed:?}");
    }
    let list = ["template", "list", "-o", "json"];
    let named = process::run(
        binaries::weir()
            .env("WEIR_CONFIG", "/nonexistent/weir.toml")
            .args(list),
    );
    assert_eq!(
        named.code,
        Some(3),
        "the variable names the configuration: {named:?}"
    );
    let empty = process::run(binaries::weir().env("WEIR_CONFIG", "").args(list));
    assert!(
        !empty.stderr.contains("configuration"),
        "an empty variable is no variable: {empty:?}"
    );
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A node whose header templates are a copy, to be spoilt.
fn with_templates() -> (Node, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    copy(&repository("bpf-templates"), folder.path());
    let node = Node::new();
    let text = fs::read_to_string(node.config()).unwrap();
    let shipped = repository("bpf-templates").display().to_string();
    let text = text.replace(&shipped, folder.path().to_str().unwrap());
    whole_file::write(&node.config(), text.as_bytes()).unwrap();
    (node, folder)
}

#[test]
fn a_template_with_an_unknown_variable_is_refused_by_name() {
    let (node, templates) = with_templates();
    let path = templates.path().join("ep_config.h.hbs");
    let text = fs::read_to_string(&path).unwrap();
    for (spoilt, words) in [
        (
            text.replace("{{policy_map}}", "{{polity_map}}"),
            "polity_map",
        ),
        (
            text.replace("{{#if lxc_ip}}", "{{#if lxc_ipv6}}"),
            "lxc_ipv6",
        ),
        (
            text.replace("{{/each}}", ""),
            "ep_config.h.hbs cannot be parsed",
        ),
        (
            text.replace("{{/with}}", "{{/each}}"),
            "ep_config.h.hbs cannot be parsed",
        ),
    ] {
        whole_file::write(&path, spoilt.as_bytes()).unwrap();
        let failed = node.weir(&["template", "build"]);
        assert_eq!(failed.code, Some(3), "{failed:?}");
        assert!(
            failed.stderr.contains("ep_config.h.hbs") && failed.stderr.contains(words),
            "{failed:?}"
        );
    }
    fs::remove_file(&path).unwrap();
    let failed = node.weir(&["template", "build"]);
    assert!(
        failed.stderr.contains("ep_config.h.hbs") && failed.stderr.contains("weir.toml"),
        "{failed:?}"
    );
    whole_file::write(&path, b"\xff").unwrap();
    assert!(
        node.weir(&["template", "build"])
            .stderr
            .contains("is not UTF-8")
    );
}
