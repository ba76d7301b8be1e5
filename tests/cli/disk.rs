//! A state folder that is full or read-only. Each case has a mount namespace of its own.

use std::process::Command;

use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, need, process};

/// Runs a script in which `weir` is the command, `$STATE` the state folder and `$RECORD` a record; what it
/// mounts is gone with it.
fn script(node: &Node, script: &str) -> Finished {
    let weir = node.command();
    let mut shell = Command::new("unshare");
    let text = format!(
        "set -u; mkdir -p -m 0700 $STATE; weir() {{ {} --config {} \"$@\"; }}; {script}",
        weir.get_program().display(),
        node.config().display(),
    );
    shell
        .args(["-m", "sh", "-c", &text])
        .env("STATE", node.state())
        .env(
            "RECORD",
            repository("ep-builder/tests/golden/endpoint-2665.json"),
        )
        .env_remove("CLANG");
    process::run(&mut shell)
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_half_written() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    // From no room for a folder to nearly enough: each fails in another place.
    for size in ["8k", "32k", "100k", "160k", "200k", "260k"] {
        let node = Node::new();
        let finished = script(
            &node,
            &format!(
                "mount -t tmpfs -o size={size},mode=0700 t $STATE || exit 99
                weir template build > /dev/null; code=$?
                find $STATE -name '*.building' -o -name '.tmp*'
                # The small template of sockets may fit, whole.
                for entry in $STATE/templates/*/; do
                    [ ! -d $entry ] || [ -f $entry/manifest.json ] || echo $entry
                done
                exit $code"
            ),
        );
        assert_eq!(finished.code, Some(7), "{size}: {finished:?}");
        let words = ["No space left on device", "space"];
        assert!(
            words.iter().any(|w| finished.stderr.contains(w)),
            "{size}: {finished:?}"
        );
        assert!(finished.stderr.contains("fix: "), "{size}: {finished:?}");
        assert_eq!(finished.stdout, "", "{size}: something was left");
    }
}

#[test]
fn a_full_disk_keeps_the_old_generation() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    let node = Node::new();
    let finished = script(
        &node,
        "mount -t tmpfs -o size=4m,mode=0700 t $STATE || exit 99
        weir endpoint compile $RECORD --save > /dev/null || exit 98
        head -c 4000000 /dev/zero > $STATE/ballast 2> /dev/null
        weir endpoint compile 2665 --save && exit 97
        rm $STATE/ballast
        weir endpoint get 2665 -o json",
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("No space left on device"),
        "{finished:?}"
    );
    let get: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(
        (&get["generation"], &get["damage"], &get["state"]),
        (&1.into(), &serde_json::json!([]), &"ready".into())
    );
}

#[test]
fn a_read_only_state_folder_is_said_and_still_read() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("unshare"));
    let node = Node::new();
    let finished = script(
        &node,
        "mount -t tmpfs -o mode=0700 t $STATE || exit 99
        weir endpoint compile $RECORD --save > /dev/null || exit 98
        mount -o remount,ro $STATE || exit 97
        weir endpoint compile 2665 | grep -q '(cache)' || exit 96
        weir endpoint list | grep -q ready || exit 95
        weir endpoint compile 2665 --save && exit 94
        weir template gc --all
        rm -rf $STATE/* 2> /dev/null
        weir endpoint list | grep -q ready",
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("Read-only file system"),
        "{finished:?}"
    );
    assert!(finished.stderr.contains("fix: "), "{finished:?}");
}
