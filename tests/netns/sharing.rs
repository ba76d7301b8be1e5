//! The tail programs of a template are loaded once, and every endpoint of it has them.

use std::fs;
use std::thread;

use ep_builder::bpf::{Map, MapShape};
use ep_builder::endpoint::Values;
use ep_builder::load::{Installed, LoadedProgram, collect_tails};
use ep_builder::patch::EndpointObject;
use ep_builder::shape::MapPrefix;

use crate::lifecycle::needs;
use crate::node::{Host, InForce, install, object, template_of};
use crate::pod::Pod;
use crate::traffic::reaches;

/// What an endpoint has of its own.
const OWN: [&str; 4] = [
    "from_container",
    "to_container",
    "policy_ingress",
    "policy_verdict",
];

fn own(installed: &Installed) -> Vec<&LoadedProgram> {
    let own = installed.programs.iter().filter(|one| !one.is_shared);
    own.collect()
}

fn shared(installed: &Installed) -> Vec<u32> {
    let shared = installed.programs.iter().filter(|one| one.is_shared);
    shared.map(|one| one.id).collect()
}

/// The names under which tail programs are shared.
fn names(host: &Host) -> Vec<String> {
    let names = host.pins().into_iter();
    names
        .filter(|name| name.starts_with("weir_tails_"))
        .collect()
}

fn collect(host: &Host, dry_run: bool) -> usize {
    let collected = collect_tails(&host.bpffs_dir, &MapPrefix::default(), dry_run);
    collected.expect("tails are collected").len()
}

/// The object of a pod with a conntrack of its own.
fn object_with_own_conntrack(pod: &Pod) -> EndpointObject {
    let template = template_of("[options]\nconntrack_local = true\n");
    template.patch(&Values::of_endpoint(&pod.endpoint))
}

#[test]
fn endpoints_of_a_template_share_its_tail_programs() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 121), Pod::new(&host, 122));
    let (first, second) = (a.install(), b.install());
    for installed in [&first, &second, &a.install()] {
        let names: Vec<_> = own(installed).iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, OWN);
        let all = installed.programs.iter();
        let all: u64 = all.map(|one| u64::from(one.verified_instructions)).sum();
        assert!(
            installed.verified_instructions() * 10 < all,
            "{installed:?}"
        );
        assert_eq!(shared(installed), shared(&first));
    }
    assert!(shared(&first).len() > 5, "{first:?}");
    let calls = |pod: &Pod| InForce::now(&host, &pod.target).calls;
    assert!(calls(&a).is_some() && calls(&a) == calls(&b));
    assert_eq!(names(&host).len(), 1);
    reaches(&a, &b);
}

#[test]
fn programs_that_name_a_map_of_the_endpoint_s_are_its_own() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 123), Pod::new(&host, 124));
    let first = a.install_object(&object_with_own_conntrack(&a));
    let second = b.install_object(&object_with_own_conntrack(&b));
    for installed in [&first, &second] {
        assert_eq!(shared(installed), Vec::<u32>::new());
        assert!(own(installed).len() > OWN.len(), "{installed:?}");
    }
    assert_eq!(names(&host), Vec::<String>::new());
    reaches(&a, &b);
}

#[test]
fn endpoints_of_two_templates_talk() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 125), Pod::new(&host, 126));
    let (first, second) = (
        a.install(),
        b.install_object(&object_with_own_conntrack(&b)),
    );
    assert!(!shared(&first).is_empty() && shared(&second).is_empty());
    reaches(&a, &b);
    reaches(&b, &a);
}

#[test]
fn who_loses_a_race_uses_what_the_winner_has_loaded() {
    needs!();
    for round in 0..3 {
        let host = Host::new();
        let pods: Vec<_> = (127..131).map(|id| Pod::new(&host, id)).collect();
        // A thread starts in the namespaces of the one that made it.
        let installed: Vec<_> = thread::scope(|scope| {
            let racers: Vec<_> = pods
                .iter()
                .map(|pod| scope.spawn(|| pod.install()))
                .collect();
            let done = racers.into_iter().map(|racer| racer.join().unwrap());
            done.collect()
        });
        for one in &installed {
            assert_eq!(shared(one), shared(&installed[0]), "round {round}");
        }
        assert_eq!(names(&host).len(), 1, "round {round}");
        reaches(&pods[0], &pods[3]);
    }
}

#[test]
fn unused_tail_programs_are_collected_and_used_ones_stay() {
    needs!();
    let host = Host::new();
    assert_eq!(collect(&host, false), 0, "there is not even a folder");
    let (a, b) = (Pod::new(&host, 131), Pod::new(&host, 132));
    let first = a.install();
    b.install();
    assert_eq!(collect(&host, false), 0);
    for pod in [&a, &b] {
        assert_eq!(names(&host).len(), 1);
        ep_builder::load::uninstall(&pod.target, &pod.addresses()).unwrap();
    }
    assert_eq!(
        (collect(&host, true), names(&host).len()),
        (1, 1),
        "a dry run"
    );
    assert_eq!((collect(&host, false), names(&host).len()), (1, 0));
    assert_ne!(shared(&a.install()), shared(&first), "loaded anew");
    b.install();
    reaches(&a, &b);
}

#[test]
fn endpoints_hold_what_they_use_when_its_name_is_gone() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 133), Pod::new(&host, 134));
    let first = a.install();
    for name in names(&host) {
        fs::remove_file(host.bpffs_dir.join(name)).unwrap();
    }
    let second = b.install();
    assert_ne!(shared(&first), shared(&second));
    reaches(&a, &b);
    reaches(&b, &a);
}

#[test]
fn a_calls_map_with_empty_slots_is_not_used() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 135), Pod::new(&host, 136));
    let first = a.install();
    let name = names(&host).pop().unwrap();
    let path = host.bpffs_dir.join(&name);
    fs::remove_file(&path).unwrap();
    let shape = MapShape {
        map_type: MapShape::PROGRAM_ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 48,
        flags: 0,
    };
    Map::create("empty", shape).unwrap().pin(&path).unwrap();
    let second = b.install();
    assert_ne!(shared(&first), shared(&second));
    assert_eq!(
        shared(&a.install()),
        shared(&second),
        "it has taken its place"
    );
    assert_eq!(names(&host), [name]);
    reaches(&a, &b);
}

#[test]
fn programs_on_a_map_that_was_made_anew_are_others() {
    needs!();
    let host = Host::new();
    let (a, b) = (Pod::new(&host, 137), Pod::new(&host, 138));
    let first = a.install();
    fs::remove_file(host.bpffs_dir.join("weir_ipcache")).unwrap();
    let second = b.install();
    assert_ne!(shared(&first), shared(&second));
    assert_eq!(names(&host).len(), 2);
    // Now both are on the new map, and what was loaded for the old one is unused.
    assert_eq!(shared(&a.install()), shared(&second));
    assert_eq!((collect(&host, false), names(&host).len()), (1, 1));
    reaches(&a, &b);
}

#[test]
fn an_object_from_the_store_shares_too() {
    needs!();
    let host = Host::new();
    let pod = Pod::new(&host, 139);
    let first = pod.install();
    let bytes = object(&pod.endpoint).bytes().to_vec();
    let again = install(&EndpointObject::from_store(bytes), &pod.target).unwrap();
    assert_eq!(shared(&first), shared(&again));
}
