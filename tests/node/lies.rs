//! Packets from outside that say they are somebody else's.

use std::net::{IpAddr, UdpSocket};

use ep_builder::maps::Direction;

use crate::plugin::{Plugin, Pod};
use crate::talk::{PATIENCE, SILENCE, hears, says, seen};
use crate::world::{Place, World};
use crate::{FAMILIES, needs};

const INVALID_SOURCE: u8 = 132;
const LENGTHS: [u8; 2] = [32, 128];
const LIE: &[u8] = b"it is me";

/// A socket of a host with an address that is somebody else's.
fn liar(host: Place, source: IpAddr, family: usize, port: u16) -> UdpSocket {
    let length = LENGTHS[family];
    host.run(&format!("ip addr replace {source}/{length} dev lo"));
    host.inside(|| UdpSocket::bind((source, port)).unwrap())
}

#[test]
fn nobody_outside_is_a_pod_or_the_node() {
    needs!();
    let world = World::new();
    let [a, b] = ["a", "b"].map(|id| Pod::new(&world, Plugin::Weir, id));
    let (a, b, near) = (a.place(), b.place(), world.near());
    for family in FAMILIES {
        seen(near, a, family);
        let server = a.udp(family, 0);
        let place = server.local_addr().unwrap();
        for source in [b.address(family), world.node().address(family)] {
            let before = world.lab.counted(INVALID_SOURCE, Direction::Ingress);
            liar(near, source, family, 0).send_to(LIE, place).unwrap();
            assert_eq!(hears(&server, LIE, SILENCE), None, "{source}");
            let counted = world.lab.counted(INVALID_SOURCE, Direction::Ingress) - before;
            assert_eq!(counted, 1, "{source}");
        }
    }
}

/// The far host sends as the near one, to all but the one place where the near one's answers are waited for.
#[test]
fn nobody_speaks_in_a_flow_but_its_peer() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near, far) = (pod.place(), world.near(), world.far());
    for family in FAMILIES {
        let (client, server) = (pod.udp(family, 12_000), near.udp(family, 53));
        client.connect(server.local_addr().unwrap()).unwrap();
        let who = (0..3).find_map(|_| says(&client, &server, b"hello", PATIENCE / 3));
        let who = who.unwrap();
        drop(client);
        let unspecified: IpAddr = [[0; 4].into(), [0_u8; 16].into()][family];
        let all = pod.inside(|| UdpSocket::bind((unspecified, 12_000)).unwrap());
        let wrong_port = liar(far, near.address(family), family, 54);
        wrong_port.send_to(b"from another port", who).unwrap();
        assert_eq!(hears(&all, b"from another port", SILENCE), None);
        let right_port = liar(far, near.address(family), family, 53);
        let next = (who.ip(), who.port() + 1);
        right_port.send_to(b"to another port", next).unwrap();
        assert_eq!(hears(&all, b"to another port", SILENCE), None);
        server.send_to(b"the peer", who).unwrap();
        assert_eq!(hears(&all, b"the peer", PATIENCE), server.local_addr().ok());
    }
}
