//! Clocks that leap while a command runs: the time of day by an hour, or back to another century, and the clocks of
//! waits and durations by an hour. Nothing is lost or let in for it, nobody waits for the time to come, and what the log
//! says of durations is true.

use std::time::{Duration, Instant};

use serde_json::Value;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::trace::{Clock, Leap, leap};

use crate::places::{Trial, aftermath};
use crate::stage::Stage;
use crate::stride::places;
use crate::trials;

const HOUR: i64 = 3600;

/// So many defects say what is wrong.
const ENOUGH: usize = 8;

/// How clocks leap: those that only go on do not go back.
const LEAPS: [(Clock, i64); 3] = [
    (Clock::Wall, HOUR),
    (Clock::Wall, -30 * 8766 * HOUR),
    (Clock::Running, HOUR),
];

/// Longer than any command here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Durations in the lines of the log that have come, which nobody has waited for.
fn absurd(stage: &Stage, clock: Clock, lines: usize) -> Vec<String> {
    let text = std::fs::read_to_string(stage.lab.node().log()).unwrap_or_default();
    let hour = f64::from(u32::try_from(HOUR).unwrap()) * 1000.0;
    let most = if clock == Clock::Running { hour } else { 0.0 } + 60_000.0;
    let mut found = Vec::new();
    for line in text.lines().skip(lines) {
        let fields: Value = serde_json::from_str(line).unwrap();
        let phases = fields["phasesMs"].as_object().unwrap().values();
        let times = phases.chain([&fields["totalMs"]]);
        let times = times.map(|time| time.as_f64().unwrap());
        if times.into_iter().any(|time| !(0.0..most).contains(&time)) {
            found.push(format!("a duration that was not: {line}"));
        }
    }
    found
}

fn lines(stage: &Stage) -> usize {
    let text = std::fs::read_to_string(stage.lab.node().log());
    text.map_or(0, |text| text.lines().count())
}

fn check(trial: &Trial, stride: usize) {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let (stage, what) = (Stage::new(), trial.what);
    (trial.before)(&stage);
    assert_eq!((trial.again)(&stage).code, Some(0), "{what}");
    let after = stage.listing();
    let (mut defects, mut tried) = (Vec::new(), 0);
    for (clock, seconds) in LEAPS {
        for at in places(stride) {
            (trial.before)(&stage);
            let (mut command, input) = (trial.command)(&stage);
            let (begun, known) = (Instant::now(), lines(&stage));
            let leap_at = Leap { clock, seconds, at };
            let leapt = leap(&mut command, &input, leap_at);
            let mut found = absurd(&stage, clock, known);
            let finished = &leapt.finished;
            if finished.code != Some(0) {
                found.push(format!("it failed for it: {finished:?}"));
            }
            if begun.elapsed() > PATIENCE {
                found.push("it waited for the time to come".to_owned());
            }
            found.extend(aftermath(&stage, trial, &after));
            if !found.is_empty() {
                let found = found.join("\n  and: ");
                defects.push(format!("{what}, {leap_at:?}: {found}"));
            }
            if !leapt.has_leapt || defects.len() == ENOUGH {
                break;
            }
            tried += 1;
        }
    }
    defects.extend(stage.sickness());
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(tried > 0, "{what} reads no clock");
    stage.assert_silence_means_something();
}

/// It goes when its time is over, or before: never later, or not at all.
#[test]
fn a_policy_that_nobody_confirms_goes_whatever_the_time() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    for (clock, seconds) in LEAPS {
        for at in places(7).take(3) {
            stage.write_documents(true);
            let mut command = stage.command("policy apply --confirm-within 1s");
            let (begun, leap_at) = (Instant::now(), Leap { clock, seconds, at });
            let finished = leap(&mut command, b"", leap_at).finished;
            assert_eq!(finished.code, Some(1), "{leap_at:?}: {finished:?}");
            let is_told = finished
                .stderr
                .contains("the policy before is in force again");
            assert!(is_told, "{leap_at:?}: {finished:?}");
            assert!(begun.elapsed() < PATIENCE, "{leap_at:?}");
            let status = stage.weir("policy status");
            assert!(
                !status.stdout.contains("to be confirmed"),
                "{leap_at:?}: {status:?}"
            );
            assert_eq!(stage.probes.defect(), None, "{leap_at:?}");
        }
    }
    stage.assert_silence_means_something();
}

macro_rules! tests {
    ($($name:ident: $trial:ident, every $stride:literal;)+) => {
        $(
            #[test]
            fn $name() {
                check(&trials::$trial, $stride);
            }
        )+
    };
}

tests! {
    a_policy_is_applied: APPLY, every 5;
    an_endpoint_is_regenerated: REGENERATE, every 7;
    an_endpoint_is_relabelled: LABEL, every 7;
    leftovers_are_collected: COLLECT, every 3;
    a_node_is_made_ready: INIT, every 7;
    a_pod_is_wired: ADD, every 7;
    a_pod_is_taken_away: DEL, every 5;
    a_forgotten_pod_is_collected: GC, every 5;
    a_release_is_installed: INSTALL, every 3;
}
