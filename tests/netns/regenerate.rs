//! An endpoint is made what it should be by no more than that takes; whoever meddled with it is named.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ep_builder::attach::Hook;
use ep_builder::endpoint::EndpointId;
use ep_builder::lifecycle::{Fault, first_fault};
use ep_builder::maps::{MapName, Prefix};
use ep_builder::settings::Settings;
use ep_builder::state::Store;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::pods::{MAPS, run};
use weir_tests::{Lab, Pod, process};

use crate::lifecycle::needs;
use crate::node::filters;

const PINS: &str = "/sys/fs/bpf/tc/globals";
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether a connection over IPv4 and over IPv6 is made.
pub(crate) fn reaches(from: &Pod, to: &Pod) {
    for address in to.addresses() {
        let listener = to.inside(|| TcpListener::bind((address, 0)).unwrap());
        let place = listener.local_addr().unwrap();
        let made = from.inside(|| TcpStream::connect_timeout(&place, PATIENCE));
        made.unwrap_or_else(|error| panic!("{address}: {error}"));
    }
}

/// What `regenerate` did, endpoint by endpoint.
pub(crate) fn regenerate(lab: &Lab, arguments: &[&str]) -> Vec<Value> {
    let words = [&["endpoint", "regenerate", "-o", "json"], arguments].concat();
    let finished = lab.weir(&words);
    let rows = serde_json::from_str(&finished.stdout);
    rows.unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// What stands in the kernel and on disk for an endpoint: equal where nothing was done.
pub(crate) fn in_force(lab: &Lab, id: u16) -> Vec<u32> {
    let device = format!("lxc{id}");
    let hooks = Hook::OF_ENDPOINT
        .into_iter()
        .flat_map(|hook| filters(&device, hook));
    let mut numbers: Vec<_> = hooks.filter_map(|filter| filter.program_id).collect();
    let maps = lab.maps();
    for programs in [maps.verdicts(), maps.call_policy()] {
        numbers.extend(programs.unwrap().get(id.into()).unwrap());
    }
    for map in [MapName::Policy(number(id)), MapName::Calls(number(id))] {
        numbers.extend(maps.facts(map).ok().map(|facts| facts.id));
    }
    numbers
}

pub(crate) fn generation(lab: &Lab, id: u16) -> u64 {
    let record = store(lab).read(number(id)).unwrap().record;
    record.generation
}

fn store(lab: &Lab) -> Store {
    Store::open(&lab.node().state()).unwrap()
}

pub(crate) fn number(id: u16) -> EndpointId {
    EndpointId::new(id).unwrap()
}

pub(crate) fn fault(lab: &Lab, id: u16) -> Option<Fault> {
    let settings = Settings::load(Some(&lab.node().config())).unwrap();
    let record = store(lab).read(number(id)).unwrap().record;
    first_fault(&settings, &record.endpoint).unwrap()
}

pub(crate) fn remove(pin: &str) {
    fs::remove_file(Path::new(PINS).join(pin)).unwrap();
}

/// Puts a filter of nobody's program to a place, as `tc` does.
pub(crate) fn tc_bytecode(verb: &str, device: &str, direction: &str, priority: &str) {
    let mut command = Command::new("tc");
    command.args(["filter", verb, "dev", device, direction, "prio", priority]);
    command.args(["handle", "1", "protocol", "all", "bpf"]);
    command.args(["bytecode", "1,6 0 0 0,", "flowid", "1:1"]);
    process::run(&mut command).expect_success();
}

fn object(lab: &Lab) -> PathBuf {
    lab.node().state().join("00001/bpf_lxc.o")
}

/// A thing that happens to endpoint 1, the least that puts it right, and words of the reason.
struct Case {
    what: &'static str,
    meddle: fn(&Lab),
    level: &'static str,
    says: &'static [&'static str],
}

const CASES: [Case; 11] = [
    Case {
        what: "a filter is gone",
        meddle: |_| drop(run("tc filter del dev lxc1 ingress")),
        level: "programs",
        says: &["from-container", "ingress of lxc1", "no filter"],
    },
    Case {
        what: "clsact is gone",
        meddle: |_| drop(run("tc qdisc del dev lxc1 clsact")),
        level: "programs",
        says: &["from-container", "no filter"],
    },
    Case {
        what: "a program is replaced under our name",
        meddle: |lab| {
            let object = object(lab);
            run(&format!(
                "tc filter replace dev lxc1 egress prio 1 handle 1 bpf da obj {} sec to-container",
                object.display()
            ));
        },
        level: "programs",
        says: &[
            "to-container on the egress of lxc1",
            "\"to_container\" with tag",
            "by user 0",
        ],
    },
    Case {
        what: "the pin of the policy is gone",
        meddle: |_| remove("weir_policy_00001"),
        level: "programs",
        says: &["weir_policy_00001 is gone"],
    },
    Case {
        what: "another map is pinned as the policy",
        meddle: |_| {
            remove("weir_policy_00001");
            run(&format!(
                "bpftool map create {PINS}/weir_policy_00001 type hash key 4 value 4 entries 1 name other"
            ));
        },
        level: "programs",
        says: &["weir_policy_00001 is map", "use map"],
    },
    Case {
        what: "the pin of the calls is gone",
        meddle: |_| remove("weir_calls_00001"),
        level: "programs",
        says: &["weir_calls_00001 is gone"],
    },
    Case {
        what: "nobody can call its policy",
        meddle: |_| {
            run(&format!(
                "bpftool map delete pinned {PINS}/weir_call_policy key 1 0 0 0"
            ));
        },
        level: "programs",
        says: &["endpoint 1 has no program", "weir_call_policy"],
    },
    Case {
        what: "another endpoint's program judges for it",
        meddle: |lab| {
            let verdict = lab.maps().verdicts().unwrap().get(2).unwrap().unwrap();
            run(&format!(
                "bpftool map update pinned {PINS}/weir_verdict key 1 0 0 0 value id {verdict}"
            ));
        },
        level: "programs",
        says: &["place 1 of", "weir_verdict", "policy_verdict"],
    },
    Case {
        what: "its address is nobody's",
        meddle: |lab| {
            let address = weir_tests::pods::endpoint(1).ipv4.unwrap();
            let mut ipcache = lab.maps().ipcache().unwrap();
            ipcache.remove(Prefix::of(address.into())).unwrap();
        },
        level: "policy",
        says: &["weir_ipcache", "not identity"],
    },
    Case {
        what: "its header is damaged",
        meddle: |lab| {
            let header = lab.node().state().join("00001/ep_config.h");
            whole_file::write(&header, b"/* nothing */\n").unwrap();
        },
        level: "constants",
        says: &["ep_config.h"],
    },
    Case {
        what: "the configuration says something else",
        meddle: |lab| lab.configure(&format!("{MAPS}[datapath]\narp_responder = false\n")),
        level: "template",
        says: &["template", "becomes"],
    },
];

#[test]
fn the_least_that_puts_it_right_is_done_and_said() {
    needs!();
    weir_tests::need!(weir_tests::need::Need::Tool("bpftool"));
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    for case in CASES {
        let (what, rules) = (case.what, rules(&lab));
        let (generation, other) = (generation(&lab, 1), in_force(&lab, 2));
        (case.meddle)(&lab);
        let rows = regenerate(&lab, &["1"]);
        let [row] = rows.as_slice() else {
            panic!("{what}: one row: {rows:?}");
        };
        assert_eq!(row["done"], case.level, "{what}: {row}");
        let reason = row["reasons"][0].as_str().unwrap();
        for part in case.says {
            assert!(reason.contains(part), "{what}: {part:?} in {reason}");
        }
        let is_new = matches!(case.level, "constants" | "template");
        let now = self::generation(&lab, 1);
        assert_eq!(now, generation + u64::from(is_new), "{what}");
        assert_eq!(fault(&lab, 1), None, "{what}");
        assert_eq!(self::rules(&lab), rules, "{what}: rules are as before");
        assert_eq!(in_force(&lab, 2), other, "{what}: the other is left alone");
        assert_eq!(regenerate(&lab, &["1"])[0]["done"], "nothing", "{what}");
        reaches(&a, &b);
        reaches(&b, &a);
    }
}

fn rules(lab: &Lab) -> usize {
    let policy = lab.maps().policy(number(1)).unwrap();
    policy.entries().unwrap().len()
}

#[test]
fn a_filter_of_others_is_named_and_never_removed() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    tc_bytecode("replace", "lxc1", "ingress", "1");
    let foreign = filters("lxc1", Hook::FromContainer);
    let Some(Fault::NotAttached { instead, .. }) = fault(&lab, 1) else {
        panic!("{:?}", fault(&lab, 1));
    };
    assert_eq!((instead.len(), instead[0].priority), (1, Some(1)));

    let finished = lab.weir(&["endpoint", "regenerate", "1"]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stderr.contains("priority 2"), "{finished:?}");
    let there = filters("lxc1", Hook::FromContainer);
    assert!(
        there.len() == 2 && there[0] == foreign[0] && there[1].is_ours(),
        "{there:?}"
    );
    // It may let packets pass that nobody judged: that stays said, and is no work for `regenerate`.
    let Some(Fault::Preceded { before, .. }) = fault(&lab, 1) else {
        panic!("{:?}", fault(&lab, 1));
    };
    assert_eq!(before, instead);
    assert_eq!(regenerate(&lab, &["1"])[0]["done"], "nothing");
    reaches(&b, &a);

    run("tc filter del dev lxc1 ingress prio 1");
    assert_eq!(fault(&lab, 1), None);
}

#[test]
fn what_is_up_to_date_is_left_alone_whatever_command_looks_at_it() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(1), lab.pod(2));
    let now = || [1, 2].map(|id| (generation(&lab, id), in_force(&lab, id)));
    let before = now();
    for line in [
        "endpoint list",
        "endpoint get 1",
        "endpoint diff 1",
        "endpoint regenerate 1",
        "endpoint regenerate --all",
        "endpoint log 1",
        "endpoint compile 1",
        "template list",
        "template build",
        "template verify",
        "template gc --all",
        "identity list",
        "map list",
        "gc",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        lab.weir(&words).expect_success();
        assert_eq!(now(), before, "{line}");
    }
    for row in regenerate(&lab, &["--all"]) {
        assert_eq!(row["done"], "nothing", "{row}");
        assert_eq!(row["programs"], 0, "{row}");
    }
    assert_eq!(
        regenerate(&lab, &["--all", "--force"])[1]["done"],
        "constants"
    );
    for ((old, programs), (new, others)) in before.into_iter().zip(now()) {
        assert_eq!(new, old + 1);
        assert_ne!(programs, others);
    }
}

#[test]
fn each_level_can_be_asked_for_and_rolled_back() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    regenerate(&lab, &["1", "--force"]);
    for (level, is_new, other_programs) in [
        ("policy", false, false),
        ("programs", false, true),
        ("constants", true, true),
        ("template", true, true),
    ] {
        let (old, programs) = (generation(&lab, 1), in_force(&lab, 1));
        let row = &regenerate(&lab, &["1", "--level", level])[0];
        assert_eq!(
            (row["done"].as_str(), &row["reasons"][0]),
            (Some(level), &"asked for".into())
        );
        assert_eq!(generation(&lab, 1), old + u64::from(is_new), "{level}");
        assert_eq!(in_force(&lab, 1) != programs, other_programs, "{level}");
        assert_eq!(fault(&lab, 1), None, "{level}");
        let live = generation(&lab, 1);
        for _ in 0..2 {
            lab.weir(&["endpoint", "rollback", "1"]).expect_success();
            assert_eq!(fault(&lab, 1), None, "{level}");
            reaches(&a, &b);
        }
        assert_eq!(generation(&lab, 1), live, "back and forth: {level}");
    }
}

#[test]
fn one_of_many_that_fails_keeps_its_generation_and_holds_up_nobody() {
    needs!();
    let lab = Lab::new();
    let pods: Vec<_> = (1..=6).map(|id| lab.pod(id)).collect();
    let before: Vec<_> = (1..=6).map(|id| generation(&lab, id)).collect();
    lab.configure(&format!("{MAPS}[datapath]\narp_responder = false\n"));
    run("ip link set lxc3 name elsewhere");
    let finished = lab.weir(&["endpoint", "regenerate", "--all", "-o", "json"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for part in ["endpoint 3 keeps its generation", "lxc3", "1 of 6 failed"] {
        assert!(finished.stderr.contains(part), "{part}: {finished:?}");
    }
    let rows: Vec<Value> = serde_json::from_str(&finished.stdout).unwrap();
    for (row, id) in rows.iter().zip(1..=6_u16) {
        let failed = id == 3;
        let want = if failed { "failed" } else { "template" };
        assert_eq!(
            (&row["id"], row["done"].as_str()),
            (&id.into(), Some(want)),
            "{row}"
        );
        let old = before[usize::from(id) - 1];
        assert_eq!(generation(&lab, id), old + u64::from(!failed), "{id}");
    }
    run("ip link set elsewhere name lxc3");
    // The two templates go together.
    reaches(&pods[2], &pods[0]);
    reaches(&pods[0], &pods[2]);
    let rows = regenerate(&lab, &["--all"]);
    let done: Vec<_> = rows
        .iter()
        .map(|row| row["done"].as_str().unwrap())
        .collect();
    assert_eq!(
        done,
        [
            "nothing", "nothing", "template", "nothing", "nothing", "nothing"
        ]
    );
    let log = lab.weir(&["endpoint", "log", "3"]);
    assert_eq!((log.code, log.stdout.as_str()), (Some(0), ""), "{log:?}");
}
