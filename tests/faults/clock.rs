//! Clocks that jump: files of a node come from its future, or from long before it was made. Wall time decides only how
//! long leftovers and what nobody uses are kept, never what is in force; `policy apply --confirm-within` counts the
//! time since the start of the machine.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use weir_tests::need;
use weir_tests::need::Need;

use crate::stage::Stage;
use crate::trials::{self, ADD, DEL, LABEL, REGENERATE};

/// Has everything below a folder changed at that time.
fn date(folder: &Path, time: SystemTime) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            date(&path, time);
        }
        // A link that leads nowhere has no time of its own to set.
        if let Ok(file) = File::open(&path) {
            file.set_modified(time).unwrap();
        }
    }
}

fn times() -> [SystemTime; 2] {
    let century = Duration::from_hours(24 * 36_525);
    [SystemTime::UNIX_EPOCH, SystemTime::now() + century]
}

#[test]
fn what_is_in_use_stays_however_old_or_young_it_is() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    // The first collection takes what the making of the pods has left.
    stage.weir("gc").expect_success();
    let before = stage.listing();
    for time in times() {
        for command in ["gc", "template gc", "doctor", "policy apply"] {
            date(&stage.lab.node().state(), time);
            stage.weir(command).expect_success();
            assert_eq!(stage.change(&before), None, "{command} at {time:?}");
            assert_eq!(stage.probes.defect(), None, "{command} at {time:?}");
        }
    }
    stage.assert_silence_means_something();
}

#[test]
fn every_command_goes_on_with_files_of_any_time() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    for time in times() {
        for trial in [&ADD, &DEL, &LABEL, &REGENERATE] {
            (trial.before)(&stage);
            date(&stage.lab.node().state(), time);
            let (command, input) = (trial.command)(&stage);
            trials::run(command, &input).expect_success();
            assert_eq!(stage.probes.defect(), None, "{} at {time:?}", trial.what);
        }
        (DEL.again)(&stage).expect_success();
    }
    assert_eq!(stage.sickness(), None);
}

#[test]
fn what_may_be_in_use_by_the_time_of_its_file_is_left_alone() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    stage.plant_leftovers();
    let leftover = stage.lab.node().state().join(".tmp-77");
    let [past, future] = times();
    for (time, stays) in [(future, true), (SystemTime::now(), true), (past, false)] {
        File::open(&leftover).unwrap().set_modified(time).unwrap();
        stage.weir("gc").expect_success();
        assert_eq!(leftover.exists(), stays, "{time:?}");
    }
}
