//! Policy: which entry decides, and about what.

use ep_builder::maps::{Direction, Ports, Traffic};

use super::build::*;
use super::scenario::{Scenario, Step, Want, allow, deny, from, scenario, to};
use super::{Net, run};

const POLICY: u8 = 133;
const DENIED: u8 = 181;
const PEER: u32 = 300;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;

fn port(protocol: u8, first: u16, bits: u8) -> Traffic {
    Traffic::Ports(Ports {
        protocol,
        first,
        bits,
    })
}

/// Entries, and whether a packet of the pod to port 80 of a known peer passes.
fn out(net: Net, what: &str, entries: &[Step], want: Want) -> Scenario {
    let packet = tcp((net.pod, 1000), (net.world, 80), SYN);
    let steps = [
        &[Step::Known(net.world, PEER)][..],
        entries,
        &[from(&packet, want)],
    ]
    .concat();
    scenario(net.name(what), steps)
}

#[test]
fn an_entry_for_the_peer_or_anybody_allows() {
    run(|net| {
        let all = Traffic::Any;
        let one = Traffic::Protocol(TCP);
        vec![
            out(net, "no entry", &[], Want::Drop(POLICY)),
            out(
                net,
                "an entry for anybody",
                &[allow(OUT, 0, all)],
                Want::Stack,
            ),
            out(
                net,
                "an entry for the peer",
                &[allow(OUT, PEER, all)],
                Want::Stack,
            ),
            out(
                net,
                "an entry for somebody else",
                &[allow(OUT, PEER + 1, all)],
                Want::Drop(POLICY),
            ),
            out(
                net,
                "an entry for the other direction",
                &[allow(IN, PEER, all)],
                Want::Drop(POLICY),
            ),
            out(net, "the protocol", &[allow(OUT, PEER, one)], Want::Stack),
        ]
    });
}

#[test]
fn an_entry_for_protocol_and_ports_allows() {
    run(|net| {
        let tcp_80 = port(TCP, 80, 16);
        vec![
            out(
                net,
                "another protocol",
                &[allow(OUT, PEER, Traffic::Protocol(UDP))],
                Want::Drop(POLICY),
            ),
            out(net, "the port", &[allow(OUT, PEER, tcp_80)], Want::Stack),
            out(
                net,
                "the port of another protocol",
                &[allow(OUT, PEER, port(UDP, 80, 16))],
                Want::Drop(POLICY),
            ),
            out(
                net,
                "another port",
                &[allow(OUT, PEER, port(TCP, 81, 16))],
                Want::Drop(POLICY),
            ),
            out(
                net,
                "a range of ports",
                &[allow(OUT, PEER, port(TCP, 64, 11))],
                Want::Stack,
            ),
            out(
                net,
                "a range beside it",
                &[allow(OUT, PEER, port(TCP, 96, 11))],
                Want::Drop(POLICY),
            ),
        ]
    });
}

#[test]
fn denial_wins() {
    run(|net| {
        let all = Traffic::Any;
        let tcp_80 = port(TCP, 80, 16);
        vec![
            out(
                net,
                "all denied",
                &[deny(OUT, PEER, all)],
                Want::Drop(DENIED),
            ),
            out(
                net,
                "anybody denied, the peer allowed",
                &[deny(OUT, 0, all), allow(OUT, PEER, tcp_80)],
                Want::Drop(DENIED),
            ),
            out(
                net,
                "the peer denied, anybody allowed",
                &[deny(OUT, PEER, all), allow(OUT, 0, tcp_80)],
                Want::Drop(DENIED),
            ),
            out(
                net,
                "the port denied, all allowed",
                &[allow(OUT, PEER, all), deny(OUT, PEER, tcp_80)],
                Want::Drop(DENIED),
            ),
            out(
                net,
                "another port denied, all allowed",
                &[allow(OUT, PEER, all), deny(OUT, PEER, port(TCP, 81, 16))],
                Want::Stack,
            ),
            out(
                net,
                "anybody's port denied, the peer allowed",
                &[allow(OUT, PEER, all), deny(OUT, 0, tcp_80)],
                Want::Drop(DENIED),
            ),
        ]
    });
}

#[test]
fn ports_are_those_of_the_side_that_answers() {
    run(|net| {
        let (pod, peer) = (|port| (net.pod, port), |port| (net.world, port));
        let known = Step::Known(net.world, PEER);
        let row = |what: &str, steps: Vec<Step>| {
            scenario(net.name(what), [vec![known.clone()], steps].concat())
        };
        vec![
            row(
                "UDP out",
                vec![
                    allow(OUT, PEER, port(UDP, 53, 16)),
                    from(&udp(pod(9), peer(53)), Want::Stack),
                ],
            ),
            row(
                "UDP out, by the pod's port",
                vec![
                    allow(OUT, PEER, port(UDP, 9, 16)),
                    from(&udp(pod(9), peer(53)), Want::Drop(POLICY)),
                ],
            ),
            row(
                "SCTP out",
                vec![
                    allow(OUT, PEER, port(SCTP, 53, 16)),
                    from(&sctp(pod(9), peer(53)), Want::Stack),
                ],
            ),
            row(
                "TCP in",
                vec![
                    allow(IN, PEER, port(TCP, 80, 16)),
                    to(&tcp(peer(9), pod(80), SYN), Want::Pass),
                ],
            ),
            row(
                "TCP in, another port",
                vec![
                    allow(IN, PEER, port(TCP, 80, 16)),
                    to(&tcp(peer(80), pod(81), SYN), Want::Drop(POLICY)),
                ],
            ),
            row(
                "UDP in",
                vec![
                    allow(IN, PEER, port(UDP, 80, 16)),
                    to(&udp(peer(9), pod(80)), Want::Pass),
                ],
            ),
        ]
    });
}

#[test]
fn messages_of_icmp_have_their_type_for_a_port() {
    run(|net| {
        let known = Step::Known(net.world, PEER);
        let row = |what: &str, steps: Vec<Step>| {
            scenario(net.name(what), [vec![known.clone()], steps].concat())
        };
        let icmp = if net.is_ipv6 { ICMPV6 } else { ICMP };
        let request = if net.is_ipv6 { 128 } else { 8 };
        vec![
            row(
                "an echo out",
                vec![
                    allow(OUT, PEER, port(icmp, request, 16)),
                    from(&echo(net.pod, net.world, 1, true), Want::Stack),
                ],
            ),
            row(
                "an echo out, another type",
                vec![
                    allow(OUT, PEER, port(icmp, 0, 16)),
                    from(&echo(net.pod, net.world, 1, true), Want::Drop(POLICY)),
                ],
            ),
            row(
                "an echo in",
                vec![
                    allow(IN, PEER, Traffic::Protocol(icmp)),
                    to(&echo(net.world, net.pod, 1, true), Want::Pass),
                ],
            ),
            row(
                "an echo in, denied",
                vec![
                    deny(IN, PEER, Traffic::Protocol(icmp)),
                    to(&echo(net.world, net.pod, 1, true), Want::Drop(DENIED)),
                ],
            ),
        ]
    });
}
