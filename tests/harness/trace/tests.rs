use std::path::Path;

use super::*;
use crate::need;
use crate::need::Need;

/// Folders one after the other, the middle ones by a child and its child.
const SCRIPT: &str = "mkdir 0; (mkdir 1; sh -c 'mkdir 2; mkdir 3'); mkdir 4";
const FOLDERS: usize = 5;

fn traced(folder: &Path, places: Places, kill_at: Option<usize>) -> Traced {
    let mut command = Command::new("sh");
    command.args(["-c", SCRIPT]).current_dir(folder);
    run(&mut command, b"", places, kill_at)
}

/// How many folders are there. They must be the first ones.
fn made(folder: &Path) -> usize {
    let there = |n: &usize| folder.join(n.to_string()).exists();
    let count = (0..FOLDERS).take_while(there).count();
    assert!((count..FOLDERS).all(|n| !there(&n)));
    count
}

#[test]
fn every_place_is_met_once_and_nothing_happens_after_it() {
    need!(Need::Tool("sh"));
    let folder = tempfile::tempdir().unwrap();
    let whole = traced(folder.path(), Places::Effects, None);
    assert_eq!(
        (whole.finished.code, made(folder.path())),
        (Some(0), FOLDERS)
    );
    assert!(whole.killed_before.is_none());
    let mut seen = Vec::new();
    for point in 0..whole.points {
        let folder = tempfile::tempdir().unwrap();
        let cut = traced(folder.path(), Places::Effects, Some(point));
        assert_eq!((cut.points, cut.finished.code), (point, None));
        seen.push((made(folder.path()), cut.killed_before.unwrap().to_string()));
    }
    let counts: Vec<_> = seen.iter().map(|(count, _)| *count).collect();
    assert!(counts.is_sorted(), "{seen:?}");
    for count in 0..=FOLDERS {
        assert!(
            counts.contains(&count),
            "nothing died after {count} folders: {seen:?}"
        );
    }
    for folder in 0..FOLDERS {
        // Killed at the entry of the call: it has not been made.
        let call = format!("mkdir({folder})");
        assert!(seen.contains(&(folder, call)), "{seen:?}");
    }
    let beyond = traced(
        tempfile::tempdir().unwrap().path(),
        Places::Effects,
        Some(whole.points),
    );
    assert_eq!(beyond.finished.code, Some(0));
    assert!(traced(tempfile::tempdir().unwrap().path(), Places::Every, None).points > whole.points);
}

#[test]
fn streams_and_codes_are_kept() {
    need!(Need::Tool("sh"));
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "trap 'echo signal' USR1; read a; echo got $a; echo err >&2; kill -USR1 $$; exit 3",
    ]);
    let traced = run(&mut command, b"input\n", Places::Effects, None);
    let expected = Finished {
        code: Some(3),
        stdout: "got input\nsignal\n".into(),
        stderr: "err\n".into(),
    };
    assert_eq!(traced.finished, expected);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn each_call_is_refused_once_and_the_process_goes_on() {
    need!(Need::Tool("sh"));
    for place in 0..=FOLDERS {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT]).current_dir(folder.path());
        let refused = refuse(&mut command, b"", Places::FileChanges, place, Errno::ENOSPC);
        let left: Vec<_> = (0..FOLDERS)
            .filter(|n| !folder.path().join(n.to_string()).exists())
            .collect();
        let call = refused.call.map(|call| call.to_string());
        if place == FOLDERS {
            assert_eq!((call, left, refused.finished.code), (None, vec![], Some(0)));
            break;
        }
        assert_eq!((call, left), (Some(format!("mkdir({place})")), vec![place]));
        let said = &refused.finished.stderr;
        assert!(said.contains("No space left on device"), "{said}");
    }
}
