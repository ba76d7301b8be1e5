//! `weir policy apply --confirm-within`: what nobody confirms goes again, whatever becomes of who waits.

use std::collections::BTreeSet;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use weir_tests::need::Need;
use weir_tests::trace::{self, Places};
use weir_tests::{Pod, need};

use crate::policy::{CLOSED, Stage, WEB, check, refusal};

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
const TICK: Duration = Duration::from_millis(50);

/// A `weir policy apply --confirm-within` that runs. It is killed if a test fails.
struct Apply {
    child: Child,
    stderr: Option<ChildStderr>,
}

impl Apply {
    /// Begins, and is back when the policy is in force and waits.
    fn new(stage: &Stage, span: &str, documents: &[&str]) -> Self {
        stage.write("a.yaml", documents);
        let mut command = stage.lab.node().command();
        command.args(["policy", "apply", "--confirm-within", span]);
        let command: &mut Command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take();
        let this = Self { child, stderr };
        until(|| waits(stage));
        this
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        kill(pid, signal).unwrap();
    }

    /// How it ends, and what it has said.
    fn ends(mut self) -> (Option<i32>, String) {
        let said = std::io::read_to_string(self.stderr.take().unwrap()).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Apply {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}

fn until(mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "it never came to be");
        thread::sleep(TICK);
    }
}

/// Whether a policy waits to be confirmed, by the file alone: a command of weir would end it when it is due.
fn waits(stage: &Stage) -> bool {
    let folder = stage.lab.node().state().join("policy");
    // It is in force when the change is over, too.
    folder.join("pending").exists() && !folder.join("unsettled").exists()
}

fn stage() -> (Stage, [Pod; 2]) {
    let stage = Stage::new();
    let pods = [
        stage.pod(1, &[("app", "web")]),
        stage.pod(2, &[("app", "db")]),
    ];
    (stage, pods)
}

/// Whether `web` reaches `db`.
#[track_caller]
fn reaches([web, db]: &[Pod; 2], expected: bool) {
    check(&[(web, db, 80, expected)]);
}

/// The names of the documents in force.
fn names(stage: &Stage) -> Vec<String> {
    let documents = stage.json(&["policy", "get"]);
    let names = documents.as_array().unwrap().iter();
    names
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Nothing is left but one revision.
#[track_caller]
fn assert_tidy(stage: &Stage) {
    let status = stage.json(&["policy", "status"]);
    assert!(status["confirmWithinSeconds"].is_null(), "{status}");
    let folder = stage.lab.node().state().join("policy");
    let names = std::fs::read_dir(folder).unwrap();
    let names: BTreeSet<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let current = status["revision"].to_string();
    let expected = [current, "current".into(), "lock".into()];
    assert_eq!(names, expected.into());
}

#[test]
fn what_nobody_confirms_goes_again() {
    need!(Need::Root, Need::Tool("ip"));
    let (stage, pods) = stage();
    stage.apply(&[CLOSED, WEB]);
    stage.write("a.yaml", &[CLOSED]);
    let applied = stage.policy(&["apply", "--confirm-within", "1s"]);
    let said = refusal(applied, 1);
    assert!(said.contains("the files in policy_dir still say"), "{said}");
    reaches(&pods, true);
    assert_eq!(names(&stage), ["closed", "web"]);
    let text = std::fs::read_to_string(stage.lab.node().policy_dir().join("a.yaml"));
    assert_eq!(text.unwrap(), CLOSED);
    assert_tidy(&stage);
    // Before the first policy there was none: so it is again.
    let (stage, pods) = self::stage();
    stage.write("a.yaml", &[CLOSED]);
    refusal(stage.policy(&["apply", "--confirm-within", "1s"]), 1);
    reaches(&pods, true);
    assert_eq!(names(&stage), [""; 0]);
    assert_tidy(&stage);
}

#[test]
fn what_somebody_confirms_stays() {
    need!(Need::Root, Need::Tool("ip"));
    let (stage, pods) = stage();
    let apply = Apply::new(&stage, "10m", &[CLOSED]);
    reaches(&pods, false);
    let status = stage.json(&["policy", "status"]);
    let left = status["confirmWithinSeconds"].as_u64().unwrap();
    assert!((1..=600).contains(&left), "{status}");
    let said = stage.policy(&["get"]);
    assert!(said.stderr.contains("wait to be confirmed"), "{said:?}");
    stage.policy(&["confirm"]).expect_success();
    let (code, said) = apply.ends();
    assert_eq!(code, Some(0), "{said}");
    assert_tidy(&stage);
    reaches(&pods, false);
    refusal(stage.policy(&["confirm"]), 4);
}

#[test]
fn while_one_waits_there_is_no_other_change() {
    need!(Need::Root, Need::Tool("ip"));
    let (stage, pods) = stage();
    stage.apply(&[CLOSED, WEB]);
    let apply = Apply::new(&stage, "10m", &[CLOSED]);
    for arguments in [
        &["apply"][..],
        &["apply", "--confirm-within", "5s"],
        &["delete", "default/closed"],
    ] {
        let said = refusal(stage.policy(arguments), 6);
        assert!(said.contains("weir policy confirm"), "{said}");
    }
    assert_eq!(names(&stage), ["closed"]);
    // A set of labels that is new makes no difference, whether its entries are added or all are made anew.
    let other = stage.pod(3, &[("app", "web"), ("new", "")]);
    check(&[(&other, &pods[1], 80, false)]);
    // Who tells it to end does not want it, and the terminal that is gone says nothing.
    apply.send(Signal::SIGHUP);
    thread::sleep(TICK * 10);
    assert!(waits(&stage));
    apply.send(Signal::SIGTERM);
    let (code, said) = apply.ends();
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(names(&stage), ["closed", "web"]);
    reaches(&pods, true);
    check(&[(&other, &pods[1], 80, true)]);
    assert_tidy(&stage);
}

#[test]
fn whoever_comes_after_a_killed_one_goes_back() {
    need!(Need::Root, Need::Tool("ip"));
    let (stage, pods) = stage();
    stage.apply(&[CLOSED, WEB]);
    let killed = |span| {
        let apply = Apply::new(&stage, span, &[CLOSED]);
        apply.send(Signal::SIGKILL);
        assert_eq!(apply.ends().0, None);
    };
    // The next command.
    killed("1s");
    thread::sleep(Duration::from_secs(1));
    reaches(&pods, false);
    let said = stage.policy(&["get"]);
    assert!(said.stderr.contains("not confirmed"), "{said:?}");
    reaches(&pods, true);
    assert_tidy(&stage);
    // The next pod, of labels that are known.
    killed("1s");
    thread::sleep(Duration::from_secs(1));
    let other = stage.pod(3, &[("app", "web")]);
    assert!(!waits(&stage));
    check(&[(&other, &pods[1], 80, true)]);
    assert_tidy(&stage);
    // Too late for a confirmation, but not before.
    killed("1s");
    thread::sleep(Duration::from_secs(1));
    let late = stage.policy(&["confirm"]);
    assert_ne!(late.code, Some(0), "{late:?}");
    reaches(&pods, true);
    killed("10m");
    stage.policy(&["confirm"]).expect_success();
    reaches(&pods, false);
    assert_tidy(&stage);
}

#[test]
fn one_that_dies_anywhere_is_in_force_for_its_time_at_most() {
    need!(Need::Root, Need::Tool("ip"));
    let (stage, pods) = stage();
    stage.apply(&[CLOSED, WEB]);
    let mut seen = BTreeSet::new();
    for place in (0..).step_by(5) {
        stage.write("a.yaml", &[CLOSED]);
        let mut command = stage.lab.node().command();
        command.args(["policy", "apply", "--confirm-within", "1s"]);
        let traced = trace::run(&mut command, b"", Places::Effects, Some(place));
        let was_in_force = waits(&stage);
        seen.insert(was_in_force);
        thread::sleep(Duration::from_secs(1));
        assert_eq!(names(&stage), ["closed", "web"], "place {place}");
        reaches(&pods, true);
        if traced.killed_before.is_none() {
            assert_eq!(traced.finished.code, Some(1));
            assert!(place > 30, "an apply has more steps than {place}");
            break;
        }
        stage.apply(&[CLOSED, WEB]);
        assert_tidy(&stage);
    }
    assert_eq!(seen, [false, true].into());
}
