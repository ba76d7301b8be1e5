//! What every crate's manifest must say.

use toml::{Table, Value};

use crate::house::{File, accepts, files, finds};

/// A lint table that a crate does not inherit does nothing, silently.
fn inherits_lints(file: &File) -> Vec<String> {
    let Some(manifest) = crate_manifest(file) else {
        return Vec::new();
    };
    let lints = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"));
    match lints {
        Some(Value::Boolean(true)) => Vec::new(),
        _ => vec![format!("{}: lacks `[lints] workspace = true`", file.path)],
    }
}

/// One place decides a version, so two crates cannot disagree.
fn inherits_dependencies(file: &File) -> Vec<String> {
    let Some(manifest) = crate_manifest(file) else {
        return Vec::new();
    };
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let rows = tables
        .iter()
        .filter_map(|name| manifest.get(*name)?.as_table())
        .flatten();
    let own = rows.filter(|(_, row)| row.get("workspace").and_then(Value::as_bool) != Some(true));
    own.map(|(name, _)| format!("{}: {name} is not inherited from the workspace", file.path))
        .collect()
}

fn crate_manifest(file: &File) -> Option<Table> {
    let is_manifest = file.path.ends_with("/Cargo.toml");
    is_manifest.then(|| {
        file.text
            .parse()
            .unwrap_or_else(|e| panic!("{}: {e}", file.path))
    })
}

#[test]
fn every_crate_inherits_lints_and_dependencies() {
    let manifests = files().iter().filter(|file| crate_manifest(file).is_some());
    assert!(manifests.count() >= 3, "the crates have moved");
    accepts(&files().iter().flat_map(inherits_lints).collect::<Vec<_>>());
    accepts(
        &files()
            .iter()
            .flat_map(inherits_dependencies)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_crate_with_lints_of_its_own_is_found() {
    finds(
        inherits_lints,
        &[
            ("a/Cargo.toml", "[lints]\nworkspace = true\n", &[]),
            ("a/Cargo.toml", "[package]\n", &["a/Cargo.toml: lacks"]),
            ("a/Cargo.toml", "[lints]\nworkspace = false\n", &["lacks"]),
            (
                "a/Cargo.toml",
                "[lints.rust]\nmissing_docs = \"warn\"\n",
                &["lacks"],
            ),
            ("Cargo.toml", "[workspace]\n", &[]),
        ],
    );
}

#[test]
fn a_dependency_with_a_version_of_its_own_is_found() {
    finds(
        inherits_dependencies,
        &[
            ("a/Cargo.toml", "[dependencies]\nx.workspace = true\n", &[]),
            (
                "a/Cargo.toml",
                "[dependencies]\nx = { workspace = true, features = [] }\n",
                &[],
            ),
            (
                "a/Cargo.toml",
                "[dependencies]\nx = \"1\"\n",
                &["x is not inherited"],
            ),
            (
                "a/Cargo.toml",
                "[dev-dependencies]\ny = { path = \"..\" }\n",
                &["y is not inherited"],
            ),
            (
                "a/Cargo.toml",
                "[build-dependencies]\nz.version = \"1\"\n",
                &["z is not inherited"],
            ),
        ],
    );
}
