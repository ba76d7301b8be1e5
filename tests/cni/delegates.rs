//! Addresses from another plugin, which does what a script says.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use ep_builder::whole_file;
use serde_json::json;
use weir_tests::plugin::Call;

use crate::faults::{Fault, check};
use crate::stage::{Stage, needs};
use crate::verbs::add_killed;

/// What a good one does. Its address is a file in the state folder, so that one that is left is seen.
const GOOD: &str = r#"case $CNI_COMMAND in
ADD) : >$kept; echo '{"cniVersion":"1.0.0","ips":[{"address":"10.99.0.7/24","gateway":"10.99.0.1"}]}' ;;
DEL) rm -f $kept ;;
esac"#;

fn delegate(stage: &Stage, script: &str) {
    let folder = plugins(stage);
    DirBuilder::new().recursive(true).create(&folder).unwrap();
    let file = folder.join("fake-ipam");
    let kept = stage.lab.node().state().join("00.kept");
    let text = format!("#!/bin/sh\nkept={}\n{script}\n", kept.display());
    whole_file::write(&file, text.as_bytes()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

fn plugins(stage: &Stage) -> PathBuf {
    stage.lab.node().config().with_file_name("plugins")
}

fn with_delegate() -> Stage {
    let mut stage = Stage::alone();
    let path = plugins(&stage);
    stage.change(|configuration| configuration["ipam"] = json!({ "type": "fake-ipam" }));
    stage.set_path(&path);
    delegate(&stage, GOOD);
    stage
}

/// At ADD it takes its address, and then does this instead of answering.
fn instead(stage: &Stage, script: &str) {
    let script = format!("[ $CNI_COMMAND = ADD ] && {{ : >$kept; {script}; exit; }}\n{GOOD}");
    delegate(stage, &script);
}

#[test]
fn one_that_fails_or_talks_nonsense_is_quoted() {
    needs!();
    let stage = with_delegate();
    let lift = |stage: &Stage| delegate(stage, GOOD);
    let fault = |set, fault| check(&stage, &Fault { set, lift, ..fault });
    fault(
        |stage| whole_file::remove(&plugins(stage).join("fake-ipam")).unwrap(),
        Fault::new("no such plugin", 7, &["fake-ipam", "install"]),
    );
    fault(
        |stage| instead(stage, r#"echo '{"code":11,"msg":"none left"}'; exit 1"#),
        Fault::new("an error", 11, &["fake-ipam", "none left"]),
    );
    fault(
        |stage| instead(stage, r#"echo '{"code":123,"msg":"odd"}'; exit 1"#),
        Fault::new("an error of its own", 123, &["odd"]),
    );
    fault(
        |stage| instead(stage, "echo why >&2; kill -9 $$"),
        Fault::new("a death", 6, &["signal 9", "why"]),
    );
    fault(
        |stage| instead(stage, "echo garbage"),
        Fault::new("garbage", 6, &["fake-ipam", "no JSON"]),
    );
    fault(
        |stage| instead(stage, "true"),
        Fault::new("nothing", 6, &["fake-ipam", "no result"]),
    );
    fault(
        |stage| instead(stage, "cat /dev/zero"),
        Fault::new("a flood", 6, &["fake-ipam", "killed"]),
    );
    fault(
        |stage| {
            instead(
                stage,
                r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"x"}]}'"#,
            );
        },
        Fault::new("no address", 6, &["fake-ipam"]),
    );
}

/// ADD gives its delegate a minute, which the plugin's own tests try with less. DEL and STATUS do not.
#[test]
fn one_that_hangs_is_killed_and_said() {
    needs!();
    let stage = with_delegate();
    let mut watch = stage.watch();
    stage.add();
    watch.note_ids();
    delegate(&stage, "sleep 600");
    let path = plugins(&stage);
    for (call, expected) in [
        (stage.call("DEL"), 11),
        (Call::of("STATUS", stage.configuration()), 50),
    ] {
        let answer = call.env("CNI_PATH", &path).run();
        let (code, message) = answer.expect_failure();
        assert_eq!(code, expected, "{message}");
        assert!(
            message.contains("fake-ipam") && message.contains("killed"),
            "{message}"
        );
    }
    delegate(&stage, GOOD);
    stage.del();
    assert_eq!(watch.residue(), None);
    watch.assert_nothing();
}

/// The delegate dies with us, at each of its own system calls too.
#[test]
fn an_add_that_is_killed_with_its_delegate_leaves_nothing_after_del() {
    needs!();
    add_killed(&with_delegate(), "DEL, with a delegate", Stage::del);
}
