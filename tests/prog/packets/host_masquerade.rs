//! Masquerade: what pods send to outside leaves under the node's address, and answers find the pod.

use std::net::IpAddr;

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_bench::ANSWER;
use super::host_scenario::{Row, Step, Want, check, come, out, row};

const NO_MAPPING: u8 = 167;
const UNSUPPORTED: u8 = 168;
const SPOOFED: u8 = 132;

type End = (IpAddr, u16);

/// UDP with a checksum.
fn udp_summed(from: End, to: End) -> Packet {
    let mut packet = udp(from, to);
    packet.payload[6] = 1;
    packet
}

/// SCTP with a checksum.
fn sctp_summed(from: End, to: End) -> Packet {
    let mut packet = sctp(from, to);
    packet.payload[8] = 1;
    packet.payload.extend(b"some data of a chunk");
    packet
}

/// A packet of a kind of connection.
type Kind = (&'static str, fn(End, End) -> Packet);

const KINDS: [Kind; 4] = [
    ("TCP", |from, to| tcp(from, to, SYN)),
    ("UDP", udp_summed),
    ("UDP without a checksum", udp),
    ("SCTP", sctp_summed),
];

fn run(rows: impl Fn(Net) -> Vec<Row>) {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    check(rows);
}

#[test]
fn a_connection_leaves_and_its_answers_come_back() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let both = |(name, kind): Kind| {
            row(
                net,
                name,
                [
                    out(&kind(pod, peer), Want::Becomes(kind(node, peer))),
                    Step::Halves(2),
                    come(&kind(peer, node), Want::Pod(kind(peer, pod))),
                    out(&kind(pod, peer), Want::Becomes(kind(node, peer))),
                    Step::Halves(2),
                ],
            )
        };
        KINDS.into_iter().map(both).collect()
    });
}

#[test]
fn an_echo_leaves_and_its_reply_comes_back() {
    run(|net| {
        vec![row(
            net,
            "echo",
            [
                out(
                    &echo(net.pod, net.world, 7, true),
                    Want::Becomes(echo(net.node, net.world, 7, true)),
                ),
                come(
                    &echo(net.world, net.node, 7, false),
                    Want::Pod(echo(net.world, net.pod, 7, false)),
                ),
                come(&echo(net.world, net.node, 8, false), Want::Same),
                come(&echo(net.world, net.node, 7, true), Want::Same),
                come(&echo(net.world, net.node, 0, true), Want::Same),
                out(&echo(net.pod, net.world, 9, false), Want::Drop(NO_MAPPING)),
            ],
        )]
    });
}

#[test]
fn what_needs_no_translation_is_not_touched() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let bits = if net.is_ipv6 { 128 } else { 32 };
        let same = |name: &str, before: Vec<Step>, packet: Packet, mark| {
            let after = [Step::Out(packet, mark, Want::Same), Step::Halves(0)];
            row(net, name, before.into_iter().chain(after))
        };
        let syn = |from, to| tcp(from, to, SYN);
        vec![
            same("of the node", vec![], syn(node, peer), 0),
            same(
                "forwarded for others",
                vec![],
                syn((net.world, 5), (net.node, 6)),
                0,
            ),
            same(
                "of a pod without it",
                vec![Step::Masquerade(net.pod, false)],
                syn(pod, peer),
                0,
            ),
            same(
                "to a native network",
                vec![Step::Native(net.world, bits)],
                syn(pod, peer),
                0,
            ),
            same("to a pod", vec![], syn(pod, (net.other, 80)), 0),
            same("to the node", vec![], syn(pod, (net.node, 80)), 0),
            same(
                "an answer to outside",
                vec![],
                tcp(pod, peer, SYN | ACK),
                ANSWER,
            ),
        ]
    });
}

#[test]
fn only_the_peer_that_was_asked_can_answer() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let rows = KINDS.into_iter().map(|(name, kind)| {
            let wrong = [
                ((net.world, 81), node),
                ((far(net), 80), node),
                (peer, (net.node, 1001)),
            ];
            let opens = [out(&kind(pod, peer), Want::Becomes(kind(node, peer)))];
            let wrong = wrong.map(|(from, to)| come(&kind(from, to), Want::Same));
            row(net, name, opens.into_iter().chain(wrong))
        });
        rows.collect()
    });
}

/// Somebody else outside.
fn far(net: Net) -> IpAddr {
    crate::bench::Bench::address(net.is_ipv6, 98)
}

/// Over IPv6 it says so in a message that the node must hear.
fn neighbor(net: Net) -> Vec<Step> {
    let telling = icmp(net.node, net.node, 136, 0, &[0; 20]);
    let message = |ttl, want| come(&telling.clone().ttl(ttl), want);
    if net.is_ipv6 {
        vec![message(255, Want::Same), message(254, Want::Drop(SPOOFED))]
    } else {
        Vec::new()
    }
}

#[test]
fn nobody_outside_is_a_pod_or_the_node() {
    run(|net| {
        let to = (net.pod, 80);
        let spoofed = |from: IpAddr| come(&tcp((from, 1000), to, SYN), Want::Drop(SPOOFED));
        let to_node = |from: IpAddr| {
            let packet = tcp((from, 1000), (net.node, 80), SYN);
            come(&packet, Want::Drop(SPOOFED))
        };
        vec![
            row(
                net,
                "a pod",
                [spoofed(net.other), spoofed(net.pod), to_node(net.pod)],
            ),
            row(net, "the node", [spoofed(net.node), to_node(net.node)]),
            row(net, "a neighbour with the node's address", neighbor(net)),
            row(
                net,
                "an honest one",
                [come(
                    &tcp((net.world, 1000), to, SYN),
                    Want::Pod(tcp((net.world, 1000), to, SYN)),
                )],
            ),
        ]
    });
}

#[test]
fn an_expired_connection_is_none() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let other = (net.other, 1000);
        let (question, sent) = (udp(pod, peer), udp(node, peer));
        vec![
            row(
                net,
                "answers pass to the node",
                [
                    out(&question, Want::Becomes(sent.clone())),
                    Step::Expired,
                    come(&udp(peer, node), Want::Same),
                    out(&question, Want::Becomes(sent.clone())),
                    come(&udp(peer, node), Want::Pod(udp(peer, pod))),
                ],
            ),
            row(
                net,
                "its port is free",
                [
                    out(&question, Want::Becomes(sent.clone())),
                    Step::Expired,
                    out(&udp(other, peer), Want::Becomes(sent.clone())),
                    come(&udp(peer, node), Want::Other(udp(peer, other))),
                ],
            ),
            row(
                net,
                "a pod that is gone",
                [
                    out(&question, Want::Becomes(sent)),
                    Step::Gone(net.pod),
                    come(&udp(peer, node), Want::Same),
                ],
            ),
        ]
    });
}

#[test]
fn a_lost_half_is_made_again() {
    run(|net| {
        let (pod, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let leaves = out(&tcp(pod, peer, SYN), Want::Becomes(tcp(node, peer, SYN)));
        let acks = out(&tcp(pod, peer, ACK), Want::Becomes(tcp(node, peer, ACK)));
        let answers = come(
            &tcp(peer, node, SYN | ACK),
            Want::Pod(tcp(peer, pod, SYN | ACK)),
        );
        vec![
            row(
                net,
                "that of answers, by what the pod sends",
                [
                    leaves.clone(),
                    Step::Evicted(true),
                    acks.clone(),
                    Step::Halves(2),
                    answers.clone(),
                ],
            ),
            row(
                net,
                "that of the pod, by answers",
                [
                    leaves.clone(),
                    Step::Evicted(false),
                    answers.clone(),
                    Step::Halves(2),
                    acks,
                ],
            ),
            row(
                net,
                "that of the pod, by what it sends",
                [
                    leaves.clone(),
                    Step::Evicted(false),
                    leaves,
                    Step::Halves(2),
                    answers,
                ],
            ),
        ]
    });
}

#[test]
fn what_cannot_be_translated_is_dropped() {
    run(|net| {
        let of = |protocol| Packet::new(net.pod, net.world, protocol, vec![0; 16]);
        let gre = |from, to| Packet::new(from, to, 47, vec![0; 16]);
        vec![
            row(net, "UDP-Lite", [out(&of(136), Want::Drop(UNSUPPORTED))]),
            row(net, "DCCP", [out(&of(33), Want::Drop(UNSUPPORTED))]),
            row(
                net,
                "GRE has no ports",
                [
                    out(
                        &gre(net.pod, net.world),
                        Want::Becomes(gre(net.node, net.world)),
                    ),
                    come(
                        &gre(net.world, net.node),
                        Want::Pod(gre(net.world, net.pod)),
                    ),
                    out(&gre(net.other, net.world), Want::Drop(NO_MAPPING)),
                ],
            ),
        ]
    });
}
