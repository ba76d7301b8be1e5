//! Which port of the node a connection gets, where its own belongs to somebody else.

use std::net::{IpAddr, UdpSocket};

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_scenario::{Row, Step, Want, at_pod, check, come, on_link, out, row, summed};

const NO_MAPPING: u8 = 167;
const FIRST_PORT: u16 = 1024;

type End = (IpAddr, u16);
type Kind = fn(End, End) -> Packet;

/// SCTP with a checksum.
fn sctp_summed(from: End, to: End) -> Packet {
    let mut packet = sctp(from, to);
    packet.payload[8] = 1;
    packet
        .payload
        .extend(b"a chunk, and no round number of octets.");
    packet
}

fn udp_summed(from: End, to: End) -> Packet {
    let mut packet = udp(from, to);
    packet.payload[6] = 1;
    packet
}

const KINDS: [Kind; 4] = [|from, to| tcp(from, to, SYN), udp, udp_summed, sctp_summed];

/// Sends a packet and returns the port that the node has given to it; all else of it must be as it should.
fn chosen(host: &Host, kind: Kind, from: End, net: Net, peer: End) -> u16 {
    let output = host.send(&on_link(&kind(from, peer), true), 0);
    let place = if net.is_ipv6 { 54 } else { 34 };
    let port = u16::from_be_bytes([output.packet[place], output.packet[place + 1]]);
    assert_eq!(output.verdict, 0);
    assert_eq!(output.packet, on_link(&kind((net.node, port), peer), true));
    port
}

/// The pod gets the answer to its port.
fn answered(host: &Host, kind: Kind, net: Net, peer: End, port: u16, pod: (End, [u8; 6], [u8; 6])) {
    let output = host.receive(&on_link(&kind(peer, (net.node, port)), false));
    assert_eq!(output.verdict, 7);
    assert_eq!(output.packet, at_pod(&kind(peer, pod.0), (pod.1, pod.2)));
}

fn with_host(test: impl Fn(&mut Host, Net)) {
    let mut host = Host::new();
    for net in Net::BOTH.map(Net::of) {
        host.reset();
        test(&mut host, net);
    }
}

#[test]
fn a_port_that_another_pod_has_is_left_to_it() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        let (pod, other, peer) = ((net.pod, 1000), (net.other, 1000), (net.world, 80));
        for kind in KINDS {
            host.reset();
            assert_eq!(chosen(host, kind, pod, net, peer), 1000);
            let port = chosen(host, kind, other, net, peer);
            assert!(port >= FIRST_PORT, "{port}");
            answered(host, kind, net, peer, 1000, (pod, POD_MAC, HOST_MAC));
            answered(
                host,
                kind,
                net,
                peer,
                port,
                (other, OTHER_MAC, OTHER_HOST_MAC),
            );
            assert_eq!(chosen(host, kind, other, net, peer), port);
            // To somebody else both may have it.
            assert_eq!(chosen(host, kind, other, net, (net.world, 81)), 1000);
        }
    });
}

#[test]
fn a_port_of_a_socket_of_the_node_is_left_to_it() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let socket = UdpSocket::bind((net.node, 1000)).unwrap();
        let port = chosen(host, udp, pod, net, peer);
        assert!(port >= FIRST_PORT, "{port}");
        assert_eq!(
            chosen(host, |from, to| tcp(from, to, SYN), pod, net, peer),
            1000
        );
        drop(socket);
        assert_eq!(chosen(host, udp, pod, net, (net.world, 81)), 1000);
    });
}

#[test]
fn a_connection_of_the_node_gives_way_to_a_pod_s() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        for kind in KINDS {
            host.reset();
            assert_eq!(chosen(host, kind, pod, net, peer), 1000);
            let port = chosen(host, kind, (net.node, 1000), net, peer);
            assert_ne!(port, 1000);
            let output = host.receive(&on_link(&kind(peer, (net.node, port)), false));
            assert_eq!(output.verdict, 0);
            let expected = on_link(&kind(peer, (net.node, 1000)), false);
            assert_eq!(output.packet, expected);
            answered(host, kind, net, peer, 1000, (pod, POD_MAC, HOST_MAC));
        }
    });
}

#[test]
fn an_echo_with_no_identifier_gets_one() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        let ask = |from, id| on_link(&echo(from, net.world, id, true), true);
        let output = host.send(&ask(net.pod, 0), 0);
        let place = if net.is_ipv6 { 58 } else { 38 };
        let id = u16::from_be_bytes([output.packet[place], output.packet[place + 1]]);
        assert!(id >= FIRST_PORT, "{id}");
        assert_eq!(output.packet, ask(net.node, id));
        let reply = on_link(&echo(net.world, net.node, id, false), false);
        let output = host.receive(&reply);
        let expected = at_pod(&echo(net.world, net.pod, 0, false), (POD_MAC, HOST_MAC));
        assert_eq!((output.verdict, output.packet), (7, expected));
    });
}

#[test]
fn where_every_port_is_taken_a_packet_is_dropped_and_counted() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        host.occupy(net, UDP, (net.world, 80));
        let frame = on_link(&udp((net.pod, 1000), (net.world, 80)), true);
        assert_eq!(host.send(&frame, 0).verdict, 2);
        let drops = host.bench.counters();
        assert!(drops.contains(&(NO_MAPPING, 2, 1)), "{drops:?}");
        assert_eq!(
            chosen(host, udp, (net.pod, 1000), net, (net.world, 81)),
            1000
        );
    });
}

/// Numbers that are the same in every run.
fn numbers() -> impl Iterator<Item = u16> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        u16::try_from(state >> 48).ok()
    })
}

#[test]
fn what_goes_out_comes_back_as_it_was() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    with_host(|host, net| {
        let mut numbers = numbers();
        let mut number = || numbers.next().unwrap();
        for turn in 0..200 {
            let kind = KINDS[usize::from(number()) % KINDS.len()];
            let (pod, macs) = match turn % 2 {
                0 => (net.pod, (POD_MAC, HOST_MAC)),
                _ => (net.other, (OTHER_MAC, OTHER_HOST_MAC)),
            };
            let (own, peer) = ((pod, number() % 64 + 1), (net.world, number() % 4 + 1));
            let port = chosen(host, kind, own, net, peer);
            answered(host, kind, net, peer, port, (own, macs.0, macs.1));
        }
        let halves = host.halves();
        let ends: std::collections::BTreeSet<_> = halves
            .iter()
            .map(|half| (half.is_in, half.protocol, half.node, half.peer))
            .collect();
        assert_eq!(
            ends.len(),
            halves.len(),
            "two connections under one end of the node"
        );
    });
}

#[test]
fn a_host_port_leads_to_its_pod() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    check(|net| {
        let any = if net.is_ipv6 { "::" } else { "0.0.0.0" };
        let any: IpAddr = any.parse().unwrap();
        let (peer, at, pod) = ((net.world, 1000), (net.node, 8080), (net.pod, 80));
        let row_of = |(kind, protocol): (Kind, u8)| -> Row {
            row(
                net,
                "host port",
                [
                    Step::HostPort((any, 8080).into(), protocol, pod.into()),
                    come(&kind(peer, at), Want::Pod(kind(peer, pod))),
                    Step::Halves(2),
                    out(&kind(pod, peer), Want::Becomes(kind(at, peer))),
                    come(&kind(peer, (net.node, 8081)), Want::Same),
                    come(
                        &kind(peer, (net.other, 8080)),
                        Want::Other(kind(peer, (net.other, 8080))),
                    ),
                ],
            )
        };
        KINDS
            .into_iter()
            .zip([TCP, UDP, UDP, SCTP])
            .map(row_of)
            .collect()
    });
}

#[test]
fn the_sum_of_sctp_is_the_one_that_is_computed_elsewhere() {
    // RFC 3720, B.4, has these sums of the same polynomial.
    for (octets, expected) in [([0; 32], 0x8a91_36aa_u32), ([0xff; 32], 0x62a8_ab43)] {
        assert_eq!(
            super::host_scenario::crc32c(&octets, 32..32),
            expected.to_le_bytes()
        );
    }
    let packet = summed(&sctp_summed(
        ("10.0.0.1".parse().unwrap(), 1),
        ("10.0.0.2".parse().unwrap(), 2),
    ));
    assert_ne!(packet.payload[8..12], [1, 0, 0, 0]);
}
