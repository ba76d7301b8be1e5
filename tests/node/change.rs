//! What changes on the node while its pods talk to the world.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use weir_tests::pods::MAPS;

use crate::plugin::{Plugin, Pod};
use crate::talk::{PATIENCE, SILENCE, asks_between, hears, is_heard, says, seen};
use crate::world::{NODE_BESIDE, Place, World};
use crate::{FAMILIES, needs};

/// How often the node is changed under traffic.
const CHANGES: usize = 10;

/// How often what may be lost once is asked.
const TRIES: usize = 6;

/// Asks again and again while `meanwhile` runs; how many questions had no answer, of how many.
fn asked_during(from: Place, to: Place, family: usize, meanwhile: impl FnOnce()) -> (usize, usize) {
    let (client, server) = (from.udp(family, 0), to.udp(family, 0));
    client.connect(server.local_addr().unwrap()).unwrap();
    // The first one waits for neighbours, longer than all changes take.
    let first = (0..3).find_map(|_| asks_between(&client, &server, b"first", PATIENCE / 3));
    first.expect("there is an answer before anything is changed");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut lost, mut asked) = (0, 0);
            while !over.load(Ordering::Relaxed) {
                let text = format!("question {asked}");
                let answer = asks_between(&client, &server, text.as_bytes(), PATIENCE / 5);
                lost += usize::from(answer.is_none());
                asked += 1;
            }
            (lost, asked)
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    })
}

/// What is begun anew under traffic, from the pod and to it.
fn assert_lossless(change: &[&str]) {
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        for (from, to) in [(pod, near), (near, pod)] {
            let (lost, asked) = asked_during(from, to, family, || {
                for _ in 0..CHANGES {
                    world
                        .node()
                        .inside(|| world.lab.weir(change))
                        .expect_success();
                }
            });
            assert_eq!(lost, 0, "of {asked}");
            assert!(asked > CHANGES, "not one for each change: {asked}");
        }
    }
}

#[test]
fn no_packet_is_lost_when_endpoints_are_made_anew() {
    needs!();
    assert_lossless(&["endpoint", "regenerate", "--all", "--level", "constants"]);
}

#[test]
fn no_packet_is_lost_when_the_node_is_made_anew() {
    needs!();
    assert_lossless(&["node", "init"]);
}

#[test]
fn new_flows_have_the_nodes_new_address() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near) = (pod.place(), world.near());
    for (family, new) in FAMILIES.into_iter().zip(NODE_BESIDE) {
        let old = world.node().address(family);
        assert_eq!(seen(pod, near, family).ip(), old);
        let (length, router) = ([24, 64][family], world.router().address(family));
        // The kernel takes the route away with the address that it stands on.
        world
            .node()
            .run(&format!("ip addr del {old}/{length} dev up0"));
        world
            .node()
            .run(&format!("ip addr add {new}/{length} dev up0"));
        world
            .node()
            .run(&format!("ip route replace default via {router} dev up0"));
        world.lab.weir(&["node", "init"]).expect_success();
        assert_eq!(seen(pod, near, family).ip().to_string(), new);
    }
}

/// The second pod never hears what the peer still has to say to the first.
#[test]
fn a_pod_does_not_inherit_flows_with_its_address() {
    needs!();
    let world = World::new();
    let near = world.near();
    for family in FAMILIES {
        let first = Pod::new(&world, Plugin::Weir, &format!("first{family}"));
        let (server, client) = (near.udp(family, 53), first.place().udp(family, 12_000));
        client.connect(server.local_addr().unwrap()).unwrap();
        let who = (0..3).find_map(|_| says(&client, &server, b"hello", PATIENCE / 3));
        let addresses = FAMILIES.map(|family| first.place().address(family));
        drop(client);
        first.remove();
        let second = Pod::at(&world, Plugin::Weir, &format!("second{family}"), addresses);
        assert_eq!(second.place().address(family), addresses[family]);
        let heir = second.place().udp(family, 12_000);
        server.send_to(b"as I was saying", who.unwrap()).unwrap();
        assert_eq!(hears(&heir, b"as I was saying", SILENCE), None);
        second.remove();
    }
}

/// An answer is the pod's at any device that leads outside, and nobody's at one that does not.
#[test]
fn answers_may_come_back_another_way() {
    needs!();
    for is_native in [true, false] {
        let devices = ["\"up0\"", "\"up0\", \"up1\""][usize::from(is_native)];
        let lines = format!("{MAPS}[node]\ndevices = [{devices}]\n");
        let world = World::with(&lines);
        world.another_way_back();
        let pod = Pod::new(&world, Plugin::Weir, "a");
        for family in FAMILIES {
            // The second link is new: what comes first may wait there for a neighbour, and be lost.
            let heard = (0..TRIES).any(|_| is_heard(pod.place(), world.near(), family, (0, 0)));
            assert_eq!(heard, is_native, "IPv{}", [4, 6][family]);
        }
    }
}
