//! A bare node: what many pods at once make of it, and what is left when it is cleaned up.

use std::thread;

use weir_tests::plugin::{Call, Sandbox};
use weir_tests::pods::MAPS;

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
    let sandboxes: Vec<_> = (0..PODS)
        .map(|number| Sandbox::new(&format!("pod{number}")))
        .collect();
    let calls = sandboxes
        .iter()
        .map(|it| Call::about("ADD", it, &configuration));
    let answers: Vec<_> = thread::scope(|scope| {
        // Threads begin in the namespaces of the one that starts them.
        let running: Vec<_> = calls.map(|call| scope.spawn(|| call.run())).collect();
        running.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for answer in answers {
        answer.expect_success();
    }
    let links = world.node().run("ip -o link");
    assert_eq!(links.matches(": weir_host@").count(), 1, "{links}");
    world.lab.weir(&["node", "status"]).expect_success();
    let pod = Pod::new(&world, Plugin::Weir, "one-more");
    for family in crate::FAMILIES {
        let node = world.node().address(family);
        assert_eq!(seen(pod.place(), world.near(), family).ip(), node);
    }
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
