//! Headers of IPv4, IPv6 and above: sound, odd and broken ones.

use ep_builder::maps::{Direction, Traffic};

use super::build::*;
use super::scenario::{Scenario, Want, allow, from, opened, scenario, to};
use super::{Net, run};

const INVALID_SOURCE: u8 = 132;
const INVALID: u8 = 134;
const BAD_TRANSPORT: u8 = 135;
const BAD_EXTENSION: u8 = 156;
const NO_FIRST_FRAGMENT: u8 = 175;
const POLICY: u8 = 133;

/// A packet of the pod to the world, and what must come of it where everything is allowed.
fn sent(net: Net, what: &str, packet: &Packet, want: Want) -> Scenario {
    scenario(net.name(what), opened([from(packet, want)]))
}

#[test]
fn sources_are_the_pod_s_own() {
    run(|net| {
        let tcp = |source| tcp((source, 1000), (net.world, 80), SYN);
        let other = if net.is_ipv6 { "::" } else { "0.0.0.0" }.parse().unwrap();
        vec![
            sent(net, "the pod's address", &tcp(net.pod), Want::Stack),
            sent(
                net,
                "another pod's address",
                &tcp(net.other),
                Want::Drop(INVALID_SOURCE),
            ),
            sent(net, "no address", &tcp(other), Want::Drop(INVALID_SOURCE)),
            sent(
                net,
                "the receiver's address",
                &tcp(net.world),
                Want::Drop(INVALID_SOURCE),
            ),
        ]
    });
}

#[test]
fn transports_that_are_whole_pass_and_cut_ones_do_not() {
    run(|net| {
        let (pod, world) = ((net.pod, 1000), (net.world, 80));
        let raw =
            |protocol, length: usize| Packet::new(net.pod, net.world, protocol, vec![0x50; length]);
        let mut rows = vec![
            sent(net, "TCP", &tcp(pod, world, SYN), Want::Stack),
            sent(net, "UDP", &udp(pod, world), Want::Stack),
            sent(net, "SCTP", &sctp(pod, world), Want::Stack),
            sent(
                net,
                "an echo",
                &echo(net.pod, net.world, 5, true),
                Want::Stack,
            ),
            sent(net, "a protocol without ports", &raw(47, 4), Want::Stack),
            sent(net, "a protocol without anything", &raw(47, 0), Want::Stack),
            sent(net, "an empty UDP packet", &raw(UDP, 8), Want::Stack),
            sent(net, "a large UDP packet", &raw(UDP, 3000), Want::Stack),
        ];
        let icmp = if net.is_ipv6 { ICMPV6 } else { ICMP };
        for (name, protocol, whole) in [
            ("TCP", TCP, 20),
            ("UDP", UDP, 8),
            ("SCTP", SCTP, 8),
            ("ICMP", icmp, 8),
        ] {
            for length in [0, 1, whole - 1] {
                let what = format!("{length} bytes of {name}");
                rows.push(sent(
                    net,
                    &what,
                    &raw(protocol, length),
                    Want::Drop(BAD_TRANSPORT),
                ));
            }
        }
        let mut short = tcp(pod, world, SYN);
        short.payload[12] = 0x40;
        rows.push(sent(
            net,
            "a TCP header of 16 bytes",
            &short,
            Want::Drop(BAD_TRANSPORT),
        ));
        rows
    });
}

#[test]
fn lengths_agree_with_the_frame() {
    run(|net| {
        let packet = udp((net.pod, 1000), (net.world, 80));
        let length = packet.bytes().len();
        let field = if net.is_ipv6 { 18 } else { 16 };
        let header = if net.is_ipv6 { 54 } else { 34 };
        vec![
            sent(
                net,
                "padding behind it",
                &packet.clone().padding(18),
                Want::Stack,
            ),
            sent(
                net,
                "one byte is missing",
                &packet.clone().cut(length - 1),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "the header alone",
                &packet.clone().cut(header),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "the length of a larger packet",
                &packet.clone().patch(field, &[1, 0]),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "version 0",
                &packet.clone().patch(14, &[0x05]),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "version 15",
                &packet.clone().patch(14, &[0xf5]),
                Want::Drop(INVALID),
            ),
        ]
    });
}

#[test]
fn lengths_of_ipv4_agree_with_one_another() {
    run(|net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let packet = udp((net.pod, 1000), (net.world, 80));
        let field = 16;
        vec![
            sent(
                net,
                "a header of 16 bytes",
                &packet.clone().patch(14, &[0x44]),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "a header longer than the packet",
                &packet.clone().patch(14, &[0x4f]),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "a length of 0",
                &packet.clone().patch(field, &[0, 0]),
                Want::Drop(INVALID),
            ),
            sent(
                net,
                "a length of the header alone",
                &packet.patch(field, &[0, 20]),
                Want::Drop(BAD_TRANSPORT),
            ),
        ]
    });
}

#[test]
fn options_of_ipv4() {
    run(|net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let row = |what: &str, options: &[u8], want| {
            let packet = udp((net.pod, 1000), (net.world, 80)).options(options);
            sent(net, what, &packet, want)
        };
        let long = |first: &[u8]| [first, &vec![0; 40 - first.len()]].concat();
        vec![
            row("router alert", &[148, 4, 0, 0], Want::Stack),
            row("record route", &long(&[7, 39, 4]), Want::Stack),
            row(
                "record route as ping sends it",
                &long(&[1, 7, 39, 4]),
                Want::Stack,
            ),
            row("nothing but padding", &[0; 4], Want::Stack),
            row(
                "a loose source route",
                &[131, 7, 4, 10, 0, 0, 9, 0],
                Want::Drop(INVALID),
            ),
            row(
                "a strict source route",
                &[137, 7, 4, 10, 0, 0, 9, 0],
                Want::Drop(INVALID),
            ),
            row(
                "one behind a no-op",
                &[1, 131, 7, 4, 10, 0, 0, 9],
                Want::Drop(INVALID),
            ),
            row(
                "one behind another option",
                &[148, 4, 0, 0, 131, 7, 4, 10, 0, 0, 9, 0],
                Want::Drop(INVALID),
            ),
            row(
                "an option of length 0",
                &[7, 0, 0, 0, 0, 0, 0, 0],
                Want::Drop(INVALID),
            ),
        ]
    });
}

/// A packet behind extension headers, each with its number and octets.
fn chained(net: Net, what: &str, chain: &[(u8, &[u8])], want: Want) -> Scenario {
    let packet = udp((net.pod, 1000), (net.world, 80));
    let packet = chain.iter().fold(packet, |packet, (number, octets)| {
        packet.extension(*number, octets)
    });
    sent(net, what, &packet, want)
}

#[test]
fn extension_headers_of_ipv6() {
    run(|net| {
        if !net.is_ipv6 {
            return Vec::new();
        }
        let row = |what: &str, chain: &[(u8, &[u8])], want| chained(net, what, chain, want);
        let none: &[u8] = &[0, 1, 4, 0, 0, 0, 0];
        let (hop, route, options, authentication) = (0, 43, 60, 51);
        let used_up: &[u8] = &[0, 4, 0, 0, 0, 0, 0];
        let open: &[u8] = &[0, 4, 1, 0, 0, 0, 0];
        let bad = Want::Drop(BAD_EXTENSION);
        vec![
            row("options for each hop", &[(hop, none)], Want::Stack),
            row("options for the receiver", &[(options, none)], Want::Stack),
            row(
                "authentication",
                &[(
                    authentication,
                    &[
                        4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    ],
                )],
                Want::Stack,
            ),
            row(
                "all that may be",
                &[
                    (hop, none),
                    (options, none),
                    (route, used_up),
                    (authentication, none),
                    (options, none),
                ],
                Want::Stack,
            ),
            row("six", &[(options, none); 6], Want::Stack),
            row("seven", &[(options, none); 7], bad.clone()),
            row(
                "options for each hop, not first",
                &[(options, none), (hop, none)],
                bad.clone(),
            ),
            row("a route to go", &[(route, open)], bad.clone()),
            row(
                "a header longer than the packet",
                &[(options, &[9, 0, 0, 0, 0, 0, 0])],
                bad.clone(),
            ),
            row(
                "a header that is cut",
                &[(options, &[0, 0])],
                Want::Drop(BAD_TRANSPORT),
            ),
        ]
    });
}

#[test]
fn later_fragments_have_the_ports_of_the_first() {
    run(|net| {
        let first = udp((net.pod, 1000), (net.world, 80)).fragment(7, 0, true);
        let later = |id, place, more| {
            Packet::new(net.pod, net.world, UDP, vec![9; 16]).fragment(id, place, more)
        };
        let to_port = |port| Traffic::Ports(ep_builder::maps::Ports::one(UDP, port));
        vec![
            scenario(
                net.name("in order"),
                opened([
                    from(&first, Want::Stack),
                    from(&later(7, 2, true), Want::Stack),
                    from(&later(7, 4, false), Want::Stack),
                ]),
            ),
            sent(
                net,
                "without the first",
                &later(7, 2, false),
                Want::Drop(NO_FIRST_FRAGMENT),
            ),
            scenario(
                net.name("of another packet"),
                opened([
                    from(&first, Want::Stack),
                    from(&later(8, 2, false), Want::Drop(NO_FIRST_FRAGMENT)),
                ]),
            ),
            scenario(
                net.name("the policy judges each by the ports of the first"),
                [
                    allow(Direction::Egress, 0, to_port(443)),
                    from(&first, Want::Drop(POLICY)),
                    from(&later(7, 2, false), Want::Drop(POLICY)),
                ],
            ),
            scenario(
                net.name("to the pod"),
                opened([
                    to(
                        &udp((net.world, 80), (net.pod, 9)).fragment(3, 0, true),
                        Want::Pass,
                    ),
                    to(
                        &Packet::new(net.world, net.pod, UDP, vec![1; 8]).fragment(3, 1, false),
                        Want::Pass,
                    ),
                    to(
                        &Packet::new(net.world, net.pod, UDP, vec![1; 8]).fragment(4, 1, false),
                        Want::Drop(NO_FIRST_FRAGMENT),
                    ),
                ]),
            ),
        ]
    });
}

#[test]
fn odd_fragments() {
    run(|net| {
        let mut rows = vec![sent(
            net,
            "a first fragment that hides its ports",
            &Packet::new(net.pod, net.world, UDP, vec![0; 4]).fragment(1, 0, true),
            Want::Drop(BAD_TRANSPORT),
        )];
        let syn = tcp((net.pod, 1000), (net.world, 80), SYN).fragment(5, 0, true);
        let over = Packet::new(net.pod, net.world, TCP, vec![2; 8]).fragment(5, 1, false);
        rows.push(scenario(
            net.name("one over the flags of TCP"),
            opened([from(&syn, Want::Stack), from(&over, Want::Drop(INVALID))]),
        ));
        if net.is_ipv6 {
            let whole = udp((net.pod, 1000), (net.world, 80)).fragment(9, 0, false);
            rows.push(sent(
                net,
                "a fragment that is all of its packet",
                &whole,
                Want::Stack,
            ));
        } else {
            let gre = Packet::new(net.pod, net.world, 47, vec![0; 8]).fragment(9, 3, false);
            rows.push(sent(net, "of a protocol without ports", &gre, Want::Stack));
        }
        rows
    });
}
