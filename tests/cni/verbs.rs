//! ADD, DEL and GC killed at every place, and what cleans up after them.

use nix::mount::MsFlags;
use weir_tests::plugin::Call;
use weir_tests::trace::{Places, Traced};

use crate::faults::remount_bpffs;
use crate::kill::{Watch, at_every_place};
use crate::stage::{Stage, needs};

/// What a runtime or a person does after a call was killed.
pub(crate) type CleanUp = fn(&Stage);

fn kill(call: Call, place: usize) -> Traced {
    call.trace(Places::from_environment(), Some(place))
}

/// After a killed ADD nothing is left, and the next ADD works.
pub(crate) fn add_killed(stage: &Stage, then: &str, clean_up: CleanUp) {
    let mut watch = stage.watch();
    at_every_place(&format!("ADD, then {then}"), 0, |place| {
        let cut = kill(stage.call("ADD"), place);
        watch.note_ids();
        clean_up(stage);
        let defect = watch.residue().or_else(|| next_works(stage, &mut watch));
        (cut, defect)
    });
    watch.assert_nothing();
}

fn next_works(stage: &Stage, watch: &mut Watch<'_>) -> Option<String> {
    let answer = stage.try_add();
    if answer.finished.code != Some(0) {
        return Some(format!("the next ADD fails: {answer:?}"));
    }
    watch.note_ids();
    stage.del();
    let left = watch.residue();
    left.map(|left| format!("after the next ADD and its DEL:\n{left}"))
}

/// After a killed DEL or GC nothing is left.
pub(crate) fn removal_killed(
    stage: &Stage,
    what: &str,
    make: CleanUp,
    call: fn(&Stage) -> Call,
    clean_up: CleanUp,
) {
    let mut watch = stage.watch();
    at_every_place(what, 0, |place| {
        make(stage);
        watch.note_ids();
        let cut = kill(call(stage), place);
        clean_up(stage);
        (cut, watch.residue())
    });
    watch.assert_nothing();
}

fn del_killed(stage: &Stage, then: &str, clean_up: CleanUp) {
    let make: CleanUp = |stage| drop(stage.add());
    removal_killed(
        stage,
        &format!("DEL, then {then}"),
        make,
        |stage| stage.call("DEL"),
        clean_up,
    );
}

/// What was not finished goes at once. A pod that is wired and alive may be another runtime's: it is
/// condemned by one GC and removed by the next.
fn gc(stage: &Stage) {
    stage.gc();
    if stage.is_condemned() {
        stage.gc();
    }
}

fn wipe(stage: &Stage) {
    stage.wipe();
    stage.del();
}

/// A runtime that does not know what became of its call, and calls again.
pub(crate) fn add_again(stage: &Stage) {
    let answer = stage.try_add();
    if answer.finished.code != Some(0) {
        // It had come to its end but for the answer: the pod is wired, and only DEL takes that away.
        assert_eq!(answer.expect_failure().0, 102, "{answer:?}");
    }
    stage.del();
}

#[test]
fn a_killed_add_leaves_nothing_after_del() {
    needs!();
    let stage = Stage::new();
    add_killed(&stage, "DEL", Stage::del);
    stage.check_neighbour();
}

#[test]
fn a_killed_add_leaves_nothing_after_gc() {
    needs!();
    let stage = Stage::new();
    add_killed(&stage, "GC", gc);
    stage.check_neighbour();
}

#[test]
fn a_killed_add_leaves_nothing_after_another_add_and_its_del() {
    needs!();
    let stage = Stage::new();
    add_killed(&stage, "ADD and DEL", add_again);
    stage.check_neighbour();
}

#[test]
fn a_killed_add_leaves_nothing_after_the_state_was_wiped() {
    needs!();
    add_killed(&Stage::alone(), "a wiped state folder and DEL", wipe);
}

#[test]
fn a_killed_del_leaves_nothing_after_another() {
    needs!();
    let stage = Stage::new();
    del_killed(&stage, "DEL", Stage::del);
    stage.check_neighbour();
}

#[test]
fn a_killed_del_leaves_nothing_after_gc() {
    needs!();
    let stage = Stage::new();
    del_killed(&stage, "GC", gc);
    stage.check_neighbour();
}

#[test]
fn a_killed_del_leaves_nothing_after_the_state_was_wiped() {
    needs!();
    del_killed(&Stage::alone(), "a wiped state folder and DEL", wipe);
}

#[test]
fn a_killed_gc_leaves_nothing_after_another() {
    needs!();
    let stage = Stage::new();
    let condemned: CleanUp = |stage| {
        stage.add();
        stage.gc();
        assert!(stage.is_condemned());
    };
    removal_killed(&stage, "GC, then GC", condemned, Stage::gc_call, gc);
    stage.check_neighbour();
}

/// An ADD that fails is killed before it fails, and while it undoes what it has made.
#[test]
fn a_killed_add_that_fails_leaves_nothing_after_del() {
    needs!();
    let stage = Stage::new();
    let mut watch = stage.watch();
    at_every_place("ADD that fails, then DEL", 1, |place| {
        remount_bpffs(MsFlags::MS_RDONLY);
        let cut = kill(stage.call("ADD"), place);
        remount_bpffs(MsFlags::empty());
        watch.note_ids();
        stage.del();
        (cut, watch.residue())
    });
    watch.assert_nothing();
    stage.check_neighbour();
}
