//! The commands that change something, as they are tried.

use std::io::{Seek, Write};
use std::process::{Command, Stdio};

use weir_tests::plugin::Call;
use weir_tests::{Finished, process};

use crate::places::Trial;
use crate::stage::Stage;

fn call(stage: &Stage, verb: &str) -> (Command, Vec<u8>) {
    Call::about(verb, &stage.sandbox, &stage.configuration).into_parts()
}

/// Makes calls until one fails.
fn calls(stage: &Stage, verbs: &[&str]) -> Finished {
    let mut last = None;
    for verb in verbs {
        let call = match *verb {
            "GC" => gc(stage),
            verb => Call::about(verb, &stage.sandbox, &stage.configuration),
        };
        let finished = call.run().finished;
        if finished.code != Some(0) {
            return finished;
        }
        last = Some(finished);
    }
    last.expect("there are calls to make")
}

/// With no attachment that is valid. A pod that is alive goes at the second one.
fn gc(stage: &Stage) -> Call {
    let mut configuration = stage.configuration.clone();
    configuration["cni.dev/valid-attachments"] = serde_json::json!([]);
    Call::of("GC", &configuration)
}

/// Runs a command with this input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Finished {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(input).unwrap();
    file.rewind().unwrap();
    process::run(command.stdin(Stdio::from(file)))
}

fn install(stage: &Stage) -> Command {
    let mut command = stage.in_image("install");
    command.arg("--from").arg(stage.release.path());
    command
}

/// A command of `weir`, and what puts things right after it.
macro_rules! weir {
    ($name:ident: $line:literal, before $before:expr, again $again:literal) => {
        pub(crate) const $name: Trial = Trial {
            what: $line,
            before: $before,
            command: |stage| (stage.command($line), Vec::new()),
            again: |stage| stage.weir($again),
            tolerates: CHANGE,
        };
    };
}

weir! {
    APPLY: "policy apply",
    before |stage| { stage.apply(false); stage.write_documents(true); },
    again "policy apply"
}
pub(crate) const DELETE: Trial = Trial {
    what: "policy delete default/late",
    before: |stage| stage.apply(true),
    command: |stage| (stage.command("policy delete default/late"), Vec::new()),
    // What is no longer in the folder cannot be taken out of it: the others are put in force.
    again: |stage| {
        stage.weir("policy delete default/late");
        stage.weir("policy apply")
    },
    tolerates: CHANGE,
};

weir! {
    REGENERATE: "endpoint regenerate 2 --force",
    before |_| {},
    again "endpoint regenerate 2 --force"
}
pub(crate) const LABEL: Trial = Trial {
    what: "endpoint label 3 more=words",
    before: |stage| drop(stage.weir("endpoint label 3 more-")),
    command: |stage| (stage.command("endpoint label 3 more=words"), Vec::new()),
    // The revision of before, if it could not be removed, goes with the next apply.
    again: |stage| {
        let finished = stage.weir("endpoint label 3 more=words");
        stage.weir("policy apply").expect_success();
        finished
    },
    tolerates: CHANGE,
};

weir! {
    ROLLBACK: "endpoint rollback 2",
    before |stage| drop(stage.weir("endpoint regenerate 2 --force").expect_success()),
    again "endpoint regenerate 2 --force"
}
pub(crate) const COLLECT: Trial = Trial {
    what: "gc",
    before: Stage::plant_leftovers,
    command: |stage| (stage.command("gc"), Vec::new()),
    // A folder that lost a part of what is in it is no longer old.
    again: |stage| {
        stage.plant_leftovers();
        stage.weir("gc")
    },
    tolerates: &[],
};

weir! {
    INIT: "node init",
    before |stage| drop(stage.weir("node cleanup --force").expect_success()),
    again "node init"
}
weir! {
    CLEANUP: "node cleanup --force",
    before |stage| drop(stage.weir("node init").expect_success()),
    again "node cleanup --force"
}

/// Many entries at once: where a kernel cannot do that, they are written one by one.
const BATCH: &str = "bpf(command 26)";

/// What comes when the new is in force: the old one is put aside, or away. A program that is refused is loaded once more,
/// with the verifier's words.
const CHANGE: &[&str] = &["fsync(", "unlinkat(", "_next)", "bpf(command 5)", BATCH];

/// What is done without the index where that fails, and what is written into it; a log is never a reason to fail.
const RELEASE: &[&str] = &["/ipam/", "pwrite64(", "weir-cni.log", "write(\"{\\\"code"];

/// An ADD, with what a runtime does when it fails; it asks for the pod once more.
pub(crate) const ADD: Trial = Trial {
    what: "ADD",
    before: |stage| drop(calls(stage, &["DEL"])),
    command: |stage| call(stage, "ADD"),
    again: |stage| calls(stage, &["DEL", "ADD", "DEL"]),
    tolerates: &[
        "weir-cni.log",
        "write(\"{\\\"code",
        "fsync(",
        "unlinkat(",
        "_next)",
        "bpf(command 5)",
        BATCH,
    ],
};

pub(crate) const DEL: Trial = Trial {
    what: "DEL",
    before: |stage| drop(calls(stage, &["DEL", "ADD"])),
    command: |stage| call(stage, "DEL"),
    again: |stage| calls(stage, &["DEL"]),
    tolerates: RELEASE,
};

pub(crate) const GC: Trial = Trial {
    what: "GC",
    before: |stage| drop(calls(stage, &["DEL", "ADD", "GC"])),
    command: |stage| gc(stage).into_parts(),
    again: |stage| calls(stage, &["GC", "GC", "DEL"]),
    tolerates: RELEASE,
};

pub(crate) const INSTALL: Trial = Trial {
    what: "install --root",
    before: |stage| drop(process::run(&mut stage.in_image("uninstall"))),
    command: |stage| (install(stage), Vec::new()),
    again: |stage| process::run(&mut install(stage)),
    tolerates: &[],
};

pub(crate) const UNINSTALL: Trial = Trial {
    what: "uninstall --root",
    before: |stage| drop(process::run(&mut install(stage)).expect_success()),
    command: |stage| (stage.in_image("uninstall"), Vec::new()),
    again: |stage| process::run(&mut stage.in_image("uninstall")),
    tolerates: &[],
};

/// Those that keep what they do below the state root, or in an image beside it.
pub(crate) const ALL: [&Trial; 11] = [
    &APPLY,
    &DELETE,
    &REGENERATE,
    &LABEL,
    &ROLLBACK,
    &COLLECT,
    &ADD,
    &DEL,
    &GC,
    &INSTALL,
    &UNINSTALL,
];
