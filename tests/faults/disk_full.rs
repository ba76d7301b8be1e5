//! A file system that is full, of bytes or of files, before a command or in the midst of it.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::statvfs;
use weir_tests::need;
use weir_tests::need::Need;

use crate::places::{Trial, aftermath, judge};
use crate::stage::Stage;
use crate::trials::{self, ADD};

const NONE: Option<&str> = None;

/// What runs out.
#[derive(Clone, Copy, Debug)]
enum Of {
    Pages,
    Files,
}

/// Lets the file system of a node have so much more than it has.
fn limit(stage: &Stage, of: Of, free: u64) {
    let now = statvfs(&stage.root()).unwrap();
    let limit = match of {
        Of::Pages => format!("nr_blocks={}", now.blocks() - now.blocks_free() + free),
        Of::Files => format!("nr_inodes={}", now.files() - now.files_free() + free),
    };
    remount(stage, &limit);
}

fn remount(stage: &Stage, limit: &str) {
    mount(NONE, &stage.root(), NONE, MsFlags::MS_REMOUNT, Some(limit)).unwrap();
}

/// How often a command failed, of so many levels.
fn fill(stage: &Stage, trial: &Trial, of: Of) -> usize {
    (trial.before)(stage);
    (trial.again)(stage).expect_success();
    let after = stage.listing();
    let mut failures = 0;
    for free in [0, 1, 2, 3, 5, 9, 17, 33, 129] {
        (trial.before)(stage);
        let (command, input) = (trial.command)(stage);
        limit(stage, of, free);
        let finished = trials::run(command, &input);
        remount(stage, "nr_blocks=100000,nr_inodes=100000");
        let mut found = Vec::new();
        if finished.code != Some(0) {
            failures += 1;
            found = judge(trial, Errno::ENOSPC, "", &finished);
        }
        found.extend(aftermath(stage, trial, &after));
        assert!(
            found.is_empty(),
            "{}, {free} {of:?} free: {found:#?}",
            trial.what
        );
    }
    failures
}

fn check(of: Of) {
    let stage = Stage::new();
    remount(&stage, "nr_blocks=100000,nr_inodes=100000");
    let failures: usize = trials::ALL
        .iter()
        .map(|trial| fill(&stage, trial, of))
        .sum();
    assert!(failures > trials::ALL.len(), "{failures}");
    stage.assert_silence_means_something();
}

#[test]
fn full_of_bytes() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    check(Of::Pages);
}

#[test]
fn full_of_files() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    check(Of::Files);
}

#[test]
fn a_log_that_cannot_be_written_costs_no_pod_anything() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    let log = stage.lab.node().log();
    ep_builder::whole_file::write(&log, b"").unwrap();
    mount(Some("/dev/full"), &log, NONE, MsFlags::MS_BIND, NONE).unwrap();
    (ADD.before)(&stage);
    let (command, input) = (ADD.command)(&stage);
    trials::run(command, &input).expect_success();
    (ADD.again)(&stage).expect_success();
    assert_eq!(stage.probes.defect(), None);
}
