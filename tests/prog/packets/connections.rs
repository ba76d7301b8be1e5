//! Connections: what belongs to one, what opens one, what ends it.

use ep_builder::maps::{Direction, Traffic};

use super::build::*;
use super::scenario::{Scenario, Step, Want, allow, from, rule, scenario, to};
use super::{Net, run};
use crate::bench::POD;

const POLICY: u8 = 133;
const INVALID: u8 = 134;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;

#[test]
fn answers_of_tcp_need_no_rule() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let out = allow(OUT, 0, Traffic::Any);
        let in_ = allow(IN, 0, Traffic::Any);
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        vec![
            row(
                "TCP",
                vec![
                    out.clone(),
                    from(&tcp(pod, peer, SYN), Want::Stack),
                    to(&tcp(peer, pod, SYN | ACK), Want::Pass),
                    from(&tcp(pod, peer, ACK), Want::Stack),
                    to(&tcp(peer, pod, ACK), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
            row(
                "TCP to the pod",
                vec![
                    in_.clone(),
                    to(&tcp(peer, pod, SYN), Want::Pass),
                    from(&tcp(pod, peer, SYN | ACK), Want::Stack),
                    to(&tcp(peer, pod, ACK), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
        ]
    });
}

#[test]
fn answers_of_udp_and_sctp_need_no_rule() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let out = allow(OUT, 0, Traffic::Any);
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        vec![
            row(
                "UDP",
                vec![
                    out.clone(),
                    from(&udp(pod, peer), Want::Stack),
                    to(&udp(peer, pod), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
            row(
                "SCTP",
                vec![
                    out.clone(),
                    from(&sctp(pod, peer), Want::Stack),
                    to(&sctp(peer, pod), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
            row(
                "UDP from another port",
                vec![
                    out.clone(),
                    from(&udp(pod, peer), Want::Stack),
                    to(&udp((net.world, 81), pod), Want::Drop(POLICY)),
                ],
            ),
            row(
                "UDP to another port",
                vec![
                    out.clone(),
                    from(&udp(pod, peer), Want::Stack),
                    to(&udp(peer, (net.pod, 1001)), Want::Drop(POLICY)),
                ],
            ),
            row(
                "UDP from another peer",
                vec![
                    out.clone(),
                    from(&udp(pod, peer), Want::Stack),
                    to(&udp((net.other, 80), pod), Want::Drop(POLICY)),
                ],
            ),
            row(
                "TCP where UDP went",
                vec![
                    out.clone(),
                    from(&udp(pod, peer), Want::Stack),
                    to(&tcp(peer, pod, SYN), Want::Drop(POLICY)),
                ],
            ),
        ]
    });
}

#[test]
fn answers_to_an_echo_need_no_rule() {
    run(|net| {
        let out = allow(OUT, 0, Traffic::Any);
        let in_ = allow(IN, 0, Traffic::Any);
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        let echoes = |from: std::net::IpAddr, to: std::net::IpAddr, id, is_request| {
            echo(from, to, id, is_request)
        };
        vec![
            row(
                "an echo",
                vec![
                    out.clone(),
                    from(&echoes(net.pod, net.world, 5, true), Want::Stack),
                    to(&echoes(net.world, net.pod, 5, false), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
            row(
                "the echo of another request",
                vec![
                    out.clone(),
                    from(&echoes(net.pod, net.world, 5, true), Want::Stack),
                    to(&echoes(net.world, net.pod, 6, false), Want::Drop(POLICY)),
                ],
            ),
            row(
                "a request where only the pod asked",
                vec![
                    out.clone(),
                    from(&echoes(net.pod, net.world, 5, true), Want::Stack),
                    to(&echoes(net.world, net.pod, 5, true), Want::Drop(POLICY)),
                ],
            ),
            row(
                "an echo to the pod",
                vec![
                    in_.clone(),
                    to(&echoes(net.world, net.pod, 5, true), Want::Pass),
                    from(&echoes(net.pod, net.world, 5, false), Want::Stack),
                ],
            ),
            row(
                "both ask with one number",
                vec![
                    out.clone(),
                    in_.clone(),
                    from(&echoes(net.pod, net.world, 5, true), Want::Stack),
                    to(&echoes(net.world, net.pod, 5, true), Want::Pass),
                    Step::Tracked(2),
                ],
            ),
        ]
    });
}

#[test]
fn what_opens_no_connection() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let out = allow(OUT, 0, Traffic::Any);
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        let echoes = |from: std::net::IpAddr, to: std::net::IpAddr, id, is_request| {
            echo(from, to, id, is_request)
        };
        vec![
            row(
                "an answer that nobody asked for opens nothing",
                vec![
                    out.clone(),
                    from(&echoes(net.pod, net.world, 5, false), Want::Stack),
                    Step::Tracked(0),
                    to(&echoes(net.world, net.pod, 5, true), Want::Drop(POLICY)),
                ],
            ),
            row(
                "a reset opens nothing",
                vec![
                    out.clone(),
                    from(&tcp(pod, peer, RST), Want::Stack),
                    Step::Tracked(0),
                ],
            ),
            row(
                "a dropped packet opens nothing",
                vec![from(&udp(pod, peer), Want::Drop(POLICY)), Step::Tracked(0)],
            ),
            row(
                "a connection that began before us",
                vec![
                    out,
                    from(&tcp(pod, peer, ACK), Want::Stack),
                    to(&tcp(peer, pod, ACK), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
        ]
    });
}

#[test]
fn ports_of_a_connection_that_is_over_are_judged_anew() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let open = [
            allow(OUT, 0, Traffic::Any),
            from(&tcp(pod, peer, SYN), Want::Stack),
            to(&tcp(peer, pod, SYN | ACK), Want::Pass),
            from(&tcp(pod, peer, ACK), Want::Stack),
        ];
        let row =
            |what: &str, steps: &[Step]| scenario(net.name(what), [&open[..], steps].concat());
        let syn = to(&tcp(peer, pod, SYN), Want::Drop(POLICY));
        vec![
            row(
                "open: the peer's SYN belongs to it",
                &[to(&tcp(peer, pod, SYN), Want::Pass)],
            ),
            row(
                "one side is done",
                &[
                    from(&tcp(pod, peer, FIN | ACK), Want::Stack),
                    to(&tcp(peer, pod, ACK), Want::Pass),
                    to(&tcp(peer, pod, SYN), Want::Pass),
                ],
            ),
            row(
                "both are done",
                &[
                    from(&tcp(pod, peer, FIN | ACK), Want::Stack),
                    to(&tcp(peer, pod, FIN | ACK), Want::Pass),
                    from(&tcp(pod, peer, ACK), Want::Stack),
                    syn.clone(),
                ],
            ),
            row(
                "the pod resets",
                &[from(&tcp(pod, peer, RST), Want::Stack), syn.clone()],
            ),
            row(
                "the peer resets",
                &[to(&tcp(peer, pod, RST | ACK), Want::Pass), syn],
            ),
            row(
                "the pod opens it again",
                &[
                    from(&tcp(pod, peer, RST), Want::Stack),
                    from(&tcp(pod, peer, SYN), Want::Stack),
                    to(&tcp(peer, pod, SYN | ACK), Want::Pass),
                    Step::Tracked(1),
                ],
            ),
        ]
    });
}

/// An error to the pod or of the pod, after one packet of a connection.
fn error(net: Net, what: &str, first: Step, second: Step) -> Scenario {
    scenario(net.name(what), [allow(OUT, 0, Traffic::Any), first, second])
}

#[test]
fn errors_to_the_pod_belong_to_what_they_are_about() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let sent = |packet: &Packet| from(packet, Want::Stack);
        let about = |packet: &Packet, want| to(&unreachable(net.other, net.pod, packet), want);
        let (there, back) = (udp(pod, peer), udp(peer, pod));
        let hello = tcp(pod, peer, SYN);
        let ping = echo(net.pod, net.world, 5, true);
        let mut cut = unreachable(net.other, net.pod, &there);
        cut.payload
            .truncate(8 + if net.is_ipv6 { 40 } else { 20 } + 4);
        vec![
            error(net, "UDP", sent(&there), about(&there, Want::Pass)),
            error(net, "TCP", sent(&hello), about(&hello, Want::Pass)),
            error(net, "an echo", sent(&ping), about(&ping, Want::Pass)),
            error(
                net,
                "another port",
                sent(&there),
                about(&udp(pod, (net.world, 81)), Want::Drop(POLICY)),
            ),
            error(
                net,
                "another echo",
                sent(&ping),
                about(&echo(net.pod, net.world, 6, true), Want::Drop(POLICY)),
            ),
            error(
                net,
                "what another pod sent",
                sent(&there),
                about(&udp((net.other, 1000), peer), Want::Drop(INVALID)),
            ),
            error(
                net,
                "what the pod got",
                sent(&there),
                about(&back, Want::Drop(INVALID)),
            ),
            error(
                net,
                "cut within the ports",
                sent(&there),
                to(&cut, Want::Drop(INVALID)),
            ),
        ]
    });
}

#[test]
fn errors_of_the_pod_belong_to_what_they_are_about() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let back = udp(peer, pod);
        let entry = rule(IN, 0, Traffic::Any);
        let in_ = allow(IN, 0, Traffic::Any);
        vec![
            scenario(
                net.name("of the pod"),
                [
                    in_.clone(),
                    to(&back, Want::Pass),
                    from(&unreachable(net.pod, net.world, &back), Want::Stack),
                    Step::Tracked(1),
                ],
            ),
            scenario(
                net.name("of the pod, about nothing it got"),
                [
                    in_.clone(),
                    from(&unreachable(net.pod, net.world, &back), Want::Drop(POLICY)),
                ],
            ),
            scenario(
                net.name("of the pod, to somebody else"),
                [
                    in_.clone(),
                    to(&back, Want::Pass),
                    from(&unreachable(net.pod, net.other, &back), Want::Drop(INVALID)),
                ],
            ),
            scenario(
                net.name("of the pod, about what another pod got"),
                [
                    in_.clone(),
                    to(&back, Want::Pass),
                    from(
                        &unreachable(net.pod, net.world, &udp(peer, (net.other, 1000))),
                        Want::Drop(INVALID),
                    ),
                ],
            ),
            scenario(
                net.name("after a change of policy"),
                [
                    Step::Rule(POD, entry, false),
                    to(&back, Want::Pass),
                    Step::NoRule(POD, entry),
                    Step::Revision(POD, 1),
                    from(&unreachable(net.pod, net.world, &back), Want::Drop(POLICY)),
                ],
            ),
        ]
    });
}
