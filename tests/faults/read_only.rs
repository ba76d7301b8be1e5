//! A file system that has become read-only, as one does after errors: it is said, and what is in force goes on.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use weir_tests::need;
use weir_tests::need::Need;

use crate::places::{aftermath, judge};
use crate::stage::Stage;
use crate::trials;

const NONE: Option<&str> = None;

fn remount(stage: &Stage, flags: MsFlags) {
    let flags = MsFlags::MS_REMOUNT | flags;
    mount(NONE, &stage.root(), NONE, flags, NONE).unwrap();
}

#[test]
fn every_command_says_it_and_changes_nothing() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let stage = Stage::new();
    for trial in trials::ALL {
        let what = trial.what;
        (trial.before)(&stage);
        (trial.again)(&stage).expect_success();
        let after = stage.listing();
        (trial.before)(&stage);
        let before = stage.listing();
        let (command, input) = (trial.command)(&stage);
        remount(&stage, MsFlags::MS_RDONLY);
        let finished = trials::run(command, &input);
        let change = stage.change(&before);
        remount(&stage, MsFlags::empty());
        assert_ne!(finished.code, Some(0), "{what}: {finished:?}");
        assert_eq!(change, None, "{what}");
        let mut found = judge(trial, Errno::EROFS, "", &finished);
        found.extend(aftermath(&stage, trial, &after));
        assert!(found.is_empty(), "{what}: {found:#?}");
    }
    stage.assert_silence_means_something();
}
