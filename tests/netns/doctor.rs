//! `weir doctor` says what is wrong, why it matters and what to do; `--fix` does what is safe.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use ep_builder::attach::Hook;
use ep_builder::bpf::Program;
use ep_builder::digest::hex;
use ep_builder::whole_file;
use serde_json::Value;
use weir_tests::pods::{MAPS, run, set_sysctl};
use weir_tests::{Finished, Lab};

use crate::lifecycle::needs;
use crate::node::filters;
use crate::own_part;
use crate::regenerate::{fault, tc_bytecode};

fn doctor(lab: &Lab, arguments: &[&str]) -> (Finished, Vec<Value>) {
    let finished = lab.weir(&[&["doctor", "-o", "json"], arguments].concat());
    let rows = serde_json::from_str(&finished.stdout);
    let rows = rows.unwrap_or_else(|error| panic!("{error}: {finished:?}"));
    (finished, rows)
}

/// The lines of a check that are not fine.
fn complaints<'a>(rows: &'a [Value], check: &str) -> Vec<&'a Value> {
    let of = rows.iter().filter(|row| row["check"] == check);
    of.filter(|row| row["result"] != "ok").collect()
}

/// What no test has a hand in.
fn is_of_the_machine(row: &Value) -> bool {
    let found = row["found"].as_str().unwrap();
    found.contains("unprivileged_bpf_disabled")
        || found.contains("bpf_jit_enable")
        || row["check"] == "cgroup2"
}

fn is_fine(lab: &Lab, when: &str) {
    let (finished, rows) = doctor(lab, &[]);
    for row in rows.iter().filter(|row| !is_of_the_machine(row)) {
        assert_eq!(row["result"], "ok", "{when}: {row}");
    }
    assert_eq!(finished.code, Some(0), "{when}: {finished:?}");
}

/// Something that goes wrong, what is said of it, and how it is put right again.
struct Case {
    what: &'static str,
    happen: fn(&Lab),
    check: &'static str,
    result: &'static str,
    says: &'static [&'static str],
    /// None if `--fix` does it.
    undo: Option<fn(&Lab)>,
}

const OTHER_SIZE: fn(&Lab) = |lab| lab.configure(&MAPS.replace("policy = 64", "policy = 128"));
const AS_BEFORE: fn(&Lab) = |lab| lab.configure(MAPS);

const CASES: [Case; 13] = [
    Case {
        what: "a filter is gone",
        happen: |_| drop(run("tc filter del dev lxc1 egress")),
        check: "endpoint",
        result: "fail",
        says: &["endpoint 1", "to-container", "weir endpoint regenerate 1"],
        undo: None,
    },
    Case {
        what: "a filter is replaced",
        happen: |_| tc_bytecode("replace", "lxc1", "ingress", "1"),
        check: "endpoint",
        result: "fail",
        says: &[
            "from-container is not on the ingress of lxc1",
            "bpf at priority 1",
        ],
        undo: Some(|_| {
            run("tc filter del dev lxc1 ingress");
        }),
    },
    Case {
        what: "an address is lost",
        happen: |lab| {
            let address = weir_tests::pods::endpoint(2).ipv4.unwrap();
            let mut ipcache = lab.maps().ipcache().unwrap();
            ipcache
                .remove(ep_builder::maps::Prefix::of(address.into()))
                .unwrap();
        },
        check: "endpoint",
        result: "fail",
        says: &["endpoint 2", "weir_ipcache"],
        undo: None,
    },
    Case {
        what: "a file is damaged",
        happen: |lab| {
            let header = lab.node().state().join("00001/ep_config.h");
            whole_file::write(&header, b"/* nothing */\n").unwrap();
        },
        check: "record",
        result: "fail",
        says: &["endpoint 1", "ep_config.h", "weir endpoint regenerate 1"],
        undo: None,
    },
    Case {
        what: "a process died",
        happen: |lab| {
            let folder = lab.node().state().join("00009");
            fs::DirBuilder::new().create(folder).unwrap();
        },
        check: "leftovers",
        result: "warn",
        says: &["endpoint 9", "weir gc"],
        undo: None,
    },
    Case {
        what: "a stranger's file",
        happen: |lab| whole_file::write(&lab.node().state().join("notes"), b"x").unwrap(),
        check: "state",
        result: "warn",
        says: &["notes"],
        undo: Some(|lab| fs::remove_file(lab.node().state().join("notes")).unwrap()),
    },
    Case {
        what: "the log is another's, too",
        happen: |lab| {
            whole_file::write(&lab.node().log(), b"").unwrap();
            fs::hard_link(lab.node().log(), lab.node().log().with_extension("2")).unwrap();
        },
        check: "log",
        result: "warn",
        says: &["has another name", "keeps no log", "move it away"],
        undo: Some(|lab| fs::remove_file(lab.node().log()).unwrap()),
    },
    Case {
        what: "everybody may read the state",
        happen: |lab| {
            fs::set_permissions(lab.node().state(), Permissions::from_mode(0o755)).unwrap();
        },
        check: "state",
        result: "fail",
        says: &["mode 755", "chmod 700"],
        undo: Some(|lab| {
            fs::set_permissions(lab.node().state(), Permissions::from_mode(0o700)).unwrap();
        }),
    },
    Case {
        what: "another size of a map is asked for",
        happen: OTHER_SIZE,
        check: "maps",
        result: "fail",
        says: &[
            "weir_policy_00001 has room for 64, and weir.toml says 128",
            "[maps]",
        ],
        undo: Some(AS_BEFORE),
    },
    Case {
        what: "the configuration is another one",
        happen: |lab| lab.configure(&format!("{MAPS}[datapath]\narp_responder = false\n")),
        check: "generation",
        result: "warn",
        says: &["2 of 2", "weir endpoint regenerate --all"],
        undo: Some(AS_BEFORE),
    },
    Case {
        what: "nothing is forwarded",
        happen: |_| set_sysctl("ipv4/ip_forward", "0"),
        check: "sysctl",
        result: "fail",
        says: &[
            "net.ipv4.ip_forward is 0",
            "sysctl -w net.ipv4.ip_forward=1",
        ],
        undo: Some(|_| set_sysctl("ipv4/ip_forward", "1")),
    },
    Case {
        what: "the pins are under another mount",
        happen: |_| drop(run("mount -t tmpfs none /sys/fs/bpf")),
        check: "bpffs",
        result: "fail",
        says: &["a tmpfs", "umount /sys/fs/bpf"],
        undo: Some(|_| {
            run("umount /sys/fs/bpf");
        }),
    },
    Case {
        what: "the sources are gone",
        happen: |lab| {
            let config = lab.node().config();
            let text = fs::read_to_string(&config).unwrap();
            let text = text.replace("/bpf-src\"", "/no-such-folder\"");
            whole_file::write(&config, text.as_bytes()).unwrap();
        },
        check: "sources",
        result: "fail",
        says: &["no-such-folder", "[paths]"],
        undo: Some(AS_BEFORE),
    },
];

#[test]
fn what_is_wrong_is_said_with_its_cure_and_put_right() {
    needs!();
    let lab = Lab::new();
    let (_a, _b) = (lab.pod(1), lab.pod(2));
    is_fine(&lab, "at first");
    for case in CASES {
        let what = case.what;
        (case.happen)(&lab);
        let (finished, rows) = doctor(&lab, &[]);
        let complaints = complaints(&rows, case.check);
        assert!(!complaints.is_empty(), "{what}: {rows:?}");
        assert_eq!(complaints[0]["result"], case.result, "{what}");
        let text = complaints[0].to_string();
        for part in case.says {
            assert!(text.contains(part), "{what}: {part} in {text}");
        }
        let fails = rows.iter().any(|row| row["result"] == "fail");
        assert_eq!(finished.code, Some(i32::from(fails)), "{what}");
        if let Some(undo) = case.undo {
            undo(&lab);
        }
        let (fixed, _) = doctor(&lab, &["--fix"]);
        assert_eq!(fixed.code, Some(0), "{what}: {fixed:?}");
        is_fine(&lab, what);
        assert_eq!(fault(&lab, 1), None, "{what}");
    }
}

#[test]
fn who_stands_before_and_behind_ours_is_named() {
    needs!();
    let lab = Lab::new();
    let _a = lab.pod(1);
    let object = lab.node().state().join("00001/bpf_lxc.o");
    // Under its name there it is not ours.
    run(&format!(
        "tc filter add dev lxc1 egress prio 9 bpf da obj {} sec from-container",
        object.display()
    ));
    tc_bytecode("replace", "lxc1", "ingress", "1");
    let behind = filters("lxc1", Hook::ToContainer);
    let number = behind[1].program_id.unwrap();
    // Who has it open is said, too.
    let held = Program::open_id(number).unwrap();
    let tag = hex(&held.info().unwrap().tag);
    // Ours takes the next place, and his stays.
    let (finished, rows) = doctor(&lab, &["--fix"]);
    assert_eq!(finished.code, Some(0), "only warnings: {finished:?}");
    let complaints = complaints(&rows, "filter");
    let found: Vec<_> = complaints
        .iter()
        .map(|row| row["found"].as_str().unwrap())
        .collect();
    assert_eq!(found.len(), 2, "{rows:?}");
    assert!(found[0].contains("behind bpf at priority 1"), "{found:?}");
    for part in [
        "\"bpf_lxc.o:[from-container]\" at priority 9",
        &format!("program {number} \"from_container\" with tag {tag}, loaded 2"),
        "by user 0, held by process",
        &format!("process {} (", std::process::id()),
    ] {
        assert!(found[1].contains(part), "{part}: {found:?}");
    }
    drop(held);
    let text = lab.weir(&["doctor"]).expect_success();
    for part in ["warn  filter", "why: ", "fix: "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_not_there_is_made() {
    needs!();
    let lab = own_part::node(&["-4"], "");
    lab.weir(&["node", "init"]).expect_success();
    let _a = lab.pod(1);
    is_fine(&lab, "with the node's part");
    let cases: [(&str, &str, &str); 2] = [
        ("ip link del weir_host", "node", "weir node init"),
        ("umount /sys/fs/bpf", "bpffs", "weir doctor --fix"),
    ];
    for (happens, check, fix) in cases {
        run(happens);
        let (_, rows) = doctor(&lab, &[]);
        let complaints = complaints(&rows, check);
        assert!(!complaints.is_empty(), "{happens}: {rows:?}");
        let text = complaints[0]["fix"].as_str().unwrap();
        assert!(text.contains(fix), "{happens}: {text}");
        doctor(&lab, &["--fix"]);
        is_fine(&lab, happens);
    }
    run("umount /sys/fs/bpf");
}

#[test]
fn a_node_without_pods_is_fine() {
    needs!();
    let lab = Lab::new();
    // Pods switch forwarding on.
    set_sysctl("ipv4/ip_forward", "0");
    is_fine(&lab, "without pods");
    assert!(lab.pins().is_empty(), "looking makes nothing");
}
