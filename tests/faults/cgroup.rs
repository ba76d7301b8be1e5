//! Commands in a control group whose memory gets less and less, until they are killed for it: they work, or they fail and
//! say why, or they die. Whichever it is, nobody is let in, and the next one with enough memory leaves nothing of it.

use nix::errno::Errno;
use weir_tests::group::MemoryGroup;
use weir_tests::need;
use weir_tests::need::Need;

use crate::places::{Trial, aftermath, judge, show};
use crate::stage::Stage;
use crate::stride::is_long;
use crate::trials;

/// In so many steps it goes from what is used to a tenth of that.
const STEPS: u64 = 12;
const STEPS_LONG: u64 = 120;

/// Less than a page for its stack kills a process before it is the program.
const LEAST: u64 = 64 << 10;

/// How many ends there were of each kind.
#[derive(Debug, Default)]
struct Ends {
    done: usize,
    failed: usize,
    killed: usize,
}

/// The most memory that the command uses where there is enough.
fn enough(stage: &Stage, trial: &Trial) -> u64 {
    (trial.before)(stage);
    let group = MemoryGroup::new().unwrap();
    let (command, input) = (trial.command)(stage);
    let finished = trials::run(group.hold(&command), &input);
    assert_eq!(finished.code, Some(0), "{}: {finished:?}", trial.what);
    group.peak()
}

fn check(trial: &Trial) {
    need!(
        Need::Root,
        Need::Templates,
        Need::Tool("ip"),
        Need::MemoryGroup
    );
    let (stage, what) = (Stage::new(), trial.what);
    (trial.before)(&stage);
    assert_eq!((trial.again)(&stage).code, Some(0), "{what}");
    let after = stage.listing();
    let peak = enough(&stage, trial);
    let (mut defects, mut ends) = (Vec::new(), Ends::default());
    let steps = if is_long() { STEPS_LONG } else { STEPS };
    for step in 0..steps {
        (trial.before)(&stage);
        let bytes = LEAST.max(peak + peak / 4 - peak * step / steps * 5 / 4);
        let (command, input) = (trial.command)(&stage);
        let group = MemoryGroup::new().unwrap();
        group.limit(bytes);
        let finished = trials::run(group.hold(&command), &input);
        drop(group);
        let mut found = Vec::new();
        match finished.code {
            Some(0) => ends.done += 1,
            // The shell, which could not start the program.
            None | Some(126 | 137) => ends.killed += 1,
            Some(_) => {
                ends.failed += 1;
                found = judge(trial, Errno::ENOMEM, "any", &finished);
            }
        }
        found.extend(aftermath(&stage, trial, &after));
        if !found.is_empty() {
            let found = found.join("\n  and: ");
            defects.push(format!("{what} with {bytes} of {peak} bytes: {found}"));
        }
    }
    show(&format!("{what}: {peak} bytes are enough, {ends:?}\n"));
    defects.extend(stage.sickness());
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(ends.done > 0 && ends.killed > 0, "{what}: {ends:?}");
    stage.assert_silence_means_something();
}

macro_rules! tests {
    ($($name:ident: $trial:ident;)+) => {
        $(
            #[test]
            fn $name() {
                check(&trials::$trial);
            }
        )+
    };
}

tests! {
    a_pod_is_wired_or_not: ADD;
    a_pod_is_taken_away_or_not: DEL;
    a_policy_is_applied_or_not: APPLY;
    an_endpoint_is_regenerated_or_not: REGENERATE;
    an_endpoint_is_relabelled_or_not: LABEL;
}
