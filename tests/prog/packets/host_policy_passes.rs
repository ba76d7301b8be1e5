//! What the node's policy leaves alone, and what passes that it would drop.

use std::net::IpAddr;

use ep_builder::events::Event;
use ep_builder::maps::{OpenPort, Traffic};
use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_policy::*;
use super::host_scenario::{Step, Want, come, on_link, out, row};
use super::scenario::mark_of;
use crate::bench::{Bench, POD_IDENTITY};

const LOST: u8 = 175;

#[test]
fn what_is_not_the_nodes_own_is_not_judged() {
    run(|net| {
        let (pod_end, node, peer) = ((net.pod, 1000), (net.node, 1000), (net.world, 80));
        let of_pod = mark_of(POD_IDENTITY);
        let any: IpAddr = if net.is_ipv6 { "::" } else { "0.0.0.0" }.parse().unwrap();
        let port = Step::HostPort((any, 8080).into(), TCP, (net.pod, 80).into());
        let syn = |from, to| tcp(from, to, SYN);
        vec![
            row(
                net,
                "masquerade",
                with(
                    judged([]),
                    [
                        Step::Out(syn(pod_end, peer), of_pod, Want::Becomes(syn(node, peer))),
                        come(&syn(peer, node), Want::Pod(syn(peer, pod_end))),
                        // The pod tracks what it gets.
                        tracked(1),
                    ],
                ),
            ),
            row(
                net,
                "a host port",
                with(
                    judged([port]),
                    [
                        come(
                            &syn(peer, (net.node, 8080)),
                            Want::Pod(syn(peer, (net.pod, 80))),
                        ),
                        Step::Out(
                            tcp((net.pod, 80), peer, SYN | ACK),
                            of_pod,
                            Want::Becomes(tcp((net.node, 8080), peer, SYN | ACK)),
                        ),
                        come(&syn(peer, (net.node, 8081)), Want::Drop(POLICY)),
                        // At the pod's own address.
                        come(
                            &syn(peer, (net.pod, 81)),
                            Want::Pod(syn(peer, (net.pod, 81))),
                        ),
                    ],
                ),
            ),
        ]
    });
}

#[test]
fn what_the_node_forwards_is_not_judged() {
    run(|net| {
        let (beyond, peer) = (Bench::address(net.is_ipv6, 98), (net.world, 80));
        let goes = tcp((beyond, 1000), peer, SYN);
        let comes = tcp(peer, (beyond, 80), SYN);
        let steps = [
            come(&comes, Want::Same),
            Step::Node(NodeStep::Forward(goes, Want::Same)),
            tracked(0),
        ];
        vec![row(net, "for others", with(judged([]), steps))]
    });
}

#[test]
fn groups_and_addresses_that_only_routes_know_are_the_nodes() {
    run(|net| {
        let (group, everybody, loopback, unlisted) = if net.is_ipv6 {
            ("ff02::fb", "ff02::1", "::1", "fd00::fe")
        } else {
            ("224.0.0.251", "255.255.255.255", "127.0.0.1", "10.0.0.255")
        };
        let to = |text: &str| udp((net.world, 5353), (text.parse().unwrap(), 5353));
        let rows = [group, everybody, loopback, unlisted];
        let rows = rows.map(|text| {
            row(
                net,
                text,
                with(judged([]), [come(&to(text), Want::Drop(POLICY))]),
            )
        });
        rows.into()
    });
}

#[test]
fn neighbours_and_dhcp_are_heard() {
    run(|net| {
        let mut steps = judged([]);
        let both = |packet: &Packet| [come(packet, Want::Same)];
        if net.is_ipv6 {
            let group: IpAddr = "ff02::1".parse().unwrap();
            for kind in [133, 134, 135, 136, 137] {
                let message = icmp(net.world, group, kind, 0, &[0; 20]);
                steps.extend(both(&message.clone().ttl(255)));
                steps.push(come(&message.ttl(254), Want::Drop(POLICY)));
            }
            for kind in [130, 131, 132, 143] {
                let message = icmp(net.world, group, kind, 0, &[0; 20]);
                steps.extend(both(&message.clone().ttl(1)));
                steps.push(come(&message.ttl(2), Want::Drop(POLICY)));
            }
            let asked = icmp(net.node, net.world, 135, 0, &[0; 20]).ttl(255);
            steps.push(out(&asked, Want::Same));
            steps.push(come(&udp((net.world, 9), (net.node, 546)), Want::Same));
            // A question is a matter of ports that are always open.
            let question = udp((net.node, 546), (group, 547));
            steps.push(out(&question, Want::Drop(POLICY)));
        } else {
            let group: IpAddr = "224.0.0.1".parse().unwrap();
            steps.extend(both(&Packet::new(net.world, group, 2, vec![0x11; 8])));
            // A question is a matter of ports that are always open, unless it goes to who has just answered.
            let question = udp((net.node, 68), (net.world, 67));
            steps.push(out(&question, Want::Drop(POLICY)));
            steps.push(come(&udp((net.world, 67), (net.node, 68)), Want::Same));
            steps.push(out(&question, Want::Same));
            steps.push(come(
                &udp((net.world, 66), (net.node, 68)),
                Want::Drop(POLICY),
            ));
            // A message about routes comes from anywhere.
            let redirect = icmp(net.world, net.node, 5, 0, &[0; 12]);
            steps.push(come(&redirect, Want::Drop(POLICY)));
        }
        vec![row(net, "neighbours", steps)]
    });
}

#[test]
fn open_ports_are_open_in_their_direction() {
    run(|net| {
        let open = |port, protocol, direction| {
            let port = OpenPort {
                port,
                protocol,
                direction,
            };
            judged([Step::Node(NodeStep::Open(port))])
        };
        let drop = Want::Drop(POLICY);
        let (ssh, client) = ((net.node, 22), (net.world, 1000));
        let (asks, names) = ((net.node, 1000), (net.world, 53));
        let denied = deny(IN, 0, Traffic::Any);
        vec![
            row(
                net,
                "ingress",
                with(
                    open(22, TCP, IN),
                    [
                        denied,
                        come(&tcp(client, ssh, SYN), Want::Same),
                        out(&tcp(ssh, client, SYN | ACK), Want::Same),
                        at(REVISION + 1),
                        out(&tcp(ssh, client, ACK), Want::Same),
                        come(&tcp(client, ssh, ACK), Want::Same),
                        tracked(1),
                        come(&tcp(client, (net.node, 23), SYN), drop.clone()),
                        come(&udp(client, ssh), drop.clone()),
                        out(&tcp((net.node, 1000), (net.world, 22), SYN), drop.clone()),
                        pod(&tcp((net.pod, 1000), ssh, SYN), Want::Same),
                    ],
                ),
            ),
            row(
                net,
                "egress",
                with(
                    open(53, UDP, OUT),
                    [
                        out(&udp(asks, names), Want::Same),
                        come(&udp(names, asks), Want::Same),
                        come(&udp((net.world, 54), asks), drop.clone()),
                        out(&udp(asks, (net.world, 54)), drop.clone()),
                        come(&udp(client, (net.node, 53)), drop),
                    ],
                ),
            ),
        ]
    });
}

#[test]
fn errors_belong_to_what_they_are_about() {
    run(|net| {
        let router = Bench::address(net.is_ipv6, 50);
        let drop = Want::Drop(POLICY);
        let egress = || judged([allow(OUT, 0, Traffic::Any)]);
        let mut rows = Vec::new();
        for sent in openings(net.node, net.world) {
            let about = unreachable(router, net.node, &sent);
            let steps = [
                come(&about, drop.clone()),
                out(&sent, Want::Same),
                come(&about, Want::Same),
            ];
            rows.push(row(net, "to the node", with(egress(), steps)));
        }
        let told = unreachable(net.node, net.world, &udp((net.world, 9), (net.node, 9)));
        rows.push(row(
            net,
            "of the node",
            with(judged([]), [out(&told, Want::Same)]),
        ));
        rows
    });
}

#[test]
fn fragments_are_judged_as_their_first_one() {
    run(|net| {
        let entries = || judged([allow(IN, 0, port(UDP, 22))]);
        let whole = udp((net.world, 1000), (net.node, 22));
        let first = whole.clone().fragment(7, 0, true);
        let later = whole.fragment(7, 2, false);
        let other = udp((net.world, 1000), (net.node, 23)).fragment(8, 0, true);
        vec![
            row(
                net,
                "allowed",
                with(
                    entries(),
                    [
                        come(&first, Want::Same),
                        come(&later, Want::Same),
                        tracked(1),
                    ],
                ),
            ),
            row(
                net,
                "not allowed",
                with(entries(), [come(&other, Want::Drop(POLICY))]),
            ),
            row(
                net,
                "the first is lost",
                with(entries(), [come(&later, Want::Drop(LOST))]),
            ),
        ]
    });
}

#[test]
fn a_verdict_is_told_of_endpoint_0() {
    need!(Need::Root, Need::Tool("clang"), Need::Tool("bpftool"));
    let mut host = Host::new();
    for net in Net::BOTH.map(Net::of) {
        let told = |host: &mut Host, entries: Vec<Step>| {
            host.reset();
            for step in judged(entries) {
                let Step::Node(step) = step else {
                    panic!("{step:?}")
                };
                take(host, &step).unwrap();
            }
            host.bench.events();
            let asked = tcp((net.world, 1000), (net.node, 22), SYN);
            host.receive(&on_link(&asked, false));
            let told = host
                .bench
                .events()
                .into_iter()
                .filter_map(|event| match event {
                    Event::Verdict(it) => Some((
                        it.header.lxc_id,
                        it.verdict,
                        it.policy_rule,
                        it.policy_revision,
                    )),
                    _ => None,
                });
            told.collect::<Vec<_>>()
        };
        let open = OpenPort {
            port: 22,
            protocol: TCP,
            direction: IN,
        };
        let open = Step::Node(NodeStep::Open(open));
        assert_eq!(told(&mut host, vec![]), [(0, POLICY, 0, REVISION)]);
        assert_eq!(
            told(&mut host, vec![allow(IN, 0, Traffic::Any)]),
            [(0, 0, 7, REVISION)]
        );
        // Open by no rule.
        assert_eq!(told(&mut host, vec![open]), [(0, 0, 0, REVISION)]);
    }
}
