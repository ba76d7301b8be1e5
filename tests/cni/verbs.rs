//! ADD, DEL and GC killed at every place, and what cleans up after them.

use std::fs;

use serde_json::{Value, json};
use weir_tests::need::Need;
use weir_tests::plugin::{Call, Sandbox, configuration};
use weir_tests::pods::set_sysctl;
use weir_tests::trace::{Places, Traced};
use weir_tests::{Lab, need};

use crate::kill::{Watch, at_every_place};

/// A node with one pod to be wired. Its shared maps and its template are there already.
pub(crate) struct Stage {
    pub(crate) lab: Lab,
    pub(crate) pod: Sandbox,
    pub(crate) configuration: Value,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let lab = Lab::new();
        // Links get no address by themselves, some time later.
        set_sysctl("ipv6/conf/default/addr_gen_mode", "1");
        let stage = Self {
            pod: Sandbox::new("c1"),
            configuration: configuration(&lab),
            lab,
        };
        stage.add();
        stage.del();
        stage
    }

    fn call(&self, verb: &str) -> Call {
        Call::about(verb, &self.pod, &self.configuration)
    }

    fn kill(&self, verb: &str, place: usize) -> Traced {
        self.call(verb)
            .trace(Places::from_environment(), Some(place))
    }

    pub(crate) fn add(&self) {
        self.call("ADD").run().expect_success();
    }

    pub(crate) fn del(&self) {
        self.call("DEL").run().expect_success();
    }

    fn gc_call(&self) -> Call {
        let mut configuration = self.configuration.clone();
        configuration["cni.dev/valid-attachments"] = json!([]);
        Call::of("GC", &configuration)
    }

    pub(crate) fn gc(&self) {
        self.gc_call().run().expect_success();
    }

    /// As a reboot does, or a person. Pods that run are not asked.
    fn wipe(&self) {
        fs::remove_dir_all(self.lab.node().state()).unwrap();
    }

    fn watch(&self) -> Watch<'_> {
        Watch::new(&self.lab, &[&self.pod.namespace])
    }
}

/// What a person or a runtime does after a call was killed.
type CleanUp = fn(&Stage);

/// Kills ADD at every place, cleans up, sees that nothing is left and that the next ADD works; then kills the
/// DEL of that one at a place, and cleans up again. So both are shown by one walk.
fn add_and_del_killed(what: &str, clean_up: CleanUp) {
    let stage = Stage::new();
    let mut watch = stage.watch();
    at_every_place(&format!("ADD, then {what}"), |place| {
        let cut = stage.kill("ADD", place);
        watch.note_ids();
        clean_up(&stage);
        let mut defect = watch.residue();
        if defect.is_none() {
            stage.add();
            watch.note_ids();
            stage.del();
            defect = watch
                .residue()
                .map(|left| format!("after the next ADD and its DEL:\n{left}"));
        }
        (cut, defect)
    });
    watch.assert_nothing();
}

fn del_killed(what: &str, clean_up: CleanUp) {
    let stage = Stage::new();
    let mut watch = stage.watch();
    at_every_place(&format!("DEL, then {what}"), |place| {
        stage.add();
        watch.note_ids();
        let cut = stage.kill("DEL", place);
        clean_up(&stage);
        (cut, watch.residue())
    });
    watch.assert_nothing();
}

/// What every test here needs.
macro_rules! needs {
    () => {
        need!(Need::Root, Need::Tool("clang"), Need::Tool("ip"))
    };
}
pub(crate) use needs;

#[test]
fn a_killed_add_leaves_nothing_after_del() {
    needs!();
    add_and_del_killed("DEL", Stage::del);
}

#[test]
fn a_killed_del_leaves_nothing_after_del() {
    needs!();
    del_killed("DEL", Stage::del);
}

#[test]
fn a_killed_add_leaves_nothing_after_gc() {
    needs!();
    // An ADD that came to its end has a pod that is alive: only the second GC takes it away.
    add_and_del_killed("GC", |stage| {
        stage.gc();
        stage.gc();
    });
}

#[test]
fn a_killed_del_leaves_nothing_after_gc() {
    needs!();
    del_killed("GC", |stage| {
        stage.gc();
        stage.gc();
    });
}

#[test]
fn a_killed_add_leaves_nothing_after_the_state_was_wiped() {
    needs!();
    add_and_del_killed("a wiped state folder and DEL", |stage| {
        stage.wipe();
        stage.del();
    });
}

#[test]
fn a_killed_del_leaves_nothing_after_the_state_was_wiped() {
    needs!();
    del_killed("a wiped state folder and DEL", |stage| {
        stage.wipe();
        stage.del();
    });
}
