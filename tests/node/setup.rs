//! A bare node: what many pods at once make of it, and what is left when it is cleaned up.

use std::fs;
use std::thread;

use serde_json::Value;
use weir_tests::plugin::{Call, Sandbox};
use weir_tests::pods::MAPS;
use weir_tests::residue::Snapshot;

use crate::needs;
use crate::plugin::{Plugin, Pod};
use crate::talk::seen;
use crate::world::World;

const PODS: usize = 32;

#[test]
fn many_pods_at_once_make_one_node() {
    needs!();
    // An address of each family for each of them.
    let maps = MAPS.replace("ipcache = 64", "ipcache = 128");
    let world = World::with(&maps.replace("endpoints = 64", "endpoints = 128"));
    let configuration = Plugin::Weir.configuration(&world);
    // The state folder gets what stays in it.
    Pod::new(&world, Plugin::Weir, "first").remove();
    world.lab.weir(&["node", "cleanup"]).expect_success();
    let before = Snapshot::thorough(&world.lab, &[]);
    let had = setups(&world);
    let sandboxes: Vec<_> = (0..PODS)
        .map(|number| Sandbox::new(&format!("pod{number}")))
        .collect();
    at_once("ADD", &sandboxes, &configuration);
    assert_eq!(setups(&world) - had, 1, "one of them does it");
    let links = world.node().run("ip -o link");
    assert_eq!(links.matches(": weir_host@").count(), 1, "{links}");
    world.lab.weir(&["node", "status"]).expect_success();
    let pod = Pod::new(&world, Plugin::Weir, "one-more");
    for family in crate::FAMILIES {
        let node = world.node().address(family);
        assert_eq!(seen(pod.place(), world.near(), family).ip(), node);
    }
    pod.remove();
    at_once("DEL", &sandboxes, &configuration);
    world.lab.weir(&["node", "cleanup"]).expect_success();
    let left = Snapshot::thorough(&world.lab, &[]).since(&before);
    assert!(left.is_none(), "{}", left.unwrap());
}

/// Calls the plugin for all of them, side by side.
fn at_once(verb: &str, sandboxes: &[Sandbox], configuration: &Value) {
    let calls = sandboxes
        .iter()
        .map(|it| Call::about(verb, it, configuration));
    let answers: Vec<_> = thread::scope(|scope| {
        // Threads begin in the namespaces of the one that starts them.
        let running: Vec<_> = calls.map(|call| scope.spawn(|| call.run())).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for answer in answers {
        answer.expect_success();
    }
}

/// How many calls have set the node up, by their own words.
fn setups(world: &World) -> usize {
    let log = fs::read_to_string(world.lab.node().log()).unwrap();
    log.matches("the node was set up: ").count()
}

#[test]
fn a_pod_that_needs_nothing_of_the_node_changes_nothing_of_it() {
    needs!();
    let world = World::new();
    let mut configuration = Plugin::Weir.configuration(&world);
    configuration["ipMasq"] = false.into();
    let before = world.node().run("tc qdisc show dev up0");
    let _pod = Pod::with(Plugin::Weir, "a", configuration, &serde_json::json!([]));
    assert_eq!(world.node().run("tc qdisc show dev up0"), before);
    let links = world.node().run("ip -o link");
    assert!(!links.contains("weir_"), "{links}");
}
