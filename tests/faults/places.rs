//! A command of which one call after the other is refused, and what must hold each time.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::process::Command;

use nix::errno::Errno;
use weir_tests::Finished;
use weir_tests::trace::{Places, refuse};

use crate::stage::Stage;
use crate::stride::places;

/// So many defects say what is wrong.
const ENOUGH: usize = 12;

/// How a text begins to say what to do: that of `weir`, and those in the one line that a plugin has.
const ADVICE: [&str; 6] = [
    "fix: ",
    "`weir doctor`",
    "try again",
    "memory limit",
    "free some space",
    "make room",
];

/// A command under trial.
pub(crate) struct Trial {
    pub(crate) what: &'static str,
    /// Makes what the command begins with.
    pub(crate) before: fn(&Stage),
    /// The command, and what it reads.
    pub(crate) command: fn(&Stage) -> (Command, Vec<u8>),
    /// What comes when the fault is gone: the command again, or whoever puts things right.
    pub(crate) again: fn(&Stage) -> Finished,
    /// Parts of calls whose failure the command may pass over, each with the reason in the table.
    pub(crate) tolerates: &'static [&'static str],
}

/// What is refused, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) places: Places,
    pub(crate) errno: Errno,
    /// Of so many places one is tried, from this one on; all with `WEIR_LONG=1`.
    pub(crate) stride: usize,
}

/// Refuses calls of a command with each of some faults.
pub(crate) fn check_all(faults: &[Fault], trial: &Trial) {
    let stage = Stage::new();
    for fault in faults {
        check(&stage, trial, *fault);
    }
    stage.assert_silence_means_something();
}

/// A test for each of some commands: all of them with the same faults.
macro_rules! trials_with {
    ($faults:expr; $($name:ident: $trial:ident;)+) => {
        $(
            #[test]
            fn $name() {
                weir_tests::need!(
                    weir_tests::need::Need::Root,
                    weir_tests::need::Need::Templates,
                    weir_tests::need::Need::Tool("ip")
                );
                $crate::places::check_all(&$faults, &$crate::trials::$trial);
            }
        )+
    };
}
pub(crate) use trials_with;

/// Refuses one call after the other, until the command comes to its end without so many.
fn check(stage: &Stage, trial: &Trial, fault: Fault) {
    let what = trial.what;
    (trial.before)(stage);
    assert_eq!((trial.again)(stage).code, Some(0), "{what}");
    let after = stage.listing();
    let (mut defects, mut tolerated) = (Vec::new(), BTreeSet::new());
    let mut tried = 0;
    for place in places(fault.stride) {
        (trial.before)(stage);
        let (mut command, input) = (trial.command)(stage);
        let refused = refuse(&mut command, &input, fault.places, place, fault.errno);
        let Some(call) = &refused.call else {
            assert_eq!(refused.finished.code, Some(0), "{what}: {refused:?}");
            break;
        };
        let call = call.to_string();
        tried += 1;
        if refused.finished.code == Some(0) {
            tolerated.insert(call.clone());
        }
        let found = judge(trial, fault.errno, &call, &refused.finished)
            .into_iter()
            .chain(aftermath(stage, trial, &after));
        let found: Vec<_> = found.collect();
        if !found.is_empty() {
            defects.push(format!(
                "{what}, place {place}, {call}: {}",
                found.join("\n  and: ")
            ));
        }
        if defects.len() == ENOUGH {
            break;
        }
    }
    show(&format!(
        "{what}, {fault:?}: {tried} places, tolerated: {tolerated:#?}\n"
    ));
    defects.extend(stage.sickness());
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(tried > 0, "{what}: nothing was refused");
}

/// With `WEIR_FAULTS_SHOW`, a line for the log of the run.
pub(crate) fn show(text: &str) {
    if std::env::var_os("WEIR_FAULTS_SHOW").is_some() {
        io::stderr().write_all(text.as_bytes()).unwrap();
    }
}

/// What is wrong with how a command took a failure of a call.
pub(crate) fn judge(trial: &Trial, errno: Errno, call: &str, finished: &Finished) -> Vec<String> {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let mut found = Vec::new();
    match finished.code {
        Some(0) => {
            if !is_courtesy(call) && !trial.tolerates.iter().any(|part| call.contains(part)) {
                found.push(format!("it was passed over: {said}"));
            }
        }
        Some(1..=99) => {
            if !names(errno, &said) {
                found.push(format!("the message does not say why: {said}"));
            }
            if refused_by_the_machine(errno) && !ADVICE.iter().any(|words| said.contains(words)) {
                found.push(format!("it does not say what to do: {said}"));
            }
            if said.contains("not found") {
                found.push(format!("runtimes take this for success: {said}"));
            }
        }
        _ => found.push(format!("it did not end as it should: {finished:?}")),
    }
    found
}

/// Whether a text says what the kernel said, in the words of the C library or of our own.
fn names(errno: Errno, said: &str) -> bool {
    let text = io::Error::from(errno).to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    [text, errno.desc(), "the disk is full", "has room for"]
        .iter()
        .any(|words| said.contains(words))
}

/// Whether there is something to do that no part of weir knows better.
fn refused_by_the_machine(errno: Errno) -> bool {
    [Errno::EIO, Errno::ENOSPC, Errno::EROFS, Errno::ENOMEM].contains(&errno)
}

/// Locks hold without what is written into them: it names the holder to those who wait. A file of one that is not
/// removed is the next one's.
fn is_courtesy(call: &str) -> bool {
    let is_of_a_lock = call.ends_with("lock)") || call.contains("/locks/");
    let is_note = ["ftruncate(", "write(", "unlink("];
    is_of_a_lock && is_note.iter().any(|begin| call.starts_with(begin))
}

/// What is wrong when the fault is gone.
pub(crate) fn aftermath(stage: &Stage, trial: &Trial, after: &BTreeSet<String>) -> Vec<String> {
    let mut found: Vec<_> = stage.probes.defect().into_iter().collect();
    let again = (trial.again)(stage);
    if again.code == Some(0) {
        found.extend(stage.change(after).map(|it| format!("left: {it}")));
    } else {
        found.push(format!("the next one fails: {again:?}"));
    }
    found.extend(stage.probes.defect());
    found
}
