//! A switch that fails half-way is undone: what was in force is in force again.

use std::fs;
use std::path::Path;

use ep_builder::attach::{AttachMode, Hook};
use ep_builder::bpf::{Link, Map, MapShape, TcxHook};
use ep_builder::load::LoadError;

use crate::lifecycle::needs;
use crate::node::{Host, InForce, filters, install, object, run};
use crate::pod::Pod;
use crate::traffic::reaches;

/// A map where something else belongs.
fn stumbling_block(path: &Path) {
    let shape = MapShape {
        map_type: MapShape::ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        flags: 0,
    };
    Map::create("block", shape).unwrap().pin(path).unwrap();
}

/// The number of the program of each link on a device.
fn links(pod: &Pod) -> [Vec<u32>; 2] {
    let index = pod.endpoint.host_ifindex;
    [TcxHook::Ingress, TcxHook::Egress].map(|hook| Link::programs_on(index, hook).unwrap())
}

/// Tries to put a new generation in force, and sees the old one at work.
fn undone(host: &Host, a: &Pod, b: &Pod, mode: AttachMode) -> LoadError {
    let mut target = a.target.clone();
    target.mode = mode;
    let before = (InForce::now(host, &target), links(a));
    let error = install(&object(&a.endpoint), &target).unwrap_err();
    assert_eq!((InForce::now(host, &target), links(a)), before, "{error:?}");
    reaches(a, b);
    error
}

#[test]
fn when_the_last_step_fails_all_are_undone() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 101), Pod::new(&host, 102));
    a.install();
    b.install();
    // The new calls map cannot be pinned: a folder is where its name would be.
    let block = host.bpffs_dir.join("weir_calls_00101__new");
    fs::create_dir(&block).unwrap();
    for mode in [AttachMode::Tc, AttachMode::Tcx, AttachMode::Tc] {
        let error = undone(&host, &a, &b, mode);
        assert!(
            error.to_string().contains("weir_calls_00101__new"),
            "{error:?}"
        );
    }
    fs::remove_dir(&block).unwrap();
    a.install();
    reaches(&a, &b);
}

#[test]
fn a_first_generation_that_fails_leaves_nothing() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 103);
    let block = host.bpffs_dir.join("weir_calls_00103__new");
    fs::create_dir_all(&block).unwrap();
    for mode in [AttachMode::Tc, AttachMode::Tcx] {
        let mut target = pod.target.clone();
        target.mode = mode;
        install(&object(&pod.endpoint), &target).unwrap_err();
        let left = InForce::now(&host, &target);
        assert_eq!(
            (left.filters, left.policy, left.verdict, left.calls),
            (vec![], None, None, None),
            "{mode:?}"
        );
        assert_eq!(links(&pod).concat(), Vec::<u32>::new(), "{mode:?}");
        let own = left.pins.iter().filter(|name| name.contains("00103"));
        assert_eq!(
            own.collect::<Vec<_>>(),
            ["weir_calls_00103__new"],
            "{mode:?}"
        );
        assert!(
            !run("tc qdisc show dev lxc103").contains("clsact"),
            "{mode:?}"
        );
    }
}

#[test]
fn when_the_second_hook_fails_the_first_is_undone() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 104), Pod::new(&host, 105));
    a.install();
    b.install();
    let pins = a.target.pins();
    stumbling_block(&pins.link(Hook::ToContainer));
    // To tcx: the second link cannot be pinned. To tc: the second link cannot be taken for one.
    undone(&host, &a, &b, AttachMode::Tcx);
    undone(&host, &a, &b, AttachMode::Tc);
    fs::remove_file(pins.link(Hook::ToContainer)).unwrap();

    // The same from tcx, whose links must be put back.
    let mut target = a.target.clone();
    target.mode = AttachMode::Tcx;
    install(&object(&a.endpoint), &target).unwrap();
    let block = host.bpffs_dir.join("weir_calls_00104__new");
    fs::create_dir(&block).unwrap();
    let before = links(&a);
    undone(&host, &a, &b, AttachMode::Tcx);
    // A link that was left and made again has another number, and the same program.
    target.mode = AttachMode::Tc;
    install(&object(&a.endpoint), &target).unwrap_err();
    assert_eq!(links(&a), before);
    assert!(filters("lxc104", Hook::FromContainer).is_empty());
    reaches(&a, &b);
}
