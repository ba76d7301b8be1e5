//! `weir status`: the right word about nodes that are fine, empty, broken, or none.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use ep_builder::policy::PolicyStore;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::need::Need;
use weir_tests::pods::{MAPS, run};
use weir_tests::{Finished, Lab, binaries, need, process};

/// `nobody`, on every Linux.
const NOBODY: u32 = 65_534;

macro_rules! needs {
    () => {
        need!(
            Need::Root,
            Need::Tool("clang"),
            Need::Tool("ip"),
            Need::Tool("tc")
        )
    };
}

fn status(lab: &Lab) -> Finished {
    lab.weir(&["status"])
}

/// What `-o json` says, with the exit code.
fn report(lab: &Lab) -> (Option<i32>, Value) {
    let finished = lab.weir(&["status", "-o", "json"]);
    let value = serde_json::from_str(&finished.stdout);
    (
        finished.code,
        value.unwrap_or_else(|e| panic!("{e}: {finished:?}")),
    )
}

/// One problem there is, in one part, and the first line tells it.
#[track_caller]
fn assert_wrong(lab: &Lab, part: &str, says: &str) {
    let (code, report) = report(lab);
    let problems = report["problems"].as_array().unwrap();
    assert_eq!((code, problems.len()), (Some(1), 1), "{report:#}");
    assert_eq!(problems[0]["part"], part, "{report:#}");
    assert_eq!(report["fine"], false);
    let finished = status(lab);
    let first = finished.stdout.lines().next().unwrap();
    assert_eq!(finished.code, Some(1));
    assert!(
        first.starts_with("not fine: ") && first.contains(says),
        "{first}"
    );
}

#[test]
fn a_node_without_pods_is_fine_and_nothing_is_made() {
    needs!();
    let lab = Lab::new();
    let finished = status(&lab);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(0), ""),
        "{finished:?}"
    );
    assert!(
        finished.stdout.starts_with("fine: no endpoint yet\n"),
        "{finished:?}"
    );
    assert!(!lab.node().state().exists());
    assert_eq!(lab.pins(), [""; 0]);
}

#[test]
fn a_node_with_pods_is_fine() {
    needs!();
    let lab = Lab::new();
    let [one, other] = [2, 3].map(|id| lab.pod(id));
    let address = other.addresses()[0];
    one.exec(&format!("ping -n -c 1 -W 5 {address}"))
        .expect_success();
    let finished = status(&lab);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stdout.starts_with("fine: 2 endpoints are ready\n"),
        "{finished:?}"
    );
    let (code, report) = report(&lab);
    assert_eq!(
        (code, &report["fine"]),
        (Some(0), &Value::Bool(true)),
        "{report:#}"
    );
    assert_eq!(report["endpoints"]["ready"], 2);
    assert!(
        report["maps"]
            .as_array()
            .unwrap()
            .iter()
            .any(|map| map["entries"] == 4),
        "{report:#}"
    );
    let yaml = lab.weir(&["status", "-o", "yaml"]).expect_success();
    assert!(yaml.contains("fine: true\n"), "{yaml}");
}

#[test]
fn a_program_that_is_gone_is_told_and_waited_for() {
    needs!();
    let lab = Lab::new();
    let _pods = [2, 3].map(|id| lab.pod(id));
    run("tc filter del dev lxc2 ingress");
    assert_wrong(&lab, "endpoints", "endpoint 2: ");
    let impatient = lab.weir(&["status", "--wait", "300ms"]);
    assert_eq!(impatient.code, Some(1));
    let mut waiting = lab.node().command();
    waiting
        .args(["status", "--wait", "60s"])
        .stdout(Stdio::null());
    let mut waiting = waiting.spawn().unwrap();
    lab.weir(&["endpoint", "regenerate", "2"]).expect_success();
    assert!(waiting.wait().unwrap().success());
}

#[test]
fn a_map_without_room_is_told() {
    needs!();
    let lab = Lab::with(&MAPS.replace("endpoints = 64", "endpoints = 2"));
    let _pod = lab.pod(2);
    assert_wrong(&lab, "maps", "weir_lxc is full: 2 of 2");
}

#[test]
fn a_policy_that_did_not_come_to_its_end_is_told() {
    needs!();
    let lab = Lab::new();
    let _pod = lab.pod(2);
    lab.weir(&["policy", "apply"]).expect_success();
    assert_eq!(status(&lab).code, Some(0));
    let store = PolicyStore::new(&lab.node().state());
    store.exclude().unwrap().unsettle().unwrap();
    assert_wrong(&lab, "policy", "did not come to its end");
    lab.weir(&["policy", "apply"]).expect_success();
    assert_eq!(status(&lab).code, Some(0));
}

#[test]
fn pins_that_are_nowhere_are_told() {
    needs!();
    let lab = Lab::new();
    run("umount -l /sys/fs/bpf");
    assert_wrong(&lab, "bpffs", "weir doctor");
}

#[test]
fn a_node_without_weir_says_so() {
    need!(Need::Root);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("weir.toml");
    let missing = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "[paths]\nstate_dir = {:?}\nbpf_dir = {:?}\n",
        missing("state"),
        missing("bpf")
    );
    whole_file::write(&config, text.as_bytes()).unwrap();
    let finished = process::run(binaries::weir().arg("--config").arg(&config).arg("status"));
    assert_eq!(finished.code, Some(1));
    assert!(
        finished.stdout.contains("weir is not installed here"),
        "{finished:?}"
    );
    assert!(finished.stdout.contains("`weir install`"), "{finished:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn who_is_not_root_is_told_so() {
    needs!();
    let _lab = Lab::new();
    // Where anybody can start it from, in the mount namespace of the test alone.
    let place = Path::new("/run/netns/weir");
    whole_file::write(place, b"").unwrap();
    let program = binaries::weir();
    let program = program.get_program().to_str().unwrap();
    run(&format!("mount --bind {program} {}", place.display()));
    let mut command = Command::new(place);
    command
        .arg("status")
        .env_remove("WEIR_CONFIG")
        .uid(NOBODY)
        .gid(NOBODY);
    let finished = process::run(&mut command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let expected =
        "not fine: only root can look at programs and maps; `sudo weir status` tells more\n";
    assert_eq!(finished.stdout, expected);
}
