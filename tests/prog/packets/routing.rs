//! Where packets go: to another pod, to the host's stack, or nowhere.

use ep_builder::endpoint::{Bandwidth, Limit};
use ep_builder::maps::{Direction, Traffic};
use weir_tests::need;
use weir_tests::need::Need;

use super::build::*;
use super::scenario::{
    Scenario, Step, Want, allow, check, from, mark_of, opened, rule, scenario, to,
};
use super::{Net, run};
use crate::bench::{Bench, OTHER, OTHER_IDENTITY, POD_IDENTITY};

const POLICY: u8 = 133;
const TTL: u8 = 196;
const NOT_READY: u8 = 203;

/// As the other pod gets a packet.
fn delivered(packet: &Packet) -> Vec<u8> {
    let packet = packet.clone().macs(OTHER_MAC, OTHER_HOST_MAC);
    let ttl = packet.ttl - 1;
    packet.ttl(ttl).bytes()
}

/// The error that the pod gets for a packet: 104 octets of it at most.
fn time_exceeded(net: Net, packet: &Packet) -> Vec<u8> {
    let router = if net.is_ipv6 {
        "fe80::ff:fe00:11"
    } else {
        "192.0.0.8"
    }
    .parse()
    .unwrap();
    let kind = if net.is_ipv6 { 3 } else { 11 };
    let mut about = packet.bytes()[14..].to_vec();
    about.truncate(104);
    let rest = [&[0; 4][..], &about].concat();
    icmp(router, net.pod, kind, 0, &rest)
        .macs(POD_MAC, HOST_MAC)
        .bytes()
}

/// Whether its peer is a pod a connection knows for a second at most. Until it is over, the packets to a pod that has come
/// go by the stack, with whose they are, so that its own programs judge them.
#[test]
fn a_connection_looks_for_its_peer_again() {
    run(|net| {
        let first = tcp((net.pod, 1000), (net.other, 80), SYN);
        let next = tcp((net.pod, 1000), (net.other, 80), ACK);
        let local = Step::Local(net.other, false);
        let to_pod = |packet: &Packet| from(packet, Want::Peer(delivered(packet)));
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), opened(steps));
        let outside = [from(&first, Want::Stack), from(&next, Want::Stack)];
        let comes = [local.clone(), Step::Sought(false), to_pod(&next)];
        vec![
            row("a pod has come", [&outside[..], &comes].concat()),
            row(
                "a pod comes",
                [
                    &outside[..],
                    &[local.clone(), Step::Within(next.bytes(), Want::Stack)],
                ]
                .concat(),
            ),
            row(
                "nobody has come",
                [&outside[..], &[Step::Sought(true), outside[1].clone()]].concat(),
            ),
            row(
                "a pod stays",
                vec![
                    local,
                    to_pod(&first),
                    Step::Sought(true),
                    to_pod(&next),
                    to_pod(&next),
                ],
            ),
        ]
    });
}

#[test]
fn packets_to_another_pod() {
    run(|net| {
        let packet = tcp((net.pod, 1000), (net.other, 80), SYN);
        let reply = tcp((net.other, 80), (net.pod, 1000), SYN | ACK);
        let local = Step::Local(net.other, false);
        let out = allow(Direction::Egress, 0, Traffic::Any);
        let peer = |packet: &Packet| from(packet, Want::Peer(delivered(packet)));
        let rule_of_other = |identity| {
            Step::Rule(
                OTHER,
                rule(Direction::Ingress, identity, Traffic::Protocol(TCP)),
                false,
            )
        };
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        vec![
            row("an open one", opened([local.clone(), peer(&packet)])),
            row(
                "both ends track it",
                opened([local.clone(), peer(&packet), Step::Tracked(2)]),
            ),
            row(
                "it allows the pod",
                vec![
                    local.clone(),
                    out.clone(),
                    rule_of_other(POD_IDENTITY),
                    peer(&packet),
                ],
            ),
            row(
                "it allows somebody else",
                vec![
                    local.clone(),
                    out.clone(),
                    rule_of_other(55),
                    from(&packet, Want::DropAtPeer(POLICY)),
                ],
            ),
            row(
                "the pod may not send",
                vec![
                    local.clone(),
                    rule_of_other(0),
                    from(&packet, Want::Drop(POLICY)),
                ],
            ),
            row(
                "its answer",
                opened([
                    local.clone(),
                    peer(&packet),
                    Step::To(reply.bytes(), mark_of(OTHER_IDENTITY), Want::Pass),
                ]),
            ),
        ]
    });
}

#[test]
fn hop_limits_are_lowered() {
    run(|net| {
        let packet = tcp((net.pod, 1000), (net.other, 80), SYN);
        let local = Step::Local(net.other, false);
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        let with = |packet: Packet, want| opened([local.clone(), from(&packet, want)]);
        let expired = |packet: &Packet| Want::DropAndAnswer(TTL, time_exceeded(net, packet));
        let large = Packet::new(net.pod, net.other, UDP, vec![3; 600]).ttl(1);
        vec![
            row(
                "the last hop but one",
                with(
                    packet.clone().ttl(2),
                    Want::Peer(delivered(&packet.clone().ttl(2))),
                ),
            ),
            row(
                "the last hop",
                with(packet.clone().ttl(1), expired(&packet.clone().ttl(1))),
            ),
            row(
                "no hop left",
                with(packet.clone().ttl(0), expired(&packet.clone().ttl(0))),
            ),
            row(
                "the last hop of a large packet",
                with(large.clone(), expired(&large)),
            ),
            row(
                "nobody is told about an error",
                with(
                    unreachable(net.pod, net.other, &udp((net.other, 1), (net.pod, 2))).ttl(1),
                    Want::Drop(TTL),
                ),
            ),
        ]
    });
}

#[test]
fn packets_that_are_not_for_another_pod() {
    run(|net| {
        let packet = tcp((net.pod, 1000), (net.other, 80), SYN);
        let local = Step::Local(net.other, false);
        let peer = |packet: &Packet| from(packet, Want::Peer(delivered(packet)));
        let row = |what: &str, steps: Vec<Step>| scenario(net.name(what), steps);
        vec![
            row(
                "the last hop to the stack is its business",
                opened([from(&packet.clone().ttl(1), Want::Stack)]),
            ),
            row(
                "the node itself",
                opened([Step::Local(net.other, true), from(&packet, Want::Stack)]),
            ),
            row("not of this node", opened([from(&packet, Want::Stack)])),
            row(
                "of every size",
                [64, 500, 1500, 3000].into_iter().fold(
                    opened([local.clone()]),
                    |mut steps, size| {
                        let packet = Packet::new(
                            net.pod,
                            net.other,
                            UDP,
                            [vec![0, 1, 0, 2, 0, 0, 0, 0], vec![7; size]].concat(),
                        );
                        steps.push(peer(&packet));
                        steps
                    },
                ),
            ),
        ]
    });
}

/// Runs rows of both families under these lines of `weir.toml`.
fn run_with(lines: &str, rows: impl Fn(Net) -> Vec<Scenario>) {
    need!(Need::Root, Need::Tool("clang"));
    check(&mut Bench::new(lines), &both(rows));
}

fn both(rows: impl Fn(Net) -> Vec<Scenario>) -> Vec<Scenario> {
    let families = Net::BOTH.into_iter();
    families
        .flat_map(|is_ipv6| rows(Net::of(is_ipv6)))
        .collect()
}

#[test]
fn a_pod_that_is_not_ready() {
    run(|net| {
        let packet = udp((net.pod, 1000), (net.other, 80));
        let steps = opened([
            Step::NotReady(net.other),
            from(&packet, Want::Drop(NOT_READY)),
        ]);
        vec![scenario(net.name("nobody is in its place"), steps)]
    });
}

#[test]
fn without_routing_all_goes_to_the_stack() {
    run_with("[datapath]\nrouting = false\n", |net| {
        let packet = udp((net.pod, 1000), (net.other, 80));
        let steps = |ttl| {
            opened([
                Step::Local(net.other, false),
                from(&packet.clone().ttl(ttl), Want::Stack),
            ])
        };
        vec![
            scenario(net.name("a local pod"), steps(64)),
            scenario(net.name("the last hop"), steps(1)),
        ]
    });
}

#[test]
fn the_policy_of_the_receiver_may_be_left_to_its_own_device() {
    run_with(
        "[datapath]\nforce_local_policy_eval_at_source = false\n",
        |net| {
            let packet = udp((net.pod, 1000), (net.other, 80));
            let handed = Want::Handed(delivered(&packet), mark_of(POD_IDENTITY), 1);
            vec![scenario(
                net.name("a local pod"),
                opened([
                    Step::Local(net.other, false),
                    from(&packet, handed),
                    Step::Tracked(1),
                ]),
            )]
        },
    );
    run_with(
        "[datapath]\nforce_local_policy_eval_at_source = false\nlocal_delivery_metrics = false\n",
        |net| {
            let packet = udp((net.pod, 1000), (net.other, 80));
            let handed = Want::Handed(delivered(&packet), mark_of(POD_IDENTITY), 0);
            vec![scenario(
                net.name("a local pod, counted by the receiver"),
                opened([Step::Local(net.other, false), from(&packet, handed)]),
            )]
        },
    );
}

#[test]
fn without_conntrack_each_direction_needs_a_rule() {
    run_with(
        "[options]\nconntrack = false\nconntrack_accounting = false\n",
        |net| {
            let (pod, peer) = ((net.pod, 1000), (net.world, 80));
            let out = allow(Direction::Egress, 0, Traffic::Any);
            let in_ = allow(Direction::Ingress, 0, Traffic::Any);
            vec![
                scenario(
                    net.name("there and not back"),
                    [
                        out.clone(),
                        from(&udp(pod, peer), Want::Stack),
                        to(&udp(peer, pod), Want::Drop(POLICY)),
                    ],
                ),
                scenario(
                    net.name("there and back"),
                    [
                        out,
                        in_,
                        from(&udp(pod, peer), Want::Stack),
                        to(&udp(peer, pod), Want::Pass),
                    ],
                ),
            ]
        },
    );
}

#[test]
fn audit_mode_lets_pass_and_tells() {
    run_with("[options]\npolicy_audit_mode = true\n", |net| {
        let packet = udp((net.pod, 1000), (net.world, 80));
        let back = udp((net.world, 80), (net.pod, 1000));
        vec![scenario(
            net.name("what nothing allows"),
            [
                from(&packet, Want::Stack),
                to(&back, Want::Pass),
                Step::Tracked(1),
            ],
        )]
    });
}

/// Its device has programs, too: the mark tells them that the packet has been judged and counted.
#[test]
fn without_host_redirect_a_packet_goes_by_the_other_pods_device() {
    run_with("[datapath]\nhost_redirect = false\n", |net| {
        let packet = tcp((net.pod, 1000), (net.other, 80), SYN);
        let local = Step::Local(net.other, false);
        let out = allow(Direction::Egress, 0, Traffic::Any);
        let handed = Want::PeerDevice(delivered(&packet));
        vec![
            scenario(
                net.name("allowed"),
                opened([local.clone(), from(&packet, handed)]),
            ),
            scenario(
                net.name("the other one has no rule"),
                [local, out, from(&packet, Want::DropAtPeer(POLICY))],
            ),
        ]
    });
}

/// Past it they would not wait in its queue.
#[test]
fn packets_to_a_pod_with_a_limit_go_by_its_device() {
    need!(Need::Root, Need::Tool("clang"));
    let limit = Limit {
        rate: 8_000_000,
        burst: 655_360,
    };
    let bandwidth = Bandwidth {
        ingress: Some(limit),
        egress: None,
    };
    let rows = both(|net| {
        let packet = tcp((net.pod, 1000), (net.other, 80), SYN);
        let handed = Want::PeerDevice(delivered(&packet));
        let steps = [Step::Local(net.other, false), from(&packet, handed)];
        vec![scenario(net.name("from a pod of the node"), opened(steps))]
    });
    check(&mut Bench::limited("", bandwidth), &rows);
}

#[test]
fn without_a_responder_arp_goes_to_the_stack() {
    run_with("[datapath]\narp_responder = false\n", |net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let ask = arp(1, (POD_MAC, net.pod), ([0; 6], net.world));
        vec![scenario("ARP", [Step::From(ask, Want::Unmarked)])]
    });
}
