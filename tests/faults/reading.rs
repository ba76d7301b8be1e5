//! Each call that reads a file or a folder, of each command, refused with EIO: the command goes on rightly without what
//! it could not read, or says which file it was. What cannot be read is no reason to throw it away, or to let more in.

use std::collections::BTreeSet;
use std::process::Command;

use nix::errno::Errno;
use weir_tests::Finished;
use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::plugin::Call;
use weir_tests::trace::{Call as Met, Places, refuse};

use crate::places::{Trial, aftermath, judge, show};
use crate::probe::Sender;
use crate::stage::Stage;
use crate::stride::places;
use crate::trials;

/// So many defects say what is wrong.
const ENOUGH: usize = 12;

/// A command, and what shows that it has done its work.
struct Reading {
    trial: Trial,
    /// The same after each that says that all went well.
    outcome: fn(&Stage, &Finished) -> BTreeSet<String>,
    /// Of so many places one is tried.
    stride: usize,
}

/// Any call may be passed over, if nothing else comes of it.
const ANY: &[&str] = &[""];

fn check(reading: &Reading) {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let Reading { trial, stride, .. } = reading;
    let (stage, what) = (Stage::new(), trial.what);
    (trial.before)(&stage);
    assert_eq!((trial.again)(&stage).code, Some(0), "{what}");
    let after = stage.listing();
    (trial.before)(&stage);
    let (command, input) = (trial.command)(&stage);
    let outcome = (reading.outcome)(&stage, &trials::run(command, &input));
    let (mut defects, mut passed_over, mut tried) = (Vec::new(), BTreeSet::new(), 0);
    for place in places(*stride) {
        (trial.before)(&stage);
        let (mut command, input) = (trial.command)(&stage);
        let refused = refuse(&mut command, &input, Places::FileReads, place, Errno::EIO);
        let finished = refused.finished;
        let Some(call) = refused.call else {
            assert_eq!(finished.code, Some(0), "{what}: {finished:?}");
            break;
        };
        tried += 1;
        let mut found = judge(trial, Errno::EIO, &call.to_string(), &finished);
        if finished.code == Some(0) {
            passed_over.insert(call.to_string());
            let now = (reading.outcome)(&stage, &finished);
            found.extend(difference(&outcome, &now));
        } else {
            found.extend(unnamed(&call, &finished));
        }
        found.extend(aftermath(&stage, trial, &after));
        if !found.is_empty() {
            let found = found.join("\n  and: ");
            defects.push(format!("{what}, place {place}, {call}: {found}"));
        }
        if defects.len() == ENOUGH {
            break;
        }
    }
    show(&format!(
        "{what}: {tried} places, passed over: {passed_over:#?}\n"
    ));
    defects.extend(stage.sickness());
    assert!(defects.is_empty(), "\n{}", defects.join("\n"));
    assert!(tried > 2, "{what}: {tried} places");
    stage.assert_silence_means_something();
}

fn difference(wanted: &BTreeSet<String>, now: &BTreeSet<String>) -> Option<String> {
    let come: Vec<_> = now.difference(wanted).collect();
    let gone: Vec<_> = wanted.difference(now).collect();
    (now != wanted).then(|| format!("said to be done: come {come:?}, gone {gone:?}"))
}

/// A failure that does not say which file could not be read, or which folder it is in.
fn unnamed(call: &Met, finished: &Finished) -> Option<String> {
    let said = format!("{}{}", finished.stdout, finished.stderr);
    let target = call.path()?;
    let near = target.ancestors().take(2);
    let names = near.filter_map(|path| path.file_name()?.to_str());
    let is_named = names.into_iter().any(|name| said.contains(name));
    (!is_named).then(|| format!("it does not name {}: {said}", target.display()))
}

/// What lasts on disk: not what keeps others away, nor what is put aside or derived, and goes or comes with the next.
fn lasting(stage: &Stage, _: &Finished) -> BTreeSet<String> {
    let mut lines = stage.listing();
    lines.retain(|line| {
        let is_lock = line.ends_with("lock") || line.starts_with("locks/");
        let is_aside = line.contains("_next") || line.contains("_prev");
        !(is_lock || is_aside || line.contains("/.index-"))
    });
    lines
}

fn applied(stage: &Stage, finished: &Finished) -> BTreeSet<String> {
    let mut lines = lasting(stage, finished);
    lines.extend(stage.probes.wait(Sender::Newcomer, 1).err());
    lines
}

/// With what `weir` says about all endpoints but their generations.
fn labelled(stage: &Stage, finished: &Finished) -> BTreeSet<String> {
    let mut lines = lasting(stage, finished);
    // Of the identity that nobody has any more.
    lines.remove("policy/N/identities/1003");
    let shown = stage.weir("endpoint get 3 -o json").expect_success();
    let labels = shown.lines().filter(|line| line.contains("words"));
    lines.extend(labels.map(ToOwned::to_owned));
    lines
}

/// What a runtime's CHECK finds of a pod that was wired.
fn checked(stage: &Stage, finished: &Finished) -> BTreeSet<String> {
    let mut configuration = stage.configuration.clone();
    configuration["prevResult"] = serde_json::from_str(&finished.stdout).unwrap();
    let check = Call::about("CHECK", &stage.sandbox, &configuration).run();
    [format!("{:?}", check.finished)].into()
}

/// With leftovers or without: what cannot be looked at is left to the next collection.
fn kept(stage: &Stage, finished: &Finished) -> BTreeSet<String> {
    let mut lines = lasting(stage, finished);
    lines.retain(|line| !line.starts_with(".tmp-"));
    lines
}

/// What goes up and down as packets pass, and templates: one of the bundle that cannot be read is as good as none, for
/// another is compiled.
const VOLATILE: [&str; 5] = ["maps ", "drops ", "template", "generation", "sources"];

/// What it says of each part, but for numbers.
fn said(_: &Stage, finished: &Finished) -> BTreeSet<String> {
    let lines = finished.stdout.lines();
    let lasts = |line: &&str| !VOLATILE.iter().any(|word| line.contains(word));
    let words = |line: &str| line.replace(|letter: char| letter.is_ascii_digit(), "");
    let texts = lines.filter(|line| !line.starts_with(' ')).filter(lasts);
    texts.map(words).collect()
}

/// A command that looks, and what a runtime asks: they change nothing.
const fn looking(what: &'static str, command: fn(&Stage) -> (Command, Vec<u8>)) -> Trial {
    Trial {
        what,
        before: |_| {},
        command,
        again: |stage| stage.weir("gc"),
        tolerates: ANY,
    }
}

const STATUS: Trial = looking("status", |stage| (stage.command("status"), Vec::new()));
const DOCTOR: Trial = looking("doctor", |stage| (stage.command("doctor"), Vec::new()));
const ADD: Trial = Trial {
    // A lock that could not be looked at stays until leftovers are collected.
    again: |stage| {
        let added = (trials::ADD.again)(stage);
        stage.weir("gc").expect_success();
        added
    },
    ..trials::ADD
};
const CHECK: Trial = Trial {
    before: trials::ADD.before,
    again: trials::ADD.again,
    ..looking("CHECK", |stage| {
        let mut configuration = stage.configuration.clone();
        let added = Call::about("ADD", &stage.sandbox, &configuration).run();
        configuration["prevResult"] = added.expect_success();
        Call::about("CHECK", &stage.sandbox, &configuration).into_parts()
    })
};

macro_rules! tests {
    ($($name:ident: $trial:expr, $outcome:expr, every $stride:literal;)+) => {
        $(
            #[test]
            fn $name() {
                check(&Reading {
                    trial: Trial { tolerates: ANY, ..$trial },
                    outcome: $outcome,
                    stride: $stride,
                });
            }
        )+
    };
}

tests! {
    a_policy_is_read: trials::APPLY, applied, every 13;
    a_document_is_taken_out: trials::DELETE, lasting, every 17;
    an_endpoint_is_read: trials::REGENERATE, lasting, every 23;
    labels_are_read: trials::LABEL, labelled, every 29;
    an_older_generation_is_read: trials::ROLLBACK, lasting, every 23;
    leftovers_are_read: trials::COLLECT, kept, every 19;
    a_node_is_read: trials::INIT, lasting, every 41;
    a_node_to_clean_is_read: trials::CLEANUP, lasting, every 17;
    what_an_add_reads: ADD, checked, every 19;
    what_a_del_reads: trials::DEL, lasting, every 7;
    what_a_check_reads: CHECK, said, every 5;
    what_a_gc_reads: trials::GC, lasting, every 13;
    a_release_is_read: trials::INSTALL, lasting, every 23;
    a_record_of_a_release_is_read: trials::UNINSTALL, lasting, every 11;
    a_status_is_read: STATUS, said, every 43;
    a_doctor_reads: DOCTOR, said, every 43;
}
