//! The command line itself.

use weir_tests::need::Need;
use weir_tests::{Node, binaries, need, process};

#[test]
fn version_and_completions() {
    let version = process::run(binaries::weir().arg("version")).expect_success();
    assert_eq!(version, format!("weir {}\n", env!("CARGO_PKG_VERSION")));
    let json = process::run(binaries::weir().args(["version", "-o", "json"])).expect_success();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json).unwrap()["version"],
        env!("CARGO_PKG_VERSION")
    );
    for (shell, words) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef weir"),
        ("fish", "complete -c weir"),
    ] {
        let script = process::run(binaries::weir().args(["completion", shell])).expect_success();
        assert!(
            script.contains(words) && script.contains("template"),
            "{shell}"
        );
    }
}

#[test]
fn a_wrong_command_line_is_2() {
    for arguments in [
        &["tempalte"][..],
        &["template", "build", "--jobs", "0"],
        &["-o", "xml", "version"],
        &["-o", "svg", "version"],
        &["status", "-o", "html"],
        &[],
    ] {
        let failed = process::run(binaries::weir().args(arguments));
        assert_eq!(failed.code, Some(2), "{arguments:?}: {failed:?}");
        assert!(failed.stdout.is_empty(), "{failed:?}");
    }
}

#[test]
fn a_reader_that_leaves_early_is_no_failure() {
    let weir = Node::new().command().get_program().to_owned();
    let script = format!(
        "{} completion bash | head -1 > /dev/null; exit ${{PIPESTATUS[0]}}",
        weir.display()
    );
    let finished = process::run(std::process::Command::new("bash").args(["-c", &script]));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let full = format!("{} version > /dev/full", weir.display());
    let failed = process::run(std::process::Command::new("sh").args(["-c", &full]));
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("cannot print"), "{failed:?}");
}

#[test]
fn bench_prints_what_it_measured() {
    need!(Need::Tool("clang"));
    let node = Node::new();
    let out = node
        .weir(&["bench", "template", "--rounds", "10", "-o", "json"])
        .expect_success();
    let rows: serde_json::Value = serde_json::from_str(&out).unwrap();
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert!(
            row["rounds"].as_u64() > Some(0) && row["p50Us"].as_f64() >= row["minUs"].as_f64(),
            "{row}"
        );
    }
    assert_eq!(
        std::fs::read_dir(node.state()).unwrap().count(),
        0,
        "it cleans up after itself"
    );
}
