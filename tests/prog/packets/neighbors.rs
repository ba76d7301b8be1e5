//! Messages between neighbours, over IPv6.

use std::net::IpAddr;

use super::build::*;
use super::run;
use super::scenario::{Want, from, scenario, to};

const INVALID_SOURCE: u8 = 132;
const INVALID: u8 = 134;
const FORBIDDEN: u8 = 176;

/// A neighbour message about a target, with the sender's MAC.
fn neighbor(kind: u8, from: IpAddr, to: IpAddr, flags: u8, target: IpAddr, mac: [u8; 6]) -> Packet {
    let IpAddr::V6(target) = target else {
        panic!("a target of IPv6")
    };
    let option = if kind == 136 { 2 } else { 1 };
    let rest = [&[flags, 0, 0, 0][..], &target.octets(), &[option, 1], &mac].concat();
    icmp(from, to, kind, 0, &rest).ttl(255)
}

#[test]
fn neighbors_that_are_answered() {
    run(|net| {
        if !net.is_ipv6 {
            return Vec::new();
        }
        let row = |what: &str, packet: &Packet, want| scenario(what, [from(packet, want)]);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (_, local, group) = (address("::"), address("fe80::1"), address("ff02::1:ff00:1"));
        let ask = |from, target| neighbor(135, from, group, 0, target, POD_MAC);
        let answer = |to, target| {
            let packet = neighbor(136, target, to, 0xe0, target, HOST_MAC);
            Want::Answer(packet.macs(POD_MAC, HOST_MAC).bytes())
        };
        let bare = |from, target| {
            let mut packet = ask(from, target);
            packet.payload.truncate(24);
            let rest = packet.payload[4..].to_vec();
            icmp(from, group, 135, 0, &rest).ttl(255)
        };
        vec![
            row(
                "for somebody",
                &ask(net.pod, net.world),
                answer(net.pod, net.world),
            ),
            row(
                "for another pod",
                &ask(net.pod, net.other),
                answer(net.pod, net.other),
            ),
            row(
                "without the own MAC",
                &bare(net.pod, net.world),
                answer(net.pod, net.world),
            ),
            row(
                "from the link-local address",
                &ask(local, net.world),
                answer(local, net.world),
            ),
        ]
    });
}

#[test]
fn neighbors_whom_nobody_answers() {
    run(|net| {
        if !net.is_ipv6 {
            return Vec::new();
        }
        let row = |what: &str, packet: &Packet, want| scenario(what, [from(packet, want)]);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (nobody, local, group) = (address("::"), address("fe80::1"), address("ff02::1:ff00:1"));
        let ask = |from, target| neighbor(135, from, group, 0, target, POD_MAC);
        let short = icmp(net.pod, group, 135, 0, &[0; 12]).ttl(255);
        vec![
            row("for the pod itself", &ask(net.pod, net.pod), Want::Unmarked),
            row(
                "whether an address is free",
                &ask(nobody, local),
                Want::Unmarked,
            ),
            row("for a group", &ask(net.pod, group), Want::Drop(INVALID)),
            row(
                "from farther away",
                &ask(net.pod, net.world).ttl(254),
                Want::Drop(INVALID),
            ),
            row("cut", &short, Want::Drop(INVALID)),
        ]
    });
}

#[test]
fn what_the_pod_tells_its_neighbors() {
    run(|net| {
        if !net.is_ipv6 {
            return Vec::new();
        }
        let row = |what: &str, packet: &Packet, want| scenario(what, [from(packet, want)]);
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (_, local, _) = (address("::"), address("fe80::1"), address("ff02::1:ff00:1"));
        let tell = |target| neighbor(136, net.pod, net.world, 0x60, target, POD_MAC);
        vec![
            row("an answer of the pod", &tell(net.pod), Want::Unmarked),
            row(
                "an answer for its link-local address",
                &tell(local),
                Want::Unmarked,
            ),
            row(
                "a forged answer",
                &tell(net.other),
                Want::Drop(INVALID_SOURCE),
            ),
            row(
                "a router is asked for",
                &icmp(net.pod, address("ff02::2"), 133, 0, &[0; 4]).ttl(255),
                Want::Unmarked,
            ),
            row(
                "the pod as a router",
                &icmp(local, address("ff02::1"), 134, 0, &[0; 12]).ttl(255),
                Want::Drop(FORBIDDEN),
            ),
            row(
                "the pod redirects",
                &icmp(local, net.world, 137, 0, &[0; 36]).ttl(255),
                Want::Drop(FORBIDDEN),
            ),
            row(
                "a group's listener",
                &icmp(local, address("ff02::16"), 143, 0, &[0; 4]).ttl(1),
                Want::Unmarked,
            ),
            row(
                "one from farther away",
                &icmp(net.pod, address("ff02::16"), 143, 0, &[0; 4]).ttl(1),
                Want::Drop(INVALID),
            ),
        ]
    });
}

#[test]
fn what_neighbors_tell_the_pod() {
    run(|net| {
        if !net.is_ipv6 {
            return Vec::new();
        }
        let address = |text: &str| -> IpAddr { text.parse().unwrap() };
        let (_, local, _) = (address("::"), address("fe80::1"), address("ff02::1:ff00:1"));
        vec![
            scenario(
                "to the pod",
                [to(
                    &neighbor(135, local, net.pod, 0, net.pod, HOST_MAC),
                    Want::Pass,
                )],
            ),
            scenario(
                "a router to the pod",
                [to(
                    &icmp(local, net.pod, 134, 0, &[0; 12]).ttl(255),
                    Want::Pass,
                )],
            ),
            scenario(
                "to the pod, from farther away",
                [to(
                    &neighbor(135, net.world, net.pod, 0, net.pod, HOST_MAC).ttl(60),
                    Want::Drop(INVALID),
                )],
            ),
        ]
    });
}
