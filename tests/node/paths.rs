//! What routers say about the packets of pods: that the way is narrower, too long, or none.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use crate::ears::{Ears, TIME_EXCEEDED, UNREACHABLE};
use crate::plugin::{Plugin, Pod};
use weir_tests::noise::noise;

use crate::talk::{Connection, PATIENCE, until};
use crate::world::{NARROW, Place, World, parsed};
use crate::{FAMILIES, cases};

cases!(
    a_pod_learns_that_the_way_is_narrow,
    a_pod_learns_that_the_way_is_too_long,
    a_pod_learns_that_nobody_listens,
    a_pod_learns_that_there_is_no_way,
);

const UDP: u8 = 17;
/// In the network of the near host, and nobody's.
const NOBODY: [&str; 2] = ["198.51.100.99", "2001:db8:51::99"];

fn a_pod_learns_that_the_way_is_narrow(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (pod, far) = (pod.place(), world.far());
    let bytes = noise(4 << 20);
    for family in FAMILIES {
        let address = far.address(family);
        // Not allowed to be cut, it is refused, and the pod is told the size that fits.
        let said = pod.try_run(&format!("ping -n -c 2 -i 0.2 -W 2 -M do -s 1400 {address}"));
        assert_eq!(said.code, Some(1), "{said:?}");
        let route = pod.run(&format!("ip route get {address}"));
        assert!(route.contains(&format!("mtu {NARROW}")), "{route}");
        // Forgotten, so that TCP has to learn it by itself.
        pod.run("ip route flush cache");
        pod.run("ip -6 route flush cache");
        let connection = Connection::open(pod, far, family, (0, 0));
        assert!(connection.exchanges(&bytes), "{address}");
        let route = pod.run(&format!("ip route get {address}"));
        assert!(route.contains(&format!("mtu {NARROW}")), "{route}");
    }
}

fn a_pod_learns_that_the_way_is_too_long(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        let address = near.address(family);
        let route = pod.run(&format!("ip route get {address}"));
        let gateway = route
            .split("via ")
            .nth(1)
            .unwrap()
            .split(' ')
            .next()
            .unwrap();
        // The node is the first, the router the second.
        pod.run(&format!(
            "ip route add {address} via {gateway} dev eth0 hoplimit 2"
        ));
        let told = told_about(pod, (address, 33_434).into(), family, TIME_EXCEEDED[family]);
        assert_eq!(told, world.router().address(family));
    }
}

fn a_pod_learns_that_nobody_listens(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    let (pod, near) = (pod.place(), world.near());
    for family in FAMILIES {
        let closed = SocketAddr::new(near.address(family), 9);
        let told = told_about(pod, closed, family, UNREACHABLE[family]);
        assert_eq!(told, near.address(family));
        let refused = pod.connect(closed, PATIENCE).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "{refused}");
    }
}

fn a_pod_learns_that_there_is_no_way(plugin: Plugin) {
    let world = World::new();
    let pod = Pod::new(&world, plugin, "a");
    for (family, nobody) in FAMILIES.into_iter().zip(parsed(NOBODY)) {
        world
            .router()
            .run(&format!("ip route add unreachable {nobody}"));
        let place = (nobody, 9).into();
        let told = told_about(pod.place(), place, family, UNREACHABLE[family]);
        assert_eq!(told, world.router().address(family));
        let refused = pod.place().connect(place, PATIENCE).unwrap_err();
        let unreachable = [ErrorKind::HostUnreachable, ErrorKind::NetworkUnreachable];
        assert_eq!(refused.kind(), unreachable[family], "{refused}");
    }
}

/// Sends datagrams until the pod is told of an error about one of them, and returns who told it. The error names
/// the packet as the pod has sent it, and not as it went on.
#[track_caller]
fn told_about(pod: Place, to: SocketAddr, family: usize, kind: u8) -> IpAddr {
    let ears = Ears::new(pod, family);
    let client = pod.udp(family, 0);
    client.connect(to).unwrap();
    let mut told = None;
    until("the pod is told", || {
        // What was told of the one before is told again by the call.
        let _told = client.send(b"is there a way?").is_err();
        let errors = ears.errors(kind);
        told = told.or_else(|| errors.into_iter().find(|it| it.1.destination == to));
        told.is_some()
    });
    let (from, packet) = told.unwrap();
    assert_eq!(packet.source, client.local_addr().unwrap());
    assert_eq!(packet.protocol, UDP);
    from
}
