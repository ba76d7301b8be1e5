//! The pages that are written from the code are what the code says, and what is made of the same words can be read by
//! those it is for.

use std::fs;
use std::path::Path;
use std::process::Command;

use ep_builder::whole_file;
use serde_json::Value;
use tempfile::TempDir;
use weir_tests::need::Need;
use weir_tests::node::{Node, repository};
use weir_tests::{need, process};

/// Set to write the pages anew.
const UPDATE: &str = "WEIR_UPDATE";

/// What mends a page.
const MEND: &str = "WEIR_UPDATE=1 cargo test -p weir-tests --test docs reference";

const METRICS: &str = "<!-- Written by a test from `weir metrics --describe`: change it there. -->
# Metrics

What `weir metrics` prints and its listener answers ([how to use it](../observe.md)).

| metric | type | unit | labels | means |
|---|---|---|---|---|
";

/// A folder with what `weir reference KIND` writes.
fn written(kind: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    Node::new()
        .weir(&["reference", kind, &path])
        .expect_success();
    folder
}

/// Holds a page of the reference to what it should be, or writes it anew.
#[track_caller]
pub(crate) fn held(name: &str, text: &[u8]) {
    let path = repository("docs/reference").join(name);
    if std::env::var_os(UPDATE).is_some() {
        whole_file::write(&path, text).unwrap();
    }
    let held = fs::read(&path).unwrap_or_default();
    assert!(
        held == text,
        "docs/reference/{name} is not what the code says: {MEND}"
    );
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_reference_is_what_the_code_says() {
    let pages = files(written("pages").path());
    assert!(pages.len() >= 3, "{pages:?}");
    for (name, text) in pages {
        held(&name, &text);
    }
}

/// The page of metrics, from what the command says of itself.
#[test]
fn the_reference_has_every_metric() {
    let described = Node::new().weir(&["metrics", "--describe", "-o", "json"]);
    let metrics: Vec<Value> = serde_json::from_str(&described.expect_success()).unwrap();
    assert!(metrics.len() > 10, "{metrics:?}");
    let text = |metric: &Value, field: &str| metric[field].as_str().unwrap_or("").to_owned();
    let rows = metrics.iter().map(|metric| {
        let labels = metric["labels"].as_array().unwrap().iter();
        let labels: Vec<_> = labels
            .map(|label| format!("`{}`", label.as_str().unwrap()))
            .collect();
        let (name, kind) = (text(metric, "name"), text(metric, "type"));
        let (unit, help) = (
            text(metric, "unit"),
            text(metric, "help").replace('|', "\\|"),
        );
        format!(
            "| `{name}` | {kind} | {unit} | {} | {help} |\n",
            labels.join(", ")
        )
    });
    let rows: String = rows.collect();
    held("metrics.md", format!("{METRICS}{rows}").as_bytes());
}

#[test]
fn every_page_of_the_manual_is_read_without_a_complaint() {
    need!(Need::Tool("groff"));
    let folder = written("man");
    let pages = files(folder.path());
    for name in ["weir.8", "weir-endpoint-get.8", "weir.toml.5"] {
        assert!(pages.iter().any(|(page, _)| page == name), "{name}");
    }
    for (name, _) in pages {
        let path = folder.path().join(&name);
        let read = process::run(
            Command::new("groff")
                .args(["-man", "-ww", "-z", "-Tutf8"])
                .arg(path),
        );
        assert_eq!((read.code, read.stderr.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn shells_can_read_their_completions() {
    need!(Need::Tool("bash"));
    let folder = written("completions");
    let names: Vec<_> = files(folder.path())
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["_weir", "weir.bash", "weir.fish"]);
    // The other shells are asked where they are.
    for (shell, name) in [
        ("bash", "weir.bash"),
        ("zsh", "_weir"),
        ("fish", "weir.fish"),
    ] {
        let look = format!("command -v {shell} || exit 0; {shell} -n \"$1\"");
        let script = folder.path().join(name);
        let mut read = Command::new("sh");
        process::run(read.args(["-c", &look, "sh"]).arg(script)).expect_success();
    }
}
