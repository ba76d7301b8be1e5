//! The list of parts, held against the programs themselves.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;
use weir_tests::binaries;

use crate::release::Made;

/// Those that `deny.toml` lets in, and those of what is no crate.
const LICENSES: [&str; 10] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "GPL-2.0-only",
    "LGPL-2.1-or-later",
    "LLVM-exception",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Some offer a choice that nobody takes here.
const OFFERED: [&str; 3] = ["0BSD", "BSL-1.0", "CC0-1.0"];

/// Name and version of every crate whose code left a place in its source in a program: those of errors that nobody
/// expects.
fn traced(program: &Command) -> BTreeSet<String> {
    let bytes = fs::read(program.get_program()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let after = text.split("/registry/src/").skip(1);
    let folders = after.filter_map(|rest| rest.split('/').nth(1));
    // Names of functions and types stand beside the places, too.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+".contains(c);
    let folders = folders.filter(|folder| folder.chars().all(plain));
    let ids = folders.filter_map(|folder| {
        let is_version = |at: &usize| {
            let next = folder.as_bytes().get(at + 1);
            next.is_some_and(u8::is_ascii_digit)
        };
        let dashes = folder.match_indices('-').map(|(at, _)| at);
        let at = dashes.into_iter().find(is_version)?;
        Some(format!("{} {}", &folder[..at], &folder[at + 1..]))
    });
    ids.collect()
}

fn name_of(package: &Value) -> String {
    let word = |key: &str| package[key].as_str().unwrap().to_owned();
    format!("{} {}", word("name"), word("versionInfo"))
}

fn document() -> Value {
    let made = Made::new("sbom");
    let text = fs::read(made.file(".spdx.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The crates at one end of a kind of relation.
fn related(document: &Value, kind: &str, end: &str) -> BTreeSet<String> {
    let packages = document["packages"].as_array().unwrap();
    let relations = document["relationships"].as_array().unwrap();
    let of_kind = relations.iter().filter(|it| it["relationshipType"] == kind);
    let ids = of_kind.map(|it| it[end].as_str().unwrap());
    let crates = ids.filter(|id| id.starts_with("SPDXRef-crate-"));
    let package = |id: &str| packages.iter().find(|it| it["SPDXID"] == id).unwrap();
    crates.map(|id| name_of(package(id))).collect()
}

#[test]
fn every_crate_that_left_a_trace_in_the_programs_is_listed_as_linked() {
    let document = document();
    assert_eq!(document["spdxVersion"], "SPDX-2.3");
    assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    let linked = related(&document, "STATIC_LINK", "relatedSpdxElement");
    let tools = related(&document, "BUILD_TOOL_OF", "spdxElementId");
    assert!(linked.is_disjoint(&tools));
    for program in [binaries::weir(), binaries::weir_cni()] {
        let traced = traced(&program);
        assert!(traced.len() > 10, "{traced:?}");
        let missing: Vec<_> = traced.difference(&linked).collect();
        assert_eq!(missing, [""; 0]);
    }
    // Of those that made them: what derives `Serialize`.
    let mut tools = tools.iter();
    assert!(tools.any(|it| it.starts_with("serde_derive ")));
}

#[test]
fn every_crate_is_listed_once_with_a_known_licence_and_its_digest() {
    let document = document();
    let packages = document["packages"].as_array().unwrap();
    let ids = packages.iter().map(|it| it["SPDXID"].as_str().unwrap());
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), packages.len());
    let crates = packages.iter();
    let crates = crates.filter(|it| it.get("externalRefs").is_some());
    for package in crates {
        let name = name_of(package);
        let license = package["licenseDeclared"].as_str().unwrap();
        let words = license.split([' ', '(', ')']);
        let words = words.filter(|word| !["", "OR", "AND", "WITH"].contains(word));
        for word in words {
            let is_known = LICENSES.contains(&word) || OFFERED.contains(&word);
            assert!(is_known, "{name}: {word}");
        }
        let is_ours = ["ep-builder", "weir-cni"].contains(&package["name"].as_str().unwrap());
        let digest = package["checksums"][0]["checksumValue"].as_str();
        assert_eq!(digest.is_none_or(|it| it.len() != 64), is_ours, "{name}");
    }
}
