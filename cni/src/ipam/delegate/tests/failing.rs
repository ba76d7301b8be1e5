//! Plugins that fail, hang, talk nonsense or lose us.

use std::process::Command as Process;
use std::thread::sleep;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// An ADD that fails after the plugin ran is followed by DEL, and the first error counts.
fn check_failing(answer: &str, kind: Kind, parts: &[&str]) {
    let stage = Stage::new(&recording(answer));
    let error = stage.add().expect_err(answer);
    assert_eq!(error.kind(), kind, "{answer}: {error}");
    let text =
        crate::error::Error::from(crate::error::Failure::new(error.kind(), "x").source(error))
            .message();
    for part in parts {
        assert!(text.contains(part), "{answer}: {text:?} lacks {part:?}");
    }
    assert_eq!(stage.read("asked"), "ADD\nDEL\n", "{answer}");
}

#[test]
fn failures_are_told_apart_and_followed_by_del() {
    need!(Need::Tool("sh"), Need::Tool("yes"));
    let object = json!({"code": 114, "msg": "no lease", "details": "from 10.1.0.1"});
    let rows: [(&str, Kind, &[&str]); 9] = [
        (
            &format!("echo '{object}'; exit 1"),
            Kind::Delegate(114),
            &[NAME, "no lease", "10.1.0.1"],
        ),
        (
            "echo '{\"code\":7}'; exit 3",
            Kind::Delegate(7),
            &[NAME, "code 7"],
        ),
        ("exit 0", Kind::Decode, &[NAME, "no result"]),
        ("echo hello", Kind::Decode, &[NAME, "no JSON"]),
        ("echo '[]'", Kind::Decode, &[NAME, "an object"]),
        (
            "echo '{\"ips\":[{\"address\":\"x\"}]}'",
            Kind::Decode,
            &[NAME, "address"],
        ),
        (
            "echo broken >&2; exit 4",
            Kind::Decode,
            &["status 4", "broken"],
        ),
        ("kill -9 $$", Kind::Decode, &["signal 9"]),
        ("yes", Kind::Decode, &["more than a result"]),
    ];
    for (answer, kind, parts) in rows {
        check_failing(answer, kind, parts);
    }
}

#[test]
fn one_that_hangs_is_killed_with_all_that_it_started() {
    need!(Need::Tool("sh"), Need::Tool("sleep"));
    let mut stage = Stage::new(&recording(
        "sleep 1000 & echo $! >$root/child; wait; echo '{\"ips\":[]}'",
    ));
    stage.deadline = Duration::from_secs(4);
    let error = stage.add().unwrap_err();
    assert_eq!(error.kind(), Kind::TryAgain, "{error}");
    assert!(error.to_string().contains("ADD within 4.0 s"), "{error}");
    assert_eq!(stage.read("asked"), "ADD\nDEL\n");
    let child = stage.read("child").trim().to_owned();
    assert!(!child.is_empty());
    eventually("the child dies", || !is_alive(&child));
}

#[test]
fn a_child_that_keeps_the_output_open_keeps_nobody_waiting() {
    need!(Need::Tool("sh"), Need::Tool("sleep"));
    let result = json!({"ips": [{"address": "10.1.0.9/24"}]});
    let mut stage = Stage::new(&format!(
        "sleep 1000 & echo $! >$root/child\necho '{result}'"
    ));
    stage.deadline = Duration::from_mins(10);
    assert_eq!(stage.add().unwrap().ips.len(), 1);
    let child = stage.read("child").trim().parse().unwrap();
    kill(Pid::from_raw(child), Signal::SIGKILL).unwrap();
}

/// Tells a process of the test below where its stage is.
const ORPHAN: &str = "WEIR_TEST_IPAM_ORPHAN";

/// Whether the process runs, or has ended and waits for its parent to hear of it.
fn is_alive(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(5));
    }
}

/// Field failure: the runtime kills the plugin, and what it had started goes on.
#[test]
fn it_dies_with_us() {
    need!(Need::Tool("sh"), Need::Tool("sleep"));
    let place = tempfile::tempdir().unwrap();
    let pid_file = place.path().join("pid");
    let mut us = Process::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "ipam::delegate::tests::failing::orphan",
        ])
        .env(ORPHAN, &pid_file)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let pid = || fs::read_to_string(&pid_file).unwrap_or_default();
    eventually("it starts", || pid().ends_with('\n'));
    let pid = pid().trim().to_owned();
    assert!(is_alive(&pid));
    us.kill().unwrap();
    us.wait().unwrap();
    eventually("it dies", || !is_alive(&pid));
}

#[test]
#[ignore = "started by the test above, to be killed"]
fn orphan() {
    let pid_file = PathBuf::from(std::env::var_os(ORPHAN).unwrap());
    let stage = Stage::new(&format!("echo $$ >{}\nexec sleep 1000", pid_file.display()));
    stage.add().unwrap_err();
}
