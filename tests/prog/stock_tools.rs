//! An endpoint's object is loaded by stock tools, past the verifier, and its maps are pinned under its names.

use std::process::Command;

use weir_tests::need::Need;
use weir_tests::node::repository;
use weir_tests::{Finished, Node, need, process};

/// Maps as small as they may be: the default conntrack maps take hundreds of megabytes.
const SMALL: &str = "[maps]\nendpoints = 16\nipcache = 16\npolicy = 16\nmetrics = 64\nevents = 4096\nfragments = 16\nct_tcp = 64\nct_any = 64\n";

/// Lines of `weir.toml` that give a shape.
const SHAPES: &[(&str, &str)] = &[
    ("the defaults", ""),
    ("IPv4 alone", "[datapath]\nipv6 = false\n"),
    ("IPv6 alone", "[datapath]\nipv4 = false\n"),
    ("no ARP responder", "[datapath]\narp_responder = false\n"),
];

/// Builds endpoint 2665 with this configuration and runs a script in which `$OBJECT` is its object.
fn with_object(configuration: &str, script: &str) -> Finished {
    let node = Node::with(&format!("{SMALL}{configuration}"));
    let record = repository("ep-builder/tests/golden/endpoint-2665.json");
    node.weir(&["endpoint", "compile", record.to_str().unwrap(), "--save"])
        .expect_success();
    let mut shell = Command::new("unshare");
    let script = format!("set -eu; mount -t bpf bpf /sys/fs/bpf\n{script}");
    shell
        .args(["-m", "-n", "sh", "-c", &script])
        .env("OBJECT", node.state().join("02665/bpf_lxc.o"));
    process::run(&mut shell)
}

#[test]
fn bpftool_loads_every_program_of_every_shape() {
    need!(
        Need::Root,
        Need::Tool("clang"),
        Need::Tool("unshare"),
        Need::Tool("bpftool")
    );
    for (name, configuration) in SHAPES {
        let loaded = with_object(
            configuration,
            "mkdir /sys/fs/bpf/programs
            bpftool prog loadall $OBJECT /sys/fs/bpf/programs type tc
            ls /sys/fs/bpf/programs",
        );
        assert_eq!(loaded.code, Some(0), "{name}: {loaded:?}");
        for program in [
            "from_container",
            "to_container",
            "policy_ingress",
            "tail_drop",
        ] {
            assert!(
                loaded.stdout.contains(program),
                "{name}: {program} is missing in {loaded:?}"
            );
        }
        let families = (
            loaded.stdout.contains("tail_ipv4"),
            loaded.stdout.contains("tail_ipv6"),
        );
        assert_eq!(
            families,
            (*name != "IPv6 alone", *name != "IPv4 alone"),
            "{name}"
        );
    }
}

#[test]
fn tc_attaches_it_and_pins_the_endpoint_s_maps() {
    need!(
        Need::Root,
        Need::Tool("clang"),
        Need::Tool("unshare"),
        Need::Tool("tc")
    );
    let attached = with_object(
        "",
        "ip link add lxc0 type veth peer name eth0
        tc qdisc add dev lxc0 clsact
        tc filter replace dev lxc0 ingress prio 1 handle 1 bpf da obj $OBJECT sec from-container
        tc filter replace dev lxc0 egress prio 1 handle 1 bpf da obj $OBJECT sec to-container
        tc filter show dev lxc0 ingress
        tc filter show dev lxc0 egress
        ls /sys/fs/bpf/tc/globals",
    );
    assert_eq!(attached.code, Some(0), "{attached:?}");
    for words in [
        "handle 0x1 bpf_lxc.o:[from-container] direct-action",
        "handle 0x1 bpf_lxc.o:[to-container] direct-action",
        "weir_calls_02665",
        "weir_policy_02665",
        "weir_metrics",
    ] {
        assert!(attached.stdout.contains(words), "{words}: {attached:?}");
    }
    assert!(!attached.stdout.contains("65535"), "{attached:?}");
}
