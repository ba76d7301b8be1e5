//! ICMP errors about translated packets, and their fragments.

use std::net::IpAddr;

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_scenario::{Row, Step, Want, check, come, out, row, summed};

const LOST: u8 = 175;

type End = (IpAddr, u16);

fn run(rows: impl Fn(Net) -> Vec<Row>) {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    check(rows);
}

/// An error of this type and code, with so much of the packet as routers must quote at least.
fn error(from: IpAddr, to: IpAddr, (kind, code): (u8, u8), about: &Packet) -> Packet {
    let quoted = &summed(about).bytes()[14..];
    let header = if from.is_ipv4() { 20 } else { 40 };
    let rest = [&[0, 0, 5, 0][..], &quoted[..header + 8]].concat();
    icmp(from, to, kind, code, &rest)
}

/// Too large, too many hops, nobody there.
fn errors(net: Net) -> [(u8, u8); 3] {
    if net.is_ipv6 {
        [(2, 0), (3, 0), (1, 4)]
    } else {
        [(3, 4), (11, 0), (3, 3)]
    }
}

/// A packet of each kind of connection that has ports.
fn kinds(from: End, to: End) -> [Packet; 3] {
    let mut with_sum = udp(from, to);
    with_sum.payload[6] = 1;
    [tcp(from, to, SYN), udp(from, to), with_sum]
}

fn router(net: Net) -> IpAddr {
    crate::bench::Bench::address(net.is_ipv6, 50)
}

#[test]
fn an_error_about_what_a_pod_sent_finds_the_pod() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let router = router(net);
        let pairs = kinds(pod, peer).into_iter().zip(kinds(node, peer));
        let of_ports = pairs.map(|(inside, outside)| {
            let found = errors(net).map(|kind| {
                come(
                    &error(router, net.node, kind, &outside),
                    Want::Pod(error(router, net.pod, kind, &inside)),
                )
            });
            let sent = out(&inside, Want::Becomes(outside.clone()));
            row(net, "ports", [sent].into_iter().chain(found))
        });
        let (inside, outside) = (
            echo(net.pod, net.world, 7, true),
            echo(net.node, net.world, 7, true),
        );
        let of_echo = row(
            net,
            "echo",
            [
                out(&inside, Want::Becomes(outside.clone())),
                come(
                    &error(router, net.node, errors(net)[1], &outside),
                    Want::Pod(error(router, net.pod, errors(net)[1], &inside)),
                ),
            ],
        );
        of_ports.chain([of_echo]).collect()
    });
}

#[test]
fn an_error_about_nothing_of_a_pod_is_the_node_s() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let router = router(net);
        let about = |from, to| {
            let packet = error(router, net.node, errors(net)[2], &tcp(from, to, SYN));
            come(&packet, Want::Same)
        };
        vec![row(
            net,
            "others",
            [
                out(&tcp(pod, peer, SYN), Want::Becomes(tcp(node, peer, SYN))),
                about((net.node, 1001), peer),
                about(node, (net.world, 81)),
                about(pod, peer),
                Step::Gone(net.pod),
            ],
        )]
    });
}

#[test]
fn an_error_about_what_came_to_a_pod_leaves_as_about_what_came_to_the_node() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let pairs = kinds(peer, pod).into_iter().zip(kinds(peer, node));
        let sent = out(&udp(pod, peer), Want::Becomes(udp(node, peer)));
        let opened = out(&tcp(pod, peer, SYN), Want::Becomes(tcp(node, peer, SYN)));
        let rows = pairs.map(|(inside, outside)| {
            let by = |from, packet: &Packet| error(from, net.world, errors(net)[2], packet);
            row(
                net,
                "errors of the pod and the node",
                [
                    sent.clone(),
                    opened.clone(),
                    out(&by(net.pod, &inside), Want::Becomes(by(net.node, &outside))),
                    out(
                        &by(net.node, &inside),
                        Want::Becomes(by(net.node, &outside)),
                    ),
                    out(&by(net.node, &outside), Want::Same),
                ],
            )
        });
        rows.collect()
    });
}

/// A datagram in two fragments; the checksum of the whole is in the first one.
fn fragments(from: End, to: End) -> [Packet; 2] {
    let mut whole = udp(from, to);
    whole.payload[6] = 1;
    whole.payload.extend(b"more of it, so it is cut");
    let whole = summed(&whole);
    let mut first = whole.clone();
    let rest = first.payload.split_off(16);
    let second = Packet::new(from.0, to.0, UDP, rest);
    [first.fragment(99, 0, true), second.fragment(99, 2, false)]
}

#[test]
fn later_fragments_follow_the_first_one() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let [first, second] = fragments(pod, peer);
        let [sent_first, sent_second] = fragments(node, peer);
        let [answer_first, answer_second] = fragments(peer, node);
        let [pods_first, pods_second] = fragments(peer, pod);
        let [own_first, own_second] = fragments((net.node, 5), peer);
        vec![
            row(
                net,
                "there and back",
                [
                    out(&first, Want::Becomes(sent_first)),
                    out(&second, Want::Becomes(sent_second)),
                    come(&answer_first, Want::Pod(pods_first)),
                    come(&answer_second, Want::Pod(pods_second)),
                ],
            ),
            row(
                net,
                "without the first one",
                [
                    out(&second, Want::Drop(LOST)),
                    come(&answer_second, Want::Same),
                    out(&own_second, Want::Same),
                    out(&own_first, Want::Same),
                ],
            ),
        ]
    });
}
