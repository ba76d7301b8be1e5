//! `weir explain` about the node's own policy, and the wire: what the one says is what becomes of the other.

mod ports;

use serde_json::Value;
use weir_tests::pods::MAPS;

use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, SILENCE, hears};
use crate::world::{Place, World, parsed};
use crate::{FAMILIES, needs};

const POLICY: &str = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: node}
spec:
  nodeSelector: {}
  policyTypes: [Ingress, Egress]
  ingress:
  - from: [{ipBlock: {cidr: 198.51.100.0/24}}, {ipBlock: {cidr: '2001:db8:51::/64'}}]
    ports: [{port: 8080}, {port: 8080, protocol: UDP}]
  - action: deny
    ports: [{port: 8090}]
  - from: [{podSelector: {}}]
    ports: [{port: 9100}]
  - from: [{ipBlock: {cidr: 203.0.113.0/24}}, {ipBlock: {cidr: '2001:db8:13::/64'}}]
  egress:
  - ports: [{port: 8081}, {port: 8081, protocol: UDP}]
";
/// The lines of the rules: who may come, what is denied, and what the node may ask.
const OF_NEAR: u64 = 8;
const DENYING: u64 = 10;
const OF_PODS: u64 = 12;
const OF_FAR: u64 = 14;
const OF_NODE: u64 = 16;

/// A world whose node stands under a policy, or will.
fn world(lines: &str) -> World {
    let world = World::with(&format!("{MAPS}{lines}"));
    world.lab.weir(&["node", "init"]).expect_success();
    world
}

fn apply(world: &World) {
    world.lab.node().write_policy("node.yaml", POLICY);
    world.lab.weir(&["policy", "apply"]).expect_success();
}

fn explain(world: &World, from: &str, to: &str, more: &[&str]) -> Value {
    let arguments = [&["explain", "-o", "json", "--from", from, "--to", to], more].concat();
    serde_json::from_str(&world.lab.weir(&arguments).expect_success()).unwrap()
}

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Tcp(u16),
    Udp(u16),
    Ping,
}

/// How a place is named to `weir explain`.
fn receiver(place: Place, family: usize, what: What) -> String {
    let address = place.address(family);
    let (port, protocol) = match what {
        What::Tcp(port) => (port, "tcp"),
        What::Udp(port) => (port, "udp"),
        What::Ping => return address.to_string(),
    };
    let host = match family {
        0 => address.to_string(),
        _ => format!("[{address}]"),
    };
    format!("{host}:{port}/{protocol}")
}

/// Whether it really gets there. Tried more than once: all namespaces of a machine share the queues of its processors,
/// which other tests fill.
fn arrives(from: Place, to: Place, family: usize, what: What) -> bool {
    (0..3).any(|_| arrives_at_once(from, to, family, what))
}

fn arrives_at_once(from: Place, to: Place, family: usize, what: What) -> bool {
    match what {
        What::Tcp(port) => {
            let listener = to.listener(family, port);
            from.connect(listener.local_addr().unwrap(), SILENCE)
                .is_ok()
        }
        What::Udp(port) => {
            let (client, server) = (from.udp(family, 0), to.udp(family, port));
            // What a program of the way out drops may be told to who sends.
            let _told = client.send_to(b"hello", server.local_addr().unwrap());
            hears(&server, b"hello", SILENCE).is_some()
        }
        What::Ping => {
            let line = format!("ping -n -c 1 -W 1 {}", to.address(family));
            from.try_run(&line).code == Some(0)
        }
    }
}

/// The rule that decides, by its line; or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Rule(u64),
    Nobody,
    Excuse(&'static str),
}

/// What is said about the one judgement of the node.
#[track_caller]
fn told(said: &Value, why: Why) {
    let steps = said["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["endpoint"] == 0).unwrap();
    let judged = &step["judgements"][0];
    match why {
        Why::Rule(line) => {
            assert_eq!(said["rule"]["line"], line, "{said}");
            assert_eq!(said["rule"]["name"], "node", "{said}");
            let file = said["rule"]["file"].as_str().unwrap();
            assert!(file.ends_with("node.yaml"), "{said}");
        }
        Why::Nobody => {
            assert_eq!(said["isolatedBy"][0]["name"], "node", "{said}");
            assert_eq!(said["drop"]["endpoint"], 0, "{said}");
            assert_eq!(said["drop"]["file"], "lib/host_policy.h", "{said}");
            let advice = said["advice"].as_str().unwrap();
            assert!(advice.contains("weir policy get node"), "{said}");
        }
        Why::Excuse(excuse) => {
            assert_eq!(judged["excuse"], excuse, "{said}");
            assert_eq!(judged["audited"], false, "{said}");
        }
    }
    assert_eq!(
        judged["excuse"].is_null(),
        !matches!(why, Why::Excuse(_)),
        "{said}"
    );
}

/// What is sent, what becomes of it, and why.
type Case = (What, &'static str, Why);

/// Of a host outside, to the node.
const FROM_NEAR: &[Case] = &[
    (What::Tcp(8_080), "stack", Why::Rule(OF_NEAR)),
    (What::Tcp(8_082), "dropped", Why::Nobody),
    (What::Tcp(8_090), "dropped", Why::Rule(DENYING)),
    (What::Tcp(22), "stack", Why::Excuse("openPort")),
    (What::Udp(8_080), "stack", Why::Rule(OF_NEAR)),
    (What::Udp(8_082), "dropped", Why::Nobody),
    (What::Ping, "dropped", Why::Nobody),
];
/// Of another one.
const FROM_FAR: &[Case] = &[(What::Ping, "stack", Why::Rule(OF_FAR))];
/// Of the node, to a host outside.
const FROM_NODE: &[Case] = &[
    (What::Tcp(8_081), "sent", Why::Rule(OF_NODE)),
    (What::Tcp(8_082), "dropped", Why::Nobody),
    (What::Tcp(53), "sent", Why::Excuse("openPort")),
    (What::Udp(8_081), "sent", Why::Rule(OF_NODE)),
    (What::Udp(8_082), "dropped", Why::Nobody),
    (What::Ping, "dropped", Why::Nobody),
];
/// Of a pod, to the node.
const FROM_POD: &[Case] = &[
    (What::Tcp(9_100), "stack", Why::Rule(OF_PODS)),
    (What::Tcp(9_101), "dropped", Why::Nobody),
    (What::Udp(8_080), "dropped", Why::Nobody),
    (What::Ping, "dropped", Why::Nobody),
];

/// Who sends to whom: what `weir explain` calls the sender, and by which program of the node the packets come.
struct Way<'a> {
    name: &'a str,
    from: Place<'a>,
    to: Place<'a>,
    family: usize,
    program: &'static str,
    device: Value,
}

impl<'a> Way<'a> {
    fn new(name: &'a str, ends: [Place<'a>; 2], family: usize, program: &'static str) -> Self {
        let [from, to] = ends;
        Self {
            name,
            from,
            to,
            family,
            program,
            device: match program {
                "policy/ingress" => Value::Null,
                _ => "up0".into(),
            },
        }
    }
}

/// What is said, and what happens.
#[track_caller]
fn check(world: &World, way: &Way, cases: &[Case]) {
    for (what, verdict, why) in cases.iter().copied() {
        let receiver = receiver(way.to, way.family, what);
        let said = explain(world, way.name, &receiver, &[]);
        let case = (way.name, what, &said);
        assert_eq!(said["verdict"], verdict, "{case:?}");
        let arrives = arrives(way.from, way.to, way.family, what);
        assert_eq!(verdict != "dropped", arrives, "{case:?}");
        told(&said, why);
        let step = said["steps"].as_array().unwrap().last().unwrap();
        assert_eq!(step["program"], way.program, "{case:?}");
        assert_eq!(step["device"], way.device, "{case:?}");
        assert_eq!(step["connection"], "asked", "{case:?}");
    }
}

#[test]
fn what_is_said_of_the_nodes_policy_is_what_happens() {
    needs!();
    let world = world("");
    let pod = Pod::new(&world, Plugin::Weir, "a");
    apply(&world);
    let (node, pod) = (world.node(), pod.place());
    for family in FAMILIES {
        for (host, cases) in [(world.near(), FROM_NEAR), (world.far(), FROM_FAR)] {
            let name = host.address(family).to_string();
            let ends = [host, node];
            check(&world, &Way::new(&name, ends, family, "from-netdev"), cases);
        }
        let out = Way::new("host", [node, world.near()], family, "to-netdev");
        check(&world, &out, FROM_NODE);
        let own = Way::new("x/a", [pod, node], family, "policy/ingress");
        check(&world, &own, FROM_POD);
        // Of what the node sends to its pods they alone judge.
        let said = explain(&world, "host", &receiver(pod, family, What::Tcp(80)), &[]);
        assert_eq!(said["verdict"], "delivered", "{said}");
        assert!(arrives(node, pod, family, What::Tcp(80)), "{said}");
    }
}

#[test]
fn audit_mode_is_told_and_lets_pass() {
    needs!();
    let world = world("[options]\npolicy_audit_mode = true\n");
    apply(&world);
    let (node, near) = (world.node(), world.near());
    for family in FAMILIES {
        let what = What::Tcp(8_082);
        let near_name = near.address(family).to_string();
        for (from, name, to) in [(near, near_name.as_str(), node), (node, "host", near)] {
            let said = explain(&world, name, &receiver(to, family, what), &[]);
            assert_ne!(said["verdict"], "dropped", "{said}");
            let judged = &said["steps"][0]["judgements"][0];
            assert_eq!(judged["audited"], true, "{said}");
            assert!(judged["excuse"].is_null(), "{said}");
            assert!(arrives(from, to, family, what), "{said}");
        }
    }
}

#[test]
fn a_session_that_stood_before_is_told_from_a_new_one() {
    needs!();
    let world = world("");
    let (node, near) = (world.node(), world.near());
    let mut standing: Vec<_> = FAMILIES
        .into_iter()
        .map(|family| Connection::open(near, node, family, (0, 2_222)))
        .collect();
    apply(&world);
    for (family, connection) in FAMILIES.into_iter().zip(&mut standing) {
        let name = near.address(family).to_string();
        let to = receiver(node, family, What::Tcp(2_222));
        let port = connection.client.local_addr().unwrap().port().to_string();
        let later = ["--established", "--source-port", &port];
        let said = explain(&world, &name, &to, &later);
        assert_eq!(said["verdict"], "stack", "{said}");
        told(&said, Why::Excuse("session"));
        // Nobody has such a socket.
        let other = ["--established", "--source-port", "1"];
        assert_eq!(explain(&world, &name, &to, &other)["verdict"], "dropped");
        assert_eq!(explain(&world, &name, &to, &[])["verdict"], "dropped");
        let unnamed = ["explain", "--from", &name, "--to", &to, "--established"];
        let unnamed = world.lab.weir(&unnamed);
        assert_eq!(unnamed.code, Some(4), "{unnamed:?}");
        assert!(unnamed.stderr.contains("--source-port"), "{unnamed:?}");
        assert!(connection.talks("I was here before"));
        let said = explain(&world, &name, &to, &["--established"]);
        assert_eq!(said["steps"][0]["connection"], "known", "{said}");
        assert_eq!(said["verdict"], "stack", "{said}");
    }
}

/// What packets change of the node.
fn state(world: &World) -> Vec<String> {
    let lists = [
        &["policy", "get", "node", "-o", "json"][..],
        &["bpf", "ct", "list", "-o", "json"],
        &["bpf", "metrics", "list", "-o", "json"],
        &["map", "list", "-o", "json"],
    ];
    let mut state: Vec<_> = lists
        .iter()
        .map(|list| world.lab.weir(list).expect_success())
        .collect();
    state.extend(world.lab.pins());
    state
}

#[test]
fn documents_are_tried_on_the_node_and_nothing_is_left() {
    needs!();
    let world = world("");
    let near = world.near();
    let file = world.lab.node().state().with_file_name("try.yaml");
    ep_builder::whole_file::write(&file, POLICY.as_bytes()).unwrap();
    let tried = ["--policy", file.to_str().unwrap()];
    let before = state(&world);
    for family in FAMILIES {
        let name = near.address(family).to_string();
        for (what, verdict, changes) in [
            (What::Tcp(8_080), "stack", false),
            (What::Tcp(8_082), "dropped", true),
            (What::Tcp(22), "stack", false),
        ] {
            let to = receiver(world.node(), family, what);
            let now = explain(&world, &name, &to, &[]);
            assert_eq!(now["verdict"], "stack", "{now}");
            assert_eq!(now["steps"][0]["connection"], "none", "{now}");
            let said = explain(&world, &name, &to, &tried);
            assert_eq!(said["verdict"], verdict, "{said}");
            assert_eq!(said["now"]["changes"], changes, "{said}");
        }
    }
    assert_eq!(state(&world), before);
}

#[test]
fn what_meets_no_program_is_said() {
    needs!();
    let world = world("");
    for (from, to, says) in [
        ("host", "192.0.2.1:80", "to itself"),
        ("host", "127.0.0.1:80", "to itself"),
        ("203.0.113.2", "198.51.100.2:80", "weir node status"),
    ] {
        let said = world.lab.weir(&["explain", "--from", from, "--to", to]);
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stderr.contains(says), "{said:?}");
    }
    // Another device, where no program of weir stands.
    weir_tests::pods::run("ip route add 203.0.113.99/32 dev lo");
    let aside = ["explain", "--from", "host", "--to", "203.0.113.99:80"];
    let aside = world.lab.weir(&aside);
    assert_eq!(aside.code, Some(1), "{aside:?}");
    assert!(
        aside.stderr.contains("no device with programs"),
        "{aside:?}"
    );
    // A link that came later: what comes by it is not judged, and so it is said, not what another device would do.
    world.another_way_back();
    apply(&world);
    let ends = [
        ["192.0.3.254", "2001:db8:3::fe"],
        ["192.0.3.1", "2001:db8:3::1"],
    ];
    let [router, node] = ends.map(parsed);
    let (router, node) = (world.router().called(router), world.node().called(node));
    for family in FAMILIES {
        let what = What::Tcp(8_082);
        let (from, to) = (router.address(family), receiver(node, family, what));
        let beside = ["explain", "--from", &from.to_string(), "--to", &to];
        let beside = world.lab.weir(&beside);
        assert_eq!(beside.code, Some(1), "{beside:?}");
        assert!(
            beside.stderr.contains("no device with programs"),
            "{beside:?}"
        );
        assert!(arrives(router, node, family, what));
        // Who only says that he has the address of the node comes from outside.
        let own = world.node();
        let liar = ["--source", &own.address(family).to_string()];
        let said = explain(&world, "world", &receiver(own, family, what), &liar);
        assert_eq!(said["drop"]["reason"], 132, "{said}");
    }
    // Without a route nobody knows by which device it comes, and a link-local address is one of each link.
    weir_tests::pods::run("ip route del default");
    for (from, to) in [
        ("198.51.100.2", "192.0.2.1:8082"),
        ("fe80::5", "[2001:db8:2::1]:8082"),
    ] {
        let said = explain(&world, from, to, &[]);
        assert_eq!(said["verdict"], "dropped", "{said}");
    }
}
