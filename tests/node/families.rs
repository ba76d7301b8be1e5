//! Nodes of one family alone: what they have works as on a node of both, and nothing waits for the other one.

use serde_json::{Value, json};
use weir_tests::pods::{MAPS, set_sysctl};

use crate::cases;
use crate::needs;
use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, seen, until};
use crate::world::World;

cases!(a_node_of_ipv4_alone, a_node_of_ipv6_alone);

const PORT: u16 = 8_080;
const INSIDE: u16 = 80;

fn a_node_of_ipv4_alone(plugin: Plugin) {
    check(&World::new(), plugin, 0);
}

fn a_node_of_ipv6_alone(plugin: Plugin) {
    check(&World::new(), plugin, 1);
}

#[test]
fn a_datapath_without_ipv6() {
    needs!();
    let lines = format!("{MAPS}[datapath]\nipv6 = false\n");
    check(&World::with(&lines), Plugin::Weir, 0);
}

#[test]
fn a_datapath_without_ipv4() {
    needs!();
    let lines = format!("{MAPS}[datapath]\nipv4 = false\n");
    check(&World::with(&lines), Plugin::Weir, 1);
}

/// Takes the other family from the node, makes two pods, and has them and the world talk.
fn check(world: &World, plugin: Plugin, family: usize) {
    take(world, 1 - family);
    let ports = json!([{"hostPort": PORT, "containerPort": INSIDE, "protocol": "tcp"}]);
    let configuration = of_one_family(plugin.configuration(world), family);
    let a = Pod::with(plugin, "a", configuration.clone(), &ports);
    let b = Pod::with(plugin, "b", configuration, &json!([]));
    let (node, near) = (world.node(), world.near());
    let own = node.address(family);
    assert_eq!(seen(a.place(), near, family).ip(), own);
    assert!(Connection::open(b.place(), world.far(), family, (0, 0)).talks("outside"));
    for (from, to) in [(a.place(), b.place()), (node, a.place()), (near, b.place())] {
        let mut connection = Connection::open(from, to, family, (0, 0));
        assert!(connection.talks("inside"), "{from:?} to {to:?}");
    }
    let listener = a.place().listener(family, INSIDE);
    until("the port of the node leads to the pod", || {
        let client = near.connect((own, PORT).into(), crate::talk::PATIENCE);
        client.is_ok() && listener.accept().unwrap().1.ip() == near.address(family)
    });
    if plugin == Plugin::Weir {
        let status = world.lab.weir(&["node", "status", "-o", "json"]);
        let status: Value = serde_json::from_str(&status.expect_success()).unwrap();
        let other = ["ipv4Masquerade", "ipv6Masquerade"][1 - family];
        let devices = status["devices"].as_array().unwrap().iter();
        assert!(devices.clone().all(|it| it[other].is_null()), "{status}");
        assert_eq!(status["notices"], json!([]), "{status}");
    }
    a.remove();
    b.remove();
}

/// As on a node that never had it: IPv6 can be switched off, and IPv4 cannot.
fn take(world: &World, family: usize) {
    world.node().inside(|| match family {
        0 => {
            for device in ["up0", "lo"] {
                weir_tests::pods::run(&format!("ip -4 addr flush dev {device}"));
            }
        }
        _ => {
            for devices in ["all", "default"] {
                set_sysctl(&format!("ipv6/conf/{devices}/disable_ipv6"), "1");
            }
        }
    });
}

fn of_one_family(mut configuration: Value, family: usize) -> Value {
    for key in ["ranges", "routes"] {
        if let Some(both) = configuration["ipam"].get_mut(key) {
            *both = json!([both[family]]);
        }
    }
    configuration
}
