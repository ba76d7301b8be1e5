//! `make demo`: it shows what it says, and leaves nothing, however it ends.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{binaries, need, process};

/// The script, with its temporary folder inside of this one.
fn demo(scratch: &Path) -> Command {
    let weir = binaries::weir().get_program().to_owned();
    let folder = Path::new(&weir).parent().unwrap().to_owned();
    let mut demo = Command::new(repository("tests/demo.sh"));
    demo.env("WEIR_BIN_DIR", folder).env("TMPDIR", scratch);
    demo
}

#[track_caller]
fn assert_empty(scratch: &TempDir) {
    let left: Vec<_> = scratch.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

macro_rules! need_demo {
    () => {
        need!(
            Need::Root,
            Need::Tool("clang"),
            Need::Tool("ip"),
            Need::Tool("nc"),
            Need::Tool("ping"),
            Need::Tool("unshare"),
        )
    };
}

#[test]
fn the_demo_shows_what_it_says() {
    need_demo!();
    let scratch = tempfile::tempdir().unwrap();
    let shown = process::run(&mut demo(scratch.path())).expect_success();
    for (part, times) in [
        ("equivalent  yes", 1),
        ("(bundle)", 1),
        ("\"sandbox\":\"/run/netns/database\"", 1),
        ("  demo/web  identity 256", 2),
        ("2 received", 5),
        ("web reaches database at", 2),
        ("web does not reach database at", 2),
        ("database reaches web at", 1),
        ("; 0 lost", 1),
        ("verdict      dropped on its way into endpoint ", 1),
        ("verdict  delivered to endpoint ", 1),
        ("isolated by  NetworkPolicy demo/database at ", 1),
        ("CHECK of web: yes", 1),
        ("CHECK of database: yes", 1),
        ("before: 2 links, 4 addresses, 2 notes, 4 pinned maps", 1),
        (
            "after: 0 links, 0 addresses, 0 notes, 0 pinned maps\n[]\n",
            1,
        ),
    ] {
        assert_eq!(shown.matches(part).count(), times, "{part}\n{shown}");
    }
    // A SYN that nobody answers may be sent again.
    let drops = shown.matches("POLICY: no rule allows it (lib/policy.h:");
    assert!(drops.count() >= 2, "{shown}");
    assert_empty(&scratch);
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    need_demo!();
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = demo(scratch.path()).stdout(Stdio::piped()).spawn().unwrap();
    let shown = BufReader::new(demo.stdout.take().unwrap());
    let mut lines = shown.lines().map(Result::unwrap);
    // Both pods are wired, and servers run in them.
    assert!(lines.any(|line| line.starts_with("web reaches database")));
    let signal = format!("kill -TERM {}", demo.id());
    process::run(Command::new("sh").args(["-c", &signal])).expect_success();
    // To the end: whoever holds the pipe has gone by then.
    assert!(lines.all(|line| !line.starts_with("12.")));
    assert_eq!(demo.wait().unwrap().code(), Some(130));
    assert_empty(&scratch);
}
