//! A regeneration that fails changes nothing, and says why.

use std::fs;
use std::path::Path;

use ep_builder::whole_file;
use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::pods::{MAPS, run};
use weir_tests::{Finished, Lab, Pod};

use crate::talk::{At, Connection, Flood, PATIENCE, needs, reaches, until};

/// The code of a failed load.
const LOAD: i32 = 8;

/// Lets a regeneration fail while packets flow, and sees that the generation in force goes on.
fn fails(lab: &Lab, a: &Pod, b: &Pod, regenerate: impl Fn() -> Finished) -> Finished {
    let generation = || {
        let text = lab
            .weir(&["endpoint", "get", "1", "-o", "json"])
            .expect_success();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        value["generation"].clone()
    };
    let (before, pins) = (generation(), lab.pins());
    let mut open = Connection::open(At::In(a), At::In(b), 0, 0, PATIENCE).unwrap();
    let flood = Flood::start(At::In(b), At::In(a), 1, 0);
    until("packets arrive", || flood.arrived() > 100);
    let finished = regenerate();
    assert_eq!(finished.code, Some(LOAD), "{finished:?}");
    let arrived = flood.arrived();
    until("packets go on", || flood.arrived() > arrived + 100);
    flood.stop();
    assert!(open.says("still here", PATIENCE));
    reaches(At::In(a), At::In(b));
    assert_eq!((generation(), lab.pins()), (before, pins));
    finished
}

fn regenerate(lab: &Lab) -> Finished {
    lab.weir(&["endpoint", "regenerate", "1"])
}

/// What the log of the failed build says.
fn log(lab: &Lab) -> String {
    lab.weir(&["endpoint", "log", "1"]).expect_success()
}

#[test]
fn an_incompatible_pinned_map_is_named_with_both_sizes() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    lab.configure(&MAPS.replace("endpoints = 64", "endpoints = 128"));
    let finished = fails(&lab, &a, &b, || regenerate(&lab));
    for text in [finished.stderr, log(&lab)] {
        for part in ["weir_lxc", "max_entries 64", "max_entries 128"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    lab.configure(MAPS);
    regenerate(&lab).expect_success();
    reaches(At::In(&a), At::In(&b));
    assert!(!log(&lab).contains("max_entries"), "of the last build");
}

/// A copy of the datapath's sources in which a program reads beyond what it has checked.
fn unsound(folder: &Path) {
    let sources = repository("bpf-src");
    run(&format!("cp -r {} {}", sources.display(), folder.display()));
    let main = folder.join("bpf_lxc.c");
    let text = fs::read_to_string(&main).unwrap();
    let start = text.find("int from_container(").unwrap();
    let body = start + text[start..].find("{\n").unwrap() + 2;
    let (before, after) = text.split_at(body);
    let read = "\tif (*(volatile __u8 *)(long)ctx->data == 7)\n\t\treturn TC_ACT_OK;\n";
    whole_file::write(&main, format!("{before}{read}{after}").as_bytes()).unwrap();
}

#[test]
fn a_program_that_the_verifier_refuses_is_named_with_its_source_line() {
    needs!(Need::Tool("clang"), Need::Tool("cp"));
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    let folder = lab.node().state().with_file_name("unsound");
    unsound(&folder);
    let config = lab.node().config();
    let good = fs::read_to_string(&config).unwrap();
    let bad = good.replace(
        repository("bpf-src").to_str().unwrap(),
        folder.to_str().unwrap(),
    );
    whole_file::write(&config, bad.as_bytes()).unwrap();
    let finished = fails(&lab, &a, &b, || regenerate(&lab));
    assert!(finished.stderr.contains("bpf_lxc.c:"), "{finished:?}");
    let log = log(&lab);
    for text in [&finished.stderr, &log] {
        assert!(text.contains("from_container"), "{text}");
    }
    assert!(log.contains("invalid access to packet"), "{log}");
    whole_file::write(&config, good.as_bytes()).unwrap();
    regenerate(&lab).expect_success();
    reaches(At::In(&a), At::In(&b));
}

#[test]
fn a_missing_device_is_named() {
    needs!();
    let lab = Lab::new();
    let (a, b) = (lab.pod(1), lab.pod(2));
    run("ip link set lxc1 name elsewhere");
    let finished = fails(&lab, &a, &b, || regenerate(&lab));
    assert!(finished.stderr.contains("lxc1"), "{finished:?}");
    run("ip link set elsewhere name lxc1");
    regenerate(&lab).expect_success();
    reaches(At::In(&a), At::In(&b));
}
