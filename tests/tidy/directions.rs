//! Which half of the house may know what: the plugin knows the protocol and links, the builder knows BPF.

use crate::house::{File, accepts, files, finds, line_of};
use crate::lex::{Language, code, words};

/// Words of the CNI protocol.
const PROTOCOL: [&str; 12] = [
    "CNI_COMMAND",
    "CNI_CONTAINERID",
    "CNI_NETNS",
    "CNI_IFNAME",
    "CNI_ARGS",
    "CNI_PATH",
    "cniVersion",
    "cniVersions",
    "prevResult",
    "runtimeConfig",
    "supportedVersions",
    "weir_cni",
];

/// Who measures plugins, or has one make a pod of the node's own, calls them as a runtime does.
const CALLERS: [&str; 4] = [
    "ep-builder/src/bin/weir/bench/cni/call.rs",
    "ep-builder/src/bin/weir/health/configuration.rs",
    "ep-builder/src/bin/weir/health/plugin.rs",
    "ep-builder/src/bin/weir/selftest/plugin.rs",
];

/// Crates that open the builder's box.
const BUILDERS: [&str; 5] = ["aya", "handlebars", "libbpf_rs", "libbpf_sys", "object"];

/// Comments count: a half that explains itself by the other is not separate from it.
fn builder_knows_no_protocol(file: &File) -> Vec<String> {
    if !file.path.starts_with("ep-builder/") || CALLERS.contains(&file.path.as_str()) {
        return Vec::new();
    }
    let found = words(&file.text).filter(|(_, word)| PROTOCOL.contains(word));
    found.map(|(at, word)| finding(file, at, word)).collect()
}

fn plugin_knows_no_bpf(file: &File) -> Vec<String> {
    if !file.path.starts_with("cni/") {
        return Vec::new();
    }
    if file.path.ends_with("Cargo.toml") {
        let names = file.text.replace('-', "_");
        let found = words(&names).filter(|(_, word)| BUILDERS.contains(word));
        return found.map(|(at, word)| finding(file, at, word)).collect();
    }
    let code = code(&file.text, Language::Rust);
    let found = words(&code).filter(|(at, word)| {
        let is_path = code[at + word.len()..].starts_with("::");
        word.to_lowercase().contains("bpf") || (BUILDERS.contains(word) && is_path)
    });
    found.map(|(at, word)| finding(file, at, word)).collect()
}

fn finding(file: &File, at: usize, word: &str) -> String {
    let line = line_of(&file.text, at);
    format!("{}:{line}: {word} is the other half's business", file.path)
}

#[test]
fn the_builder_knows_nothing_of_the_protocol() {
    accepts(
        &files()
            .iter()
            .flat_map(builder_knows_no_protocol)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn the_plugin_knows_nothing_of_bpf() {
    accepts(
        &files()
            .iter()
            .flat_map(plugin_knows_no_bpf)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_builder_that_knows_the_protocol_is_found() {
    finds(
        builder_knows_no_protocol,
        &[
            (
                "ep-builder/src/a.rs",
                "\nenv(\"CNI_COMMAND\")",
                &["a.rs:2: CNI_COMMAND"],
            ),
            (
                "ep-builder/src/a.rs",
                "// as in prevResult",
                &["prevResult"],
            ),
            (
                "ep-builder/Cargo.toml",
                "weir_cni.workspace = true",
                &["weir_cni"],
            ),
            ("ep-builder/src/a.rs", "a cni plugin, CNI_COMMANDER", &[]),
            ("cni/src/a.rs", "CNI_COMMAND", &[]),
        ],
    );
}

#[test]
fn a_plugin_that_knows_bpf_is_found() {
    finds(
        plugin_knows_no_bpf,
        &[
            ("cni/src/a.rs", "\n\nuse aya::maps;", &["a.rs:3: aya"]),
            ("cni/src/a.rs", "let a = object::read(b);", &["object"]),
            (
                "cni/src/a.rs",
                "fn attach_bpf(a: BpfLink) {}",
                &["attach_bpf", "BpfLink"],
            ),
            (
                "cni/src/a.rs",
                "// of bpf\nlet object = json(\"bpf\"); // object::x",
                &[],
            ),
            (
                "cni/Cargo.toml",
                "libbpf-rs.workspace = true",
                &["libbpf_rs"],
            ),
            ("cni/Cargo.toml", "ep-builder.workspace = true", &[]),
            ("ep-builder/src/a.rs", "use aya::maps;", &[]),
        ],
    );
}
