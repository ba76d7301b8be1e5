//! A generation takes the place of another while packets flow.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use ep_builder::attach::{AttachMode, Hook};
use ep_builder::bpf::Link;
use ep_builder::endpoint::Values;
use ep_builder::load::Retired;

use crate::lifecycle::needs;
use crate::node::{Host, InForce, filters, install, object, template_of};
use crate::pod::Pod;
use crate::traffic::{reaches, udp_during};

/// Enough to meet a packet at every step, and some seconds at most.
const REPLACEMENTS: u32 = 150;

fn replaced_under_flood(ids: (u16, u16), family: usize, modes: &[AttachMode]) {
    let host = Host::new();
    let (a, b) = (Pod::new(&host, ids.0), Pod::new(&host, ids.1));
    a.install();
    b.install();
    // By turns of two templates: each generation has other tail programs than the one before.
    let other = template_of("[options]\nconntrack_accounting = false\n");
    let objects = [
        object(&b.endpoint),
        other.patch(&Values::of_endpoint(&b.endpoint)),
    ];
    let mut target = b.target.clone();
    let (count, calls) = udp_during(&a, &b, family, || {
        let mut calls = Vec::new();
        let modes = modes.iter().cycle();
        for (_, (object, mode)) in (0..REPLACEMENTS).zip(objects.iter().cycle().zip(modes)) {
            target.mode = *mode;
            let installed = install(object, &target).unwrap();
            Retired::after_grace([installed.retired]);
            calls.push(InForce::now(&host, &target).calls);
        }
        calls
    });
    assert_eq!((count.lost, count.wrong), (0, 0), "{count:?}");
    assert!(count.sent > REPLACEMENTS, "there was traffic: {count:?}");
    assert!(
        calls.windows(2).all(|pair| pair[0] != pair[1]),
        "each generation has another calls map than the one before"
    );
}

#[test]
fn no_ipv4_packet_is_lost_to_replacements() {
    needs!();
    replaced_under_flood((51, 52), 0, &[AttachMode::Tc]);
}

#[test]
fn no_ipv6_packet_is_lost_to_replacements() {
    needs!();
    replaced_under_flood((53, 54), 1, &[AttachMode::Tc]);
}

#[test]
fn no_packet_is_lost_when_the_way_of_attaching_changes() {
    needs!();
    replaced_under_flood(
        (55, 56),
        0,
        &[AttachMode::Tcx, AttachMode::Tcx, AttachMode::Tc],
    );
}

/// Who looks at any moment finds one filter of ours on each hook: there is no time without one.
#[test]
fn a_hook_is_never_without_a_program() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 57);
    pod.install();
    let object = object(&pod.endpoint);
    let done = AtomicBool::new(false);
    let looks = thread::scope(|scope| {
        // A thread starts in the namespaces of the one that made it.
        let watcher = scope.spawn(|| {
            let mut looks = 0;
            while !done.load(Ordering::Relaxed) {
                for hook in Hook::OF_ENDPOINT {
                    let there = filters("lxc57", hook);
                    assert!(there.len() == 1 && there[0].is_ours(), "{there:?}");
                }
                looks += 1;
            }
            looks
        });
        for _ in 0..REPLACEMENTS {
            install(&object, &pod.target).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(looks > 100, "{looks}");
}

#[test]
fn each_way_of_attaching_leaves_one_program_on_a_hook() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 61), Pod::new(&host, 62));
    a.install();
    b.install();
    let device = a.endpoint.host_ifindex;
    let mut target = a.target.clone();
    for mode in [
        AttachMode::Tcx,
        AttachMode::Tcx,
        AttachMode::Tc,
        AttachMode::Tcx,
    ] {
        target.mode = mode;
        install(&object(&a.endpoint), &target).unwrap();
        for (hook, side) in [
            (Hook::FromContainer, ep_builder::bpf::TcxHook::Ingress),
            (Hook::ToContainer, ep_builder::bpf::TcxHook::Egress),
        ] {
            let counts = (
                filters("lxc61", hook).len(),
                Link::programs_on(device, side).unwrap().len(),
            );
            let wanted = if mode == AttachMode::Tc {
                (1, 0)
            } else {
                (0, 1)
            };
            assert_eq!(counts, wanted, "{mode:?} on {hook}");
        }
        reaches(&a, &b);
    }
    let removed = ep_builder::load::uninstall(&target, &a.addresses()).unwrap();
    assert_eq!(removed.programs, 2);
    assert!(
        !host.pins().iter().any(|name| name.ends_with("_00061")),
        "{:?}",
        host.pins()
    );
}

#[test]
fn a_link_whose_device_is_gone_is_made_anew() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 63);
    let mut target = pod.target.clone();
    target.mode = AttachMode::Tcx;
    install(&object(&pod.endpoint), &target).unwrap();
    crate::node::run("ip link del lxc63");
    let again = Pod::new(&host, 63);
    install(&object(&again.endpoint), &target).unwrap();
    let index = again.endpoint.host_ifindex;
    assert_eq!(
        Link::programs_on(index, ep_builder::bpf::TcxHook::Ingress)
            .unwrap()
            .len(),
        1
    );
    let link = Link::open_pin(&target.pins().link(Hook::FromContainer)).unwrap();
    assert_eq!(link.info().unwrap().ifindex, index);
}
