//! `weir endpoint diff`: what would change, and what has changed.

use serde_json::Value;
use weir_tests::Lab;
use weir_tests::pods::{MAPS, run};

use crate::lifecycle::needs;
use crate::regenerate::regenerate;

/// What `diff` says, and its exit code.
fn diff(lab: &Lab, arguments: &[&str]) -> (Option<i32>, Vec<[String; 4]>) {
    let words = [&["endpoint", "diff", "1", "-o", "json"], arguments].concat();
    let finished = lab.weir(&words);
    let rows: Vec<Value> = serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    let text = |row: &Value, field| row[field].as_str().unwrap_or_default().to_owned();
    let row = |row: &Value| ["kind", "name", "before", "after"].map(|field| text(row, field));
    (finished.code, rows.iter().map(row).collect())
}

#[test]
fn what_would_change_is_shown_and_then_what_has_changed() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(1), lab.pod(2));
    assert_eq!(diff(&lab, &[]), (Some(0), Vec::new()));
    assert_eq!(
        lab.weir(&["endpoint", "diff", "1", "--previous"]).code,
        Some(7)
    );
    lab.configure(&format!("{MAPS}[datapath]\narp_responder = false\n"));
    let (code, rows) = diff(&lab, &[]);
    assert_eq!(code, Some(1));
    let kinds: Vec<_> = rows.iter().map(|[kind, ..]| kind.as_str()).collect();
    assert_eq!(kinds[0], "template", "{rows:?}");
    assert!(kinds.contains(&"program"), "{rows:?}");
    let line = |text: &str| text.to_owned();
    let responder = [
        line("header"),
        line("ENABLE_ARP_RESPONDER"),
        line("#define ENABLE_ARP_RESPONDER 1"),
        line("#undef ENABLE_ARP_RESPONDER"),
    ];
    assert!(rows.contains(&responder), "{rows:?}");

    regenerate(&lab, &["1"]);
    assert_eq!(diff(&lab, &[]).0, Some(0));
    assert_eq!(diff(&lab, &["--previous"]), (Some(1), rows.clone()));
    lab.weir(&["endpoint", "rollback", "1"]).expect_success();
    assert_eq!(diff(&lab, &[]), (Some(1), rows), "rolled back");
    lab.weir(&["endpoint", "rollback", "1"]).expect_success();

    run("tc filter del dev lxc1 ingress");
    let (code, rows) = diff(&lab, &[]);
    assert_eq!((code, rows.len()), (Some(1), 1), "{rows:?}");
    assert!(
        rows[0][0] == "kernel" && rows[0][1] == "programs" && rows[0][2].contains("from-container"),
        "{rows:?}"
    );
}
