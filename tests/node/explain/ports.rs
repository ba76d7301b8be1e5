//! `weir explain` about ports of the node that lead to pods, and about what is none of the node's business.

use std::io::ErrorKind;
use std::net::SocketAddr;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Lead, NodePort};
use ep_builder::sock::{NetnsMap, Owner};
use ep_builder::state::StateLayout;
use serde_json::{Value, json};

use super::{What, apply, explain, receiver, world};
use crate::plugin::{Plugin, Pod};
use crate::talk::{PATIENCE, SILENCE};
use crate::world::{Place, World};
use crate::{FAMILIES, needs};

const PORT: u16 = 8_080;
const INSIDE: u16 = 80;
/// Who sends: the node, another pod, the pod behind the port, somebody outside.
const SENDERS: [&str; 4] = ["host", "x/b", "x/a", "198.51.100.2"];

/// A pod that answers at a port of the node, by every protocol.
fn pod(world: &World) -> Pod {
    let mapped = ["tcp", "udp", "sctp"]
        .map(|protocol| json!({"hostPort": PORT, "containerPort": INSIDE, "protocol": protocol}));
    let configuration = Plugin::Weir.configuration(world);
    let pod = Pod::with(
        Plugin::Weir,
        "a",
        configuration,
        &mapped.into_iter().collect(),
    );
    pod.place().run("ip link set lo up");
    pod
}

/// Why a question is not answered.
#[track_caller]
fn refused(world: &World, code: i32, from: &str, to: &str, more: &[&str]) -> String {
    let arguments = [&["explain", "--from", from, "--to", to], more].concat();
    let said = world.lab.weir(&arguments);
    assert_eq!(said.code, Some(code), "{said:?}");
    said.stderr
}

/// The question that is to be asked instead.
#[track_caller]
fn instead(world: &World, from: &str, to: &str) -> String {
    let said = refused(world, 1, from, to, &[]);
    assert!(said.contains("is a host port"), "{from} {to}: {said}");
    let question = said.split_once("--to ").unwrap().1;
    question.split_whitespace().next().unwrap().to_owned()
}

/// Whether who asks there is heard by a listener.
fn reaches(from: Place, door: SocketAddr, to: Place, port: u16) -> bool {
    let listener = to.listener(usize::from(door.is_ipv6()), port);
    listener.set_nonblocking(true).unwrap();
    let client = from.connect(door, PATIENCE);
    client.is_ok() && listener.accept().is_ok()
}

#[test]
fn a_port_that_leads_to_a_pod_is_not_the_nodes_whoever_asks() {
    needs!();
    let world = world("");
    let a = pod(&world);
    let b = Pod::new(&world, Plugin::Weir, "b");
    apply(&world);
    for family in FAMILIES {
        let (node, near) = (world.node(), world.near());
        let outside = near.address(family).to_string();
        let senders = [&SENDERS[..3], &[outside.as_str()]].concat();
        for (what, inside) in [
            (What::Tcp(PORT), What::Tcp(INSIDE)),
            (What::Udp(PORT), What::Udp(INSIDE)),
        ] {
            let question = receiver(a.place(), family, inside);
            for from in &senders {
                let asked = instead(&world, from, &receiver(node, family, what));
                assert_eq!(asked, question, "{from}");
                let said = explain(&world, from, &asked, &[]);
                assert_eq!(said["verdict"], "delivered", "{from}: {said}");
            }
        }
        let door = SocketAddr::new(node.address(family), PORT);
        for from in [node, b.place(), a.place(), near] {
            assert!(reaches(from, door, a.place(), INSIDE), "{from:?}");
        }
        // Sockets of SCTP are not led, and packets of it are.
        let door = format!("{door}/sctp");
        let said = explain(&world, "x/b", &door, &[]);
        assert_eq!(said["drop"]["endpoint"], 0, "{said}");
        assert!(refused(&world, 1, "host", &door, &[]).contains("to itself"));
        assert!(instead(&world, &outside, &door).ends_with("/sctp"));
    }
    // By the loopback address a pod means itself.
    for (door, question) in [
        ("127.0.0.1:8080", 0),
        ("0.0.0.0:8080", 0),
        ("[::1]:8080", 1),
    ] {
        let question = receiver(a.place(), question, What::Tcp(INSIDE));
        assert_eq!(instead(&world, "host", door), question);
        let pods = ["explain", "--from", "x/b", "--to", door];
        let pods = world.lab.weir(&pods);
        assert!(!pods.stderr.contains("is a host port"), "{pods:?}");
    }
}

#[test]
fn a_port_that_names_its_address_is_told_before_one_that_names_none() {
    needs!();
    let world = world("");
    let a = pod(&world);
    let b = Pod::new(&world, Plugin::Weir, "b");
    for family in FAMILIES {
        let door = SocketAddr::new(world.node().address(family), PORT);
        let lead = Lead {
            pod: SocketAddr::new(b.place().address(family), 81),
            id: 9,
        };
        let named = NodePort {
            host: door,
            protocol: 6,
        };
        let mut ports = world.lab.maps().host_ports().unwrap();
        ports.insert(&named, &lead).unwrap();
        let outside = world.near().address(family).to_string();
        let to = receiver(world.node(), family, What::Tcp(PORT));
        for from in [&SENDERS[..3], &[outside.as_str()]].concat() {
            let asked = instead(&world, from, &to);
            assert_eq!(asked, format!("{}/tcp", lead.pod), "{from}");
        }
        assert!(reaches(world.node(), door, b.place(), 81));
        assert!(ports.remove(&named).unwrap());
        let question = receiver(a.place(), family, What::Tcp(INSIDE));
        assert_eq!(instead(&world, "x/b", &to), question);
    }
}

#[test]
fn a_pod_whose_sockets_are_not_led_asks_the_node() {
    needs!();
    let world = world("");
    let _a = pod(&world);
    let b = Pod::new(&world, Plugin::Weir, "b");
    let said = explain(&world, "x/b", "192.0.2.254:1", &[]);
    let id = said["steps"][0]["endpoint"].as_u64().unwrap();
    let id = EndpointId::new(u16::try_from(id).unwrap()).unwrap();
    let namespaces = NetnsMap::find(&world.lab.maps()).unwrap().unwrap();
    // As if it had been attached by hand.
    assert_eq!(namespaces.forget(Owner::Pod(id)).unwrap(), 1);
    for family in FAMILIES {
        let to = receiver(world.node(), family, What::Tcp(PORT));
        let said = explain(&world, "x/b", &to, &[]);
        assert_eq!(said["verdict"], "stack", "{said}");
        let door = (world.node().address(family), PORT).into();
        let refused = b.place().connect(door, SILENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        instead(&world, "host", &to);
    }
}

#[test]
fn what_pods_send_to_others_has_nothing_to_do_with_the_node() {
    needs!();
    let world = world("");
    let _pod = Pod::new(&world, Plugin::Weir, "a");
    apply(&world);
    let outside = receiver(world.near(), 0, What::Tcp(443));
    let own = receiver(world.node(), 0, What::Tcp(9_101));
    let later = ["--established", "--source-port", "5555"];
    for more in [&later[..], &later[..1]] {
        let said = refused(&world, 4, "x/a", &outside, more);
        assert!(said.contains("no such connection"), "{said}");
        assert!(!said.contains("--source-port"), "{said}");
    }
    let hint = refused(&world, 4, "x/a", &own, &later[..1]);
    assert!(hint.contains("--source-port"), "{hint}");
    assert_eq!(explain(&world, "x/a", &own, &[])["verdict"], "dropped");
    let record = StateLayout::new(world.lab.node().state()).node();
    std::fs::remove_file(record.join("node.json")).unwrap();
    let said = explain(&world, "x/a", &outside, &[]);
    assert_eq!(said["verdict"], "stack", "{said}");
    assert_eq!(said["drop"], Value::Null, "{said}");
    let said = refused(&world, 4, "x/a", &own, &[]);
    assert!(said.contains("weir node init"), "{said}");
}
