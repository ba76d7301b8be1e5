//! `weir bench`: that it measures something, says it, and leaves nothing. How long anything takes is judged
//! nowhere.

use std::process::Command;

use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::{Finished, Node, need, process};

/// Room for the new flows of a few rounds, and no more.
const SMALL: &str = "[maps]\nendpoints = 16\nipcache = 512\npolicy = 512\nmetrics = 64\nevents = 4096\nfragments = 16\nct_tcp = 16384\nct_any = 64\n";

/// Then says what is left: pins, devices and the state.
const SCRIPT: &str = "set -eu
mount -t bpf bpf /sys/fs/bpf
mkdir -p /sys/fs/bpf/tc/globals
\"$WEIR\" --config \"$CONFIG\" bench \"$@\" -o json
ls -d /sys/fs/bpf/tc/globals/* /sys/fs/bpf/weir* /sys/class/net/weir* \"$STATE\"/* \"$STATE\"/.tmp* 2>/dev/null >&2 || true
";

/// Runs it in namespaces of its own.
fn bench(node: &Node, arguments: &[&str]) -> Finished {
    let mut shell = Command::new("unshare");
    shell
        .args(["-m", "-n", "sh", "-c", SCRIPT, "sh"])
        .args(arguments)
        .env("WEIR", node.command().get_program())
        .env("CONFIG", node.config())
        .env("STATE", node.state());
    for variable in ["WEIR_CONFIG", "CLANG"] {
        shell.env_remove(variable);
    }
    process::run(&mut shell)
}

/// The report; asserts that nothing else is left.
fn report(finished: Finished) -> Value {
    assert_eq!(finished.stderr, "", "what is left, or was said");
    serde_json::from_str(&finished.expect_success()).unwrap()
}

#[test]
fn the_loader_is_measured_on_devices_of_its_own() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    let node = Node::with(SMALL);
    let report = report(bench(&node, &["load", "--endpoints", "3"]));
    assert_eq!(report["endpoints"], 3);
    let programs = report["programs"].as_array().unwrap();
    for (is_shared, sum) in [
        (false, "verifiedInstructions"),
        (true, "sharedVerifiedInstructions"),
    ] {
        let counted = programs.iter().filter(|one| one["isShared"] == is_shared);
        let counts: Vec<_> = counted
            .map(|one| one["verifiedInstructions"].as_u64().unwrap())
            .collect();
        let total: u64 = counts.iter().sum();
        assert!(counts.len() >= 3 && total > 100, "{report}");
        assert_eq!(report[sum], total);
    }
    let times = report["times"].as_array().unwrap();
    for (what, rounds) in [
        ("attach, warm template", 3),
        ("regenerate", 3),
        ("3 endpoints, one after another", 1),
        ("delete", 3),
    ] {
        let row = times.iter().find(|row| row["what"] == what);
        let row = row.unwrap_or_else(|| panic!("{what}: {report}"));
        assert_eq!(row["rounds"], rounds, "{row}");
        let time = |name: &str| row[name].as_f64().unwrap();
        assert!(
            time("minUs") > 0.0 && time("p50Us") >= time("minUs"),
            "{row}"
        );
        assert!(time("p95Us") >= time("p50Us"), "{row}");
    }
    assert!(times[0]["targetUs"].is_number(), "{report}");
    let stages = report["stages"].as_array().unwrap();
    assert!(stages.iter().any(|row| row["what"] == "programs"));
}

#[test]
fn policies_are_measured_on_two_nodes() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    let node = Node::with(SMALL);
    let few = ["--endpoints", "3", "--policies", "8", "--rounds", "3"];
    let report = report(bench(&node, &[&["policy"], &few[..]].concat()));
    assert_eq!(
        (&report["endpoints"], &report["policies"]),
        (&3.into(), &8.into())
    );
    assert!(report["entries"].as_u64() > Some(3), "{report}");
    assert!(report["attachRatio"].as_f64() > Some(0.0), "{report}");
    let times = report["times"].as_array().unwrap();
    assert!(times.iter().all(|row| row["rounds"] == 3), "{report}");
}

#[test]
fn the_programs_are_measured_on_real_connections() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    // What the node switches off is measured nevertheless: numbers of two nodes compare.
    let lines = format!(
        "{SMALL}[options]\nconntrack = false\nconntrack_accounting = false\n[datapath]\nipv6 = false\n"
    );
    let node = Node::with(&lines);
    let report = report(bench(&node, &["datapath", "--rounds", "5"]));
    let rows = report.as_array().unwrap();
    assert_eq!(rows.len(), 6, "{report}");
    let ratio = |row: &Value| row["ratio"].as_f64().unwrap();
    assert_eq!(rows[0]["what"], "empty program");
    assert!((ratio(&rows[0]) - 1.0).abs() < 1e-9, "{report}");
    for row in rows.iter().filter(|row| row["targetRatio"].is_number()) {
        assert!(
            ratio(row) > 1.0,
            "a program cannot be faster than none: {row}"
        );
        assert_eq!(row["rounds"], 5);
    }
    let targets = rows.iter().filter(|row| row["targetRatio"].is_number());
    assert_eq!(targets.count(), 3);
}

#[test]
fn the_plugin_is_measured_beside_the_reference_plugins() {
    need!(
        Need::Root,
        Need::Tool("clang"),
        Need::Tool("unshare"),
        Need::Tool("/usr/lib/cni/ptp"),
        Need::Tool("/usr/lib/cni/bridge"),
    );
    let node = Node::with(SMALL);
    let few = ["--rounds", "2", "--at-once", "1,2", "--pods", "3"];
    let report = report(bench(&node, &[&["cni"], &few[..]].concat()));
    let rows = report["rows"].as_array().unwrap();
    for (what, pods, at_once, samples) in [
        ("ADD", 0, 1, 2),
        ("DEL", 3, 1, 2),
        ("ADD", 3, 2, 4),
        ("DEL", 0, 2, 4),
    ] {
        let row = rows.iter().find(|row| {
            row["what"] == what
                && row["pods"] == pods
                && row["atOnce"] == at_once
                && row["together"] == false
        });
        let row = row.unwrap_or_else(|| panic!("{what} {pods} {at_once}: {report}"));
        assert_eq!(row["samples"], samples, "{row}");
        for plugin in ["weir", "ptp", "bridge"] {
            let time = |name: &str| row[plugin][name].as_f64().unwrap();
            assert!(time("p50Us") > 0.0 && time("p95Us") >= time("p50Us"));
            assert!(time("processorUs") > 0.0, "{row}");
        }
        assert!(row["toPtp"].as_f64() > Some(0.0), "{row}");
    }
    // Of each call, and of both together.
    assert_eq!(rows.len(), 12, "{report}");
    let phases = report["waterfall"]["phases"].as_array().unwrap();
    let names: Vec<_> = phases.iter().map(|phase| &phase["name"]).collect();
    let at = |name: &str| names.iter().position(|one| **one == name).unwrap();
    assert!(
        at("node") < at("pair") && at("pair") < at("note"),
        "{report}"
    );
}

#[test]
fn a_plugin_that_is_not_there_is_named_with_its_package() {
    let node = Node::with("");
    for (arguments, said) in [
        (["--reference", "/proc"], "containernetworking-plugins"),
        (["--plugin", "/proc/none"], "--plugin"),
    ] {
        if said == "--plugin" {
            need!(Need::Tool("/usr/lib/cni/ptp"));
        }
        let failed = node.weir(&[&["bench", "cni"], &arguments[..]].concat());
        assert_eq!(failed.code, Some(4), "{failed:?}");
        assert!(failed.stderr.contains(said), "{failed:?}");
    }
}

#[test]
fn what_cannot_be_measured_is_said() {
    need!(Need::Root, Need::Tool("unshare"), Need::Tool("clang"));
    let elsewhere = Node::with("");
    let place = elsewhere.state().display().to_string();
    let node = Node::with(SMALL);
    let text = std::fs::read_to_string(node.config()).unwrap();
    let text = text.replace("[paths]\n", &format!("[paths]\nbpffs_dir = \"{place}\"\n"));
    ep_builder::whole_file::write(&node.config(), text.as_bytes()).unwrap();
    for kind in ["load", "datapath"] {
        let failed = bench(&node, &[kind]);
        assert_eq!(failed.code, Some(1), "{failed:?}");
        assert!(failed.stderr.contains("mount -t bpf"), "{failed:?}");
    }
    // Too small a map for what it has to hold.
    let small = SMALL.replace("ct_tcp = 16384", "ct_tcp = 64");
    let failed = bench(&Node::with(&small), &["datapath", "--rounds", "5"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(failed.stderr.contains("ct_tcp"), "{failed:?}");
}

#[test]
fn the_whole_table_is_kept_and_compared() {
    need!(
        Need::Root,
        Need::Tool("clang"),
        Need::Tool("unshare"),
        Need::Tool("/usr/lib/cni/ptp"),
        Need::Tool("/usr/lib/cni/bridge"),
    );
    let node = Node::with(SMALL);
    let file = node.state().with_file_name("table.json");
    let path = file.to_str().unwrap();
    let table = report(bench(&node, &["all", "--quick", "--save", path]));
    assert_eq!(table["missing"], Value::Null, "{table}");
    let figures = table["figures"].as_array().unwrap();
    for part in ["template", "load", "datapath", "policy", "cni", "size"] {
        let mut of_part = figures.iter().filter(|figure| figure["part"] == part);
        assert!(
            of_part.any(|figure| figure["target"].is_number()),
            "{part}: {table}"
        );
    }
    for figure in figures {
        assert!(figure["value"].as_f64() > Some(0.0), "{figure}");
    }
    let saved: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    assert_eq!(saved, table);
    // What cannot be measured is said, and the rest is measured and compared all the same.
    let missing = ["all", "--quick", "--compare", path, "--reference", "/proc"];
    let mut shell = Command::new("unshare");
    let script = SCRIPT.replace(" -o json", "");
    let script = ["-m", "-n", "sh", "-c", &script, "sh"];
    let finished = process::run(
        shell
            .args(script)
            .args(missing)
            .env("WEIR", node.command().get_program())
            .env("CONFIG", node.config())
            .env("STATE", node.state())
            .env_remove("WEIR_CONFIG")
            .env_remove("CLANG"),
    );
    let said = &finished.stderr;
    assert!(said.contains("cni was not measured"), "{finished:?}");
    assert!(said.contains("containernetworking-plugins"), "{finished:?}");
    let lines = finished.expect_success();
    let mut of_table = lines.lines();
    let size = of_table.find(|line| line.split_whitespace().take(2).eq(["size", "weir"]));
    assert!(size.is_some_and(|line| line.ends_with("+0 %")), "{lines}");
    // A file that is no table is refused before anything is measured.
    let other = node.config();
    let refused = node.weir(&["bench", "all", "--compare", other.to_str().unwrap()]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("no table"), "{refused:?}");
}
