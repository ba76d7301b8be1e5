//! Who gets where.

use std::net::{SocketAddr, UdpSocket};
use std::thread;

use ep_builder::bpf::Update;
use nix::sched::{CloneFlags, unshare};
use weir_tests::need;
use weir_tests::need::Need;

use super::speak::{Met, Server, Way, ask, bind, hear, is_silent};
use super::world::{HOST_PORT, NODE, OTHER, POD_PORT, World};
use crate::node::run;

/// The node's addresses, as clients write them: the last one in a socket of IPv6.
const WRITTEN: [&str; 3] = ["192.0.2.1", "[2001:db8::1]", "[::ffff:192.0.2.1]"];

fn at(address: &str) -> SocketAddr {
    format!("{address}:{HOST_PORT}").parse().unwrap()
}

/// Asks there in every way: `who` answers, and the socket shows `seen`.
fn check(from: &str, address: &str, seen: &str, who: &str) {
    for way in Way::ALL {
        let met = ask(way, at(address));
        let met = met.unwrap_or_else(|error| panic!("{way:?} from {from} to {address}: {error}"));
        let want = Met {
            who: who.to_owned(),
            peer: at(seen),
        };
        assert_eq!(met, want, "{way:?} from {from} to {address}");
    }
}

fn check_silent(from: &str, address: &str) {
    for way in Way::ALL {
        assert!(
            is_silent(way, at(address)),
            "{way:?} from {from} to {address}"
        );
    }
}

#[test]
fn the_node_and_its_pods_reach_a_host_port() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    for address in WRITTEN {
        check_silent("the node, before", address);
    }
    world.lead_everywhere(0);
    for address in WRITTEN {
        check("the node", address, address, "first");
        // To itself, and to another one.
        for pod in &world.pods {
            let from = format!("pod {}", pod.endpoint.id);
            pod.inside(|| check(&from, address, address, "first"));
        }
    }
}

#[test]
fn loopback_is_the_node_s_own_and_nobody_else_s() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(1);
    for (address, seen) in [
        ("127.0.0.1", "127.0.0.1"),
        ("127.9.8.7", "127.9.8.7"),
        ("0.0.0.0", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[::]", "[::1]"),
        ("[::ffff:127.0.0.1]", "[::ffff:127.0.0.1]"),
    ] {
        check("the node", address, seen, "second");
        world.pods[0].inside(|| check_silent("a pod", address));
    }
}

/// One that may send from the loopback device only cannot be led away from it.
#[test]
fn a_socket_at_a_loopback_address_is_refused() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(1);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(socket.connect(at("127.0.0.1")).is_err());
    let free = UdpSocket::bind("0.0.0.0:0").unwrap();
    free.connect(at("127.0.0.1")).unwrap();
}

#[test]
fn a_port_is_of_its_address_and_its_protocol() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    for protocol in [6, 17] {
        world.lead(&format!("{OTHER}:{HOST_PORT}"), protocol, 1);
    }
    check_silent("the node", NODE[0]);
    check("the node", OTHER, OTHER, "second");
    // The one that names the address comes first.
    world.lead_everywhere(0);
    check("the node", NODE[0], NODE[0], "first");
    check("the node", OTHER, OTHER, "second");
    world.lead(&format!("127.0.0.1:{HOST_PORT}"), 6, 1);
    let met = |way, address| ask(way, at(address)).unwrap().who;
    assert_eq!(met(Way::Tcp, "127.0.0.1"), "second");
    assert_eq!(met(Way::Tcp, "0.0.0.0"), "second");
    assert_eq!(met(Way::Tcp, "127.0.0.2"), "first");
    assert_eq!(met(Way::Connected, "127.0.0.1"), "first");
}

#[test]
fn what_is_no_host_port_is_left_alone() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(0);
    let _local = Server::start("the node", 9090);
    for way in Way::ALL {
        let local: SocketAddr = "192.0.2.1:9090".parse().unwrap();
        let met = ask(way, local).unwrap();
        assert_eq!((met.who.as_str(), met.peer), ("the node", local), "{way:?}");
        let pod = SocketAddr::new(world.pods[1].addresses()[0], POD_PORT);
        let met = ask(way, pod).unwrap();
        assert_eq!((met.who.as_str(), met.peer), ("second", pod), "{way:?}");
    }
}

#[test]
fn a_host_port_comes_before_a_listener_of_the_node() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    let _local = Server::start("the node", HOST_PORT);
    for address in ["192.0.2.1", "127.0.0.1", "[2001:db8::1]"] {
        check("the node", address, address, "the node");
    }
    world.lead_everywhere(0);
    for address in ["192.0.2.1", "127.0.0.1", "[2001:db8::1]"] {
        check("the node", address, address, "first");
    }
}

#[test]
fn another_namespace_means_another_machine() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(0);
    thread::scope(|scope| {
        let inside = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            run("ip link set lo up");
            run("ip addr add 192.0.2.1/32 dev lo");
            run("ip addr add 2001:db8::1/128 dev lo nodad");
            let _local = Server::start("another machine", HOST_PORT);
            for address in WRITTEN.into_iter().chain(["127.0.0.1", "[::1]"]) {
                check("elsewhere", address, address, "another machine");
            }
        });
        inside.join().unwrap();
    });
}

#[test]
fn the_pod_s_policy_judges_whoever_asks_for_its_host_port() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(1);
    check("the node", NODE[0], NODE[0], "second");
    let pins = world.pods[1].target.pins();
    let policy = crate::node::map(&pins, &pins.policy_name());
    let keys: Vec<_> = policy.keys().map(Result::unwrap).collect();
    let rules: Vec<_> = keys
        .iter()
        .map(|key| (key.clone(), policy.lookup(key).unwrap().unwrap()))
        .collect();
    for key in &keys {
        policy.delete(key).unwrap();
    }
    check_silent("the node", NODE[0]);
    world.pods[0].inside(|| check_silent("a pod", NODE[0]));
    for (key, value) in rules {
        policy.update(&key, &value, Update::Any).unwrap();
    }
    world.pods[0].inside(|| check("a pod", NODE[0], NODE[0], "second"));
}

#[test]
fn a_datagram_that_names_its_receiver_finds_the_next_pod() {
    need!(Need::Root, Need::Templates, Need::Tool("ip"));
    let world = World::new();
    world.lead_everywhere(0);
    let asked = at(NODE[0]);
    let patience = std::time::Duration::from_secs(5);
    let [named, connected] = [bind(asked, patience), bind(asked, patience)].map(Result::unwrap);
    connected.connect(asked).unwrap();
    for who in ["first", "second"] {
        named.send_to(b"who?", asked).unwrap();
        assert_eq!(hear(&named).unwrap(), (who.to_owned(), asked));
        connected.send(b"who?").unwrap();
        // A connected one stays where it is.
        assert_eq!(hear(&connected).unwrap(), ("first".to_owned(), asked));
        world.lead_everywhere(1);
    }
}
