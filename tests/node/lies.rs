//! Packets from outside that say they are somebody else's.

use std::net::{IpAddr, UdpSocket};

use ep_builder::maps::Direction;

use crate::plugin::{Plugin, Pod};
use crate::segments::{PSH_ACK, RST, Segment, Segments};
use crate::talk::{Connection, PATIENCE, SILENCE, hears, says, seen, until};
use crate::world::{BEFORE_FAR, Place, World, parsed};
use crate::{FAMILIES, needs};

const INVALID_SOURCE: u8 = 132;
const LIE: &[u8] = b"it is me";

/// Gives a host an address that is somebody else's. Without `nodad` one of IPv6 is there a moment later, on `lo` too.
fn takes(host: Place, address: IpAddr) {
    let rest = if address.is_ipv4() { "32" } else { "128 nodad" };
    host.run(&format!("ip addr replace {address}/{rest} dev lo"));
}

/// A socket of a host with an address that is somebody else's.
fn liar(host: Place, source: IpAddr, port: u16) -> UdpSocket {
    takes(host, source);
    host.udp_at(source, port)
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
            liar(near, source, 0).send_to(LIE, place).unwrap();
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
        let all = pod.udp_at(unspecified, 12_000);
        let wrong_port = liar(far, near.address(family), 54);
        wrong_port.send_to(b"from another port", who).unwrap();
        assert_eq!(hears(&all, b"from another port", SILENCE), None);
        let right_port = liar(far, near.address(family), 53);
        let next = (who.ip(), who.port() + 1);
        right_port.send_to(b"to another port", next).unwrap();
        assert_eq!(hears(&all, b"to another port", SILENCE), None);
        server.send_to(b"the peer", who).unwrap();
        assert_eq!(hears(&all, b"the peer", PATIENCE), server.local_addr().ok());
    }
}

/// Likewise of TCP: the far host knows all numbers of the connection, and may not be heard at any of the places
/// that are not the peer's, nor end the connection.
#[test]
fn nobody_sends_segments_in_a_connection_but_its_peer() {
    needs!();
    let world = World::new();
    let pod = Pod::new(&world, Plugin::Weir, "a");
    let (pod, near, far) = (pod.place(), world.near(), world.far());
    for family in FAMILIES {
        let mut connection = Connection::open(pod, near, family, (12_000, 80));
        let (own, peer) = (
            connection.client.local_addr().unwrap(),
            near.address(family),
        );
        let door = connection.seen;
        let ears = Segments::new(pod, family);
        assert!(connection.talks("hello"));
        let heard = ears.heard(own.ip());
        let last = heard.last().expect("the peer has answered");
        let next = last.numbers[0].wrapping_add(u32::try_from(last.text.len()).unwrap());
        let numbers = [next, last.numbers[1]];
        let beside = (door.ip(), door.port() + 1).into();
        for (from, to) in [
            ((peer, 81), door),
            ((far.address(family), 80), door),
            ((far.address(family), 12_000), door),
            ((peer, 80), beside),
        ] {
            for flags in [PSH_ACK, RST] {
                let lie = Segment {
                    from: from.into(),
                    to,
                    flags,
                    numbers,
                    text: LIE.to_vec(),
                };
                lies(far, &lie);
            }
        }
        // What comes from the peer's own place comes to the pod: this is how a lie would be heard.
        let true_one = Segment {
            from: (peer, 80).into(),
            to: door,
            flags: PSH_ACK,
            text: b"the peer".to_vec(),
            numbers: [next.wrapping_sub(1_000_000), last.numbers[1]],
        };
        Segments::new(near, family).send(&true_one);
        let mut heard = Vec::new();
        until("the pod hears its peer", || {
            heard.extend(ears.heard(own.ip()));
            heard.iter().any(|it| it.text == true_one.text)
        });
        let lies = heard
            .iter()
            .filter(|it| it.text == LIE || it.flags & RST != 0);
        assert_eq!(lies.count(), 0, "{heard:?}");
        assert!(connection.talks("undisturbed"));
    }
}

/// Sends as whoever the segment says.
fn lies(host: Place, segment: &Segment) {
    let (family, source) = (usize::from(segment.to.is_ipv6()), segment.from.ip());
    let node = segment.to.ip();
    if source != host.address(family) {
        takes(host, source);
    }
    let router = parsed(BEFORE_FAR)[family];
    host.run(&format!(
        "ip route replace {node} via {router} src {source}"
    ));
    Segments::new(host, family).send(segment);
    host.run(&format!("ip route del {node}"));
}
