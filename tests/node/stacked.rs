//! Devices that stand on others, as VLANs and bonds do: the one that has the address leads outside.

use serde_json::{Value, json};
use weir_tests::noise::noise;

use crate::plugin::{Plugin, Pod};
use crate::talk::{Connection, PATIENCE, seen};
use crate::world::World;
use crate::{FAMILIES, cases};

cases!(the_world_behind_a_bridge, the_world_behind_a_macvlan);

const LENGTHS: [u8; 2] = [24, 64];

/// All that comes by the device below is the bridge's.
fn the_world_behind_a_bridge(plugin: Plugin) {
    let made = [
        "ip link add above type bridge",
        "ip link set up0 master above",
    ];
    check(plugin, &made);
}

/// The device below goes on for itself, as that below a VLAN does.
fn the_world_behind_a_macvlan(plugin: Plugin) {
    check(
        plugin,
        &["ip link add link up0 name above type macvlan mode bridge"],
    );
}

fn check(plugin: Plugin, made: &[&str]) {
    let world = World::new();
    stack(&world, made);
    let ports = json!([{"hostPort": 8_080, "containerPort": 80, "protocol": "tcp"}]);
    let a = Pod::with(plugin, "a", plugin.configuration(&world), &ports);
    let (pod, near) = (a.place(), world.near());
    let bytes = noise(1 << 20);
    for family in FAMILIES {
        let node = world.node().address(family);
        assert_eq!(seen(pod, near, family).ip(), node);
        for host in [near, world.far()] {
            let out = Connection::open(pod, host, family, (0, 0));
            assert_eq!(out.seen.ip(), node);
            assert!(out.exchanges(&bytes), "{}", host.address(family));
            let back = Connection::open(host, pod, family, (0, 0));
            assert_eq!(back.seen.ip(), host.address(family));
            assert!(back.exchanges(&bytes), "{}", host.address(family));
        }
        let listener = pod.listener(family, 80);
        let client = near.connect((node, 8_080).into(), PATIENCE).unwrap();
        assert_eq!(listener.accept().unwrap().1, client.local_addr().unwrap());
    }
    if plugin == Plugin::Weir {
        assert_eq!(natives(&world), ["above"]);
    }
}

/// Gives what the node's device has to one above it.
fn stack(world: &World, made: &[&str]) {
    let node = world.node();
    for line in made {
        node.run(line);
    }
    for (family, length) in FAMILIES.into_iter().zip(LENGTHS) {
        let address = node.address(family);
        node.run(&format!("ip addr del {address}/{length} dev up0"));
        node.run(&format!("ip addr add {address}/{length} dev above"));
    }
    node.run("ip link set above up");
    for family in FAMILIES {
        let router = world.router().address(family);
        node.run(&format!("ip route replace default via {router} dev above"));
        // It knows the address by another device.
        let address = node.address(family);
        let _unknown = world
            .router()
            .try_run(&format!("ip neigh del {address} dev node"));
    }
}

/// The names of the devices that lead outside.
fn natives(world: &World) -> Vec<String> {
    let status = world.lab.weir(&["node", "status", "-o", "json"]);
    let status: Value = serde_json::from_str(&status.expect_success()).unwrap();
    let devices = status["devices"].as_array().unwrap().iter();
    let natives = devices.filter(|it| it["kind"] == "native");
    let names = natives.map(|it| it["name"].as_str().unwrap().to_owned());
    names.collect()
}
