//! Layer 2: frames, marks and ARP; and the types of ICMP.

use std::net::IpAddr;

use super::build::*;
use super::run;
use super::scenario::{Scenario, Step, Want, from, opened, passed_mark, scenario, to};
use crate::bench::{OTHER, POD};

const INVALID_MAC: u8 = 130;
const INVALID_SOURCE: u8 = 132;
const INVALID: u8 = 134;
const UNKNOWN_L3: u8 = 139;
const UNKNOWN_CODE: [u8; 2] = [143, 145];
const UNKNOWN_TYPE: [u8; 2] = [144, 146];
const UNSUPPORTED_L2: u8 = 166;
const VLAN: u8 = 182;

#[test]
fn frames_of_the_pod() {
    run(|net| {
        let packet = udp((net.pod, 1000), (net.world, 80));
        let row = |what: &str, packet: Packet, want| {
            scenario(net.name(what), opened([from(&packet, want)]))
        };
        vec![
            row(
                "another MAC",
                packet.clone().macs(HOST_MAC, OTHER_MAC),
                Want::Drop(INVALID_MAC),
            ),
            row(
                "no MAC",
                packet.clone().macs(HOST_MAC, [0; 6]),
                Want::Drop(INVALID_MAC),
            ),
            row(
                "any receiver's MAC",
                packet.clone().macs([0xff; 6], POD_MAC),
                Want::Stack,
            ),
            row(
                "a VLAN tag",
                packet.clone().ethertype(0x8100),
                Want::Drop(VLAN),
            ),
            row(
                "a provider's VLAN tag",
                packet.clone().ethertype(0x88a8),
                Want::Drop(VLAN),
            ),
            row(
                "an unknown protocol",
                packet.clone().ethertype(0x88cc),
                Want::Drop(UNKNOWN_L3),
            ),
            row(
                "a length in place of a type",
                packet.clone().ethertype(100),
                Want::Drop(UNSUPPORTED_L2),
            ),
        ]
    });
}

#[test]
fn frames_to_the_pod() {
    run(|net| {
        let back = |what: &str, packet: Packet, want| {
            scenario(net.name(what), opened([to(&packet, want)]))
        };
        let answer = udp((net.world, 80), (net.pod, 1000));
        vec![
            back(
                "to the pod: an unknown protocol",
                answer.clone().ethertype(0x88cc),
                Want::Drop(UNKNOWN_L3),
            ),
            back(
                "to the pod: a length in place of a type",
                answer.clone().ethertype(0),
                Want::Drop(UNSUPPORTED_L2),
            ),
            back(
                "to the pod: from any MAC",
                answer.clone().macs(POD_MAC, [7; 6]),
                Want::Pass,
            ),
            back(
                "to the pod: cut",
                answer.cut(if net.is_ipv6 { 54 } else { 34 }),
                Want::Drop(INVALID),
            ),
        ]
    });
}

#[test]
fn marks_of_what_the_pod_s_own_programs_have_seen() {
    run(|net| {
        let packet = udp((net.world, 80), (net.pod, 1000)).bytes();
        let with = |mark, want| vec![Step::To(packet.clone(), mark, want)];
        vec![
            scenario(
                net.name("passed here"),
                with(passed_mark(POD), Want::Uncounted),
            ),
            scenario(
                net.name("passed at another pod"),
                with(passed_mark(OTHER), Want::Drop(133)),
            ),
            scenario(
                net.name("somebody else's mark"),
                with(0x4000, Want::Drop(133)),
            ),
        ]
    });
}

#[test]
fn arp_that_is_answered() {
    run(|net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let (pod, _) = ((POD_MAC, net.pod), ([0; 6], net.pod));
        let row = |what: &str, frame: Vec<u8>, want| scenario(what, [Step::From(frame, want)]);
        let ask = |sender, target: IpAddr| arp(1, sender, ([0; 6], target));
        let answer = |target| {
            let mut frame = arp(2, (HOST_MAC, target), pod);
            frame[..6].copy_from_slice(&POD_MAC);
            Want::Answer(frame)
        };
        vec![
            row("for somebody", ask(pod, net.world), answer(net.world)),
            row("for another pod", ask(pod, net.other), answer(net.other)),
            row("for the pod itself", ask(pod, net.pod), Want::Unmarked),
        ]
    });
}

#[test]
fn arp_that_passes() {
    run(|net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let (pod, _) = ((POD_MAC, net.pod), ([0; 6], net.pod));
        let row = |what: &str, frame: Vec<u8>, want| scenario(what, [Step::From(frame, want)]);
        let ask = |sender, target: IpAddr| arp(1, sender, ([0; 6], target));
        let zero: IpAddr = "0.0.0.0".parse().unwrap();
        let patched = |at: usize, octet: u8| {
            let mut frame = ask(pod, net.world);
            frame[at] = octet;
            frame
        };
        vec![
            row(
                "a probe for the pod's address",
                ask((POD_MAC, zero), net.pod),
                Want::Unmarked,
            ),
            row(
                "from another pod's address",
                ask((POD_MAC, net.other), net.world),
                Want::Drop(INVALID_SOURCE),
            ),
            row(
                "from another MAC within",
                patched(22, 9),
                Want::Drop(INVALID_MAC),
            ),
        ]
    });
}

#[test]
fn arp_that_is_dropped() {
    run(|net| {
        if net.is_ipv6 {
            return Vec::new();
        }
        let (pod, none) = ((POD_MAC, net.pod), ([0; 6], net.pod));
        let row = |what: &str, frame: Vec<u8>, want| scenario(what, [Step::From(frame, want)]);
        let ask = |sender, target: IpAddr| arp(1, sender, ([0; 6], target));
        let patched = |at: usize, octet: u8| {
            let mut frame = ask(pod, net.world);
            frame[at] = octet;
            frame
        };
        vec![
            row(
                "an answer of the pod",
                arp(2, pod, (HOST_MAC, net.world)),
                Want::Unmarked,
            ),
            row(
                "a forged answer",
                arp(2, (POD_MAC, net.other), none),
                Want::Drop(INVALID_SOURCE),
            ),
            row("for no Ethernet", patched(15, 6), Want::Drop(INVALID)),
            row("for no IPv4", patched(17, 1), Want::Drop(INVALID)),
            row("MACs of 8 octets", patched(18, 8), Want::Drop(INVALID)),
            row(
                "addresses of 16 octets",
                patched(19, 16),
                Want::Drop(INVALID),
            ),
            row(
                "cut",
                ask(pod, net.world)[..41].to_vec(),
                Want::Drop(INVALID),
            ),
            scenario(
                "to the pod",
                [Step::To(ask((HOST_MAC, net.world), net.pod), 0, Want::Pass)],
            ),
        ]
    });
}

#[test]
fn messages_of_icmp() {
    run(|net| {
        let at = usize::from(net.is_ipv6);
        let row = |what: &str, kind, code, want| -> Scenario {
            let about = udp((net.world, 80), (net.pod, 1000)).bytes();
            let rest = [&[0; 4][..], &about[14..]].concat();
            scenario(
                net.name(&format!("{what} (type {kind}, code {code})")),
                opened([from(&icmp(net.pod, net.world, kind, code, &rest), want)]),
            )
        };
        let (errors, unknown): (&[(u8, u8)], &[u8]) = if net.is_ipv6 {
            (
                &[(1, 8), (2, 0), (3, 1), (4, 10)],
                &[0, 5, 127, 138, 139, 140, 144, 255],
            )
        } else {
            (
                &[(3, 15), (11, 1), (12, 2)],
                &[1, 2, 4, 5, 6, 9, 10, 13, 14, 17, 40, 255],
            )
        };
        let mut rows = Vec::new();
        for (kind, highest) in errors {
            rows.push(row("an error", *kind, *highest, Want::Stack));
            rows.push(row(
                "an unknown code",
                *kind,
                highest + 1,
                Want::Drop(UNKNOWN_CODE[at]),
            ));
        }
        rows.extend(
            unknown
                .iter()
                .map(|kind| row("an unknown type", *kind, 0, Want::Drop(UNKNOWN_TYPE[at]))),
        );
        rows
    });
}
