//! Ports of the node that lead to pods: who opens a connection there gets a pair, and the pair is all that counts from
//! then on.

use std::net::{IpAddr, SocketAddr};

use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_scenario::{Row, Step, Want, check, come, out, row, summed};

const SPOOFED: u8 = 132;
const NO_MAPPING: u8 = 167;

type End = (IpAddr, u16);
/// Makes a packet from one end to another.
type Kind = fn(End, End) -> Packet;

fn with_sum(mut packet: Packet, place: usize) -> Packet {
    packet.payload[place] = 1;
    packet.payload.extend(b"some data behind it");
    packet
}

/// A packet that opens a connection, by the protocol.
const KINDS: [(u8, Kind); 4] = [
    (TCP, |from, to| tcp(from, to, SYN)),
    (UDP, |from, to| with_sum(udp(from, to), 6)),
    (UDP, udp),
    (SCTP, |from, to| with_sum(sctp(from, to), 8)),
];

fn run(rows: impl Fn(Net) -> Vec<Row>) {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    check(rows);
}

/// A port at every address of the node.
fn every(net: Net, protocol: u8, port: u16, pod: End) -> Step {
    let any: IpAddr = if net.is_ipv6 {
        [0; 16].into()
    } else {
        [0; 4].into()
    };
    at((any, port), protocol, pod)
}

fn at(host: End, protocol: u8, pod: End) -> Step {
    Step::HostPort(SocketAddr::from(host), protocol, SocketAddr::from(pod))
}

/// The ends of the cases: the pod's own, the node's for it, the asker's.
fn ends(net: Net) -> [End; 3] {
    [(net.pod, 80), (net.node, 8080), (net.world, 40_000)]
}

#[test]
fn whoever_asks_is_answered_from_where_it_asked() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let both = |(protocol, kind): (u8, Kind)| {
            let steps = [
                every(net, protocol, 8080, pod),
                come(&kind(peer, door), Want::Pod(kind(peer, pod))),
                Step::Halves(2),
                out(&kind(pod, peer), Want::Becomes(kind(door, peer))),
                come(&kind(peer, door), Want::Pod(kind(peer, pod))),
                Step::Halves(2),
            ];
            row(net, &format!("protocol {protocol}"), steps)
        };
        KINDS.into_iter().map(both).collect()
    });
}

#[test]
fn what_is_for_no_host_port_is_the_nodes_own() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let untouched = |what: &str, packet: Packet| {
            let steps = [
                every(net, TCP, 8080, pod),
                at((net.world, 9090), UDP, pod),
                come(&packet, Want::Same),
                Step::Halves(0),
            ];
            row(net, what, steps)
        };
        vec![
            untouched("another port", tcp(peer, (net.node, 80), SYN)),
            untouched("another protocol", udp(peer, door)),
            untouched("forwarded for others", tcp(peer, (net.world, 8080), SYN)),
            untouched("named, and not the node's", udp(peer, (net.world, 9090))),
            untouched("an answer to the node", tcp(peer, door, SYN | ACK)),
            untouched("in the middle of a connection", tcp(peer, door, ACK)),
            untouched("a reset", tcp(peer, door, RST)),
        ]
    });
}

#[test]
fn the_port_that_names_the_address_goes_first() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let other = (net.other, 81);
        let syn = |from, to| tcp(from, to, SYN);
        let asked = |want: End| come(&syn(peer, door), Want::Pod(syn(peer, want)));
        let elsewhere = (net.world, 8080);
        vec![
            row(
                net,
                "both",
                [every(net, TCP, 8080, other), at(door, TCP, pod), asked(pod)],
            ),
            row(
                net,
                "another one's name",
                [
                    every(net, TCP, 8080, pod),
                    at(elsewhere, TCP, other),
                    asked(pod),
                ],
            ),
            row(net, "no other", [at(door, TCP, pod), asked(pod)]),
        ]
    });
}

/// The port may lead elsewhere meanwhile.
#[test]
fn a_flow_keeps_its_pod() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let (other, second) = ((net.other, 80), (net.world, 40_001));
        let ack = |from, to| tcp(from, to, ACK);
        let syn = |from, to| tcp(from, to, SYN);
        let opened = [
            every(net, TCP, 8080, pod),
            come(&syn(peer, door), Want::Pod(syn(peer, pod))),
            every(net, TCP, 8080, other),
        ];
        let then =
            |what: &str, after: Vec<Step>| row(net, what, opened.clone().into_iter().chain(after));
        vec![
            then(
                "as long as it lasts",
                vec![
                    come(&ack(peer, door), Want::Pod(ack(peer, pod))),
                    come(&syn(second, door), Want::Other(syn(second, other))),
                    out(&ack(pod, peer), Want::Becomes(ack(door, peer))),
                    out(&ack(other, second), Want::Becomes(ack(door, second))),
                ],
            ),
            then(
                "and no longer",
                vec![
                    Step::Expired,
                    come(&ack(peer, door), Want::Same),
                    come(&syn(peer, door), Want::Other(syn(peer, other))),
                ],
            ),
            then(
                "nor than the pod",
                vec![Step::Gone(net.pod), come(&ack(peer, door), Want::Same)],
            ),
            then(
                "with either half",
                vec![
                    Step::Evicted(false),
                    out(
                        &ack(pod, second),
                        Want::Becomes(ack((net.node, 80), second)),
                    ),
                ],
            ),
        ]
    });
}

/// The pod could not tell one of two such flows from the other.
#[test]
fn two_ports_are_not_mixed_up() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let (second, syn) = ((net.node, 9090), |from, to| tcp(from, to, SYN));
        vec![row(
            net,
            "from one port of the asker to one port of the pod",
            [
                every(net, TCP, 8080, pod),
                every(net, TCP, 9090, pod),
                come(&syn(peer, door), Want::Pod(syn(peer, pod))),
                come(&syn(peer, second), Want::Drop(NO_MAPPING)),
                out(&syn(pod, peer), Want::Becomes(syn(door, peer))),
                Step::Expired,
                come(&syn(peer, second), Want::Pod(syn(peer, pod))),
                out(&syn(pod, peer), Want::Becomes(syn(second, peer))),
            ],
        )]
    });
}

#[test]
fn nobody_asks_under_an_address_of_ours() {
    run(|net| {
        let [pod, door, _] = ends(net);
        let lie = |what: &str, address: IpAddr| {
            let steps = KINDS.into_iter().flat_map(move |(protocol, kind)| {
                [
                    every(net, protocol, 8080, pod),
                    come(&kind((address, 40_000), door), Want::Drop(SPOOFED)),
                    Step::Halves(0),
                ]
            });
            row(net, what, steps)
        };
        vec![
            lie("the pod's", net.pod),
            lie("another pod's", net.other),
            lie("the node's", net.node),
        ]
    });
}

#[test]
fn errors_about_a_flow_find_their_way() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let both = |(protocol, kind): (u8, Kind)| {
            let [asked, got] = [door, pod].map(|to| summed(&kind(peer, to)));
            let [said, heard] = [pod, door].map(|from| summed(&kind(from, peer)));
            let steps = [
                every(net, protocol, 8080, pod),
                come(&kind(peer, door), Want::Pod(kind(peer, pod))),
                out(
                    &unreachable(net.pod, net.world, &got),
                    Want::Becomes(unreachable(net.node, net.world, &asked)),
                ),
                come(
                    &unreachable(net.world, net.node, &heard),
                    Want::Pod(unreachable(net.world, net.pod, &said)),
                ),
            ];
            row(net, &format!("protocol {protocol}"), steps)
        };
        let ported = KINDS.into_iter().filter(|(protocol, _)| *protocol == UDP);
        ported.map(both).collect()
    });
}

/// A datagram in two fragments; the checksum of the whole is in the first one.
fn fragments(from: End, to: End) -> [Packet; 2] {
    let whole = summed(&with_sum(udp(from, to), 6));
    let mut first = whole.clone();
    let rest = first.payload.split_off(16);
    let second = Packet::new(from.0, to.0, UDP, rest);
    [first.fragment(99, 0, true), second.fragment(99, 2, false)]
}

#[test]
fn later_fragments_follow_the_first_one() {
    run(|net| {
        let [pod, door, peer] = ends(net);
        let [first, second] = fragments(peer, door);
        let [pods_first, pods_second] = fragments(peer, pod);
        vec![row(
            net,
            "to a host port",
            [
                every(net, UDP, 8080, pod),
                come(&second, Want::Same),
                come(&first, Want::Pod(pods_first)),
                come(&second, Want::Pod(pods_second)),
                Step::Halves(2),
            ],
        )]
    });
}
