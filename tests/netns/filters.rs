//! Filters of others are left alone, and said.

use std::process::Command;

use ep_builder::attach::Hook;
use ep_builder::load;

use crate::lifecycle::needs;
use crate::node::{Host, filters, install, object, run};
use crate::pod::Pod;
use weir_tests::process;

/// A filter of no name that lets everything go on to the next one: the only classifier that every kernel
/// which can run these tests has.
pub(crate) fn add_foreign(device: &str, direction: &str, priority: &str) {
    let mut command = Command::new("tc");
    command.args(["filter", "add", "dev", device, direction, "prio", priority]);
    command.args([
        "handle",
        "1",
        "protocol",
        "all",
        "bpf",
        "bytecode",
        "1,6 0 0 0,",
    ]);
    command.args(["flowid", "1:1"]);
    process::run(&mut command).expect_success();
}

#[test]
fn a_foreign_filter_at_our_place_stays_and_is_said() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 71);
    run("tc qdisc add dev lxc71 clsact");
    add_foreign("lxc71", "ingress", "1");
    let foreign = filters("lxc71", Hook::FromContainer);
    assert_eq!(foreign.len(), 1, "{foreign:?}");

    for _ in 0..2 {
        let installed = pod.install();
        assert_eq!(
            installed.attachment.priorities,
            [(Hook::FromContainer, 2), (Hook::ToContainer, 1)]
        );
        let [notice] = installed.notices() else {
            panic!("one notice: {:?}", installed.notices());
        };
        assert!(
            notice.contains("bpf at priority 1") && notice.contains("lxc71"),
            "{notice}"
        );
        let there = filters("lxc71", Hook::FromContainer);
        assert_eq!(there.len(), 2, "{there:?}");
        assert!(there.contains(&foreign[0]), "{there:?}");
    }

    // Once it is gone, ours takes its usual place again.
    run("tc filter del dev lxc71 ingress prio 1");
    let installed = install(&object(&pod.endpoint), &pod.target).unwrap();
    assert_eq!(installed.attachment.priorities[0], (Hook::FromContainer, 1));
    assert_eq!(filters("lxc71", Hook::FromContainer).len(), 1);
}

#[test]
fn foreign_filters_and_clsact_outlive_the_endpoint() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 72);
    pod.install();
    add_foreign("lxc72", "egress", "9");
    load::uninstall(&pod.target, &pod.addresses()).unwrap();
    let left = filters("lxc72", Hook::ToContainer);
    assert!(left.len() == 1 && left[0].priority == 9, "{left:?}");
    assert!(run("tc qdisc show dev lxc72").contains("clsact"));

    run("tc filter del dev lxc72 egress");
    pod.install();
    load::uninstall(&pod.target, &pod.addresses()).unwrap();
    assert!(
        !run("tc qdisc show dev lxc72").contains("clsact"),
        "an empty one goes, too"
    );
}

#[test]
fn what_stock_tc_loaded_is_replaced_not_doubled() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 73);
    let file = tempfile::NamedTempFile::new().unwrap();
    ep_builder::whole_file::write(file.path(), object(&pod.endpoint).bytes()).unwrap();
    run("tc qdisc add dev lxc73 clsact");
    let object_file = file.path().display();
    run(&format!(
        "tc filter replace dev lxc73 ingress prio 1 handle 1 bpf da obj {object_file} sec from-container"
    ));
    // tc names a filter after the file it was given.
    let by_hand = filters("lxc73", Hook::FromContainer);
    assert_eq!(by_hand.len(), 1, "{by_hand:?}");
    let installed = pod.install();
    let there = filters("lxc73", Hook::FromContainer);
    assert_eq!(
        there.len(),
        2,
        "a file of another name is not ours: {there:?}"
    );
    assert_eq!(installed.notices().len(), 1);
}

#[test]
fn an_ingress_qdisc_in_the_way_is_said() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 74);
    run("tc qdisc add dev lxc74 ingress");
    let error = install(&object(&pod.endpoint), &pod.target).unwrap_err();
    assert!(
        error.advice().unwrap().contains("attach = \"tcx\""),
        "{error:?}"
    );
    assert!(
        !host.pins().iter().any(|name| name.ends_with("_00074")),
        "{:?}",
        host.pins()
    );
    let mut target = pod.target.clone();
    target.mode = ep_builder::attach::AttachMode::Tcx;
    install(&object(&pod.endpoint), &target).unwrap();
}
