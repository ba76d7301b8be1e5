//! Names of numbers that people know by them: those that IANA gives, in short.

const PROTOCOLS: [(u8, &str); 15] = [
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipip"),
    (6, "tcp"),
    (17, "udp"),
    (33, "dccp"),
    (41, "ipv6"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "icmp6"),
    (89, "ospf"),
    (103, "pim"),
    (132, "sctp"),
    (136, "udplite"),
];

/// A protocol above IP, by name or else by number.
pub fn protocol(number: u8) -> String {
    name(&PROTOCOLS, number).map_or_else(|| number.to_string(), str::to_owned)
}

pub(super) fn ethertype(number: u16) -> &'static str {
    match number {
        super::ETHERTYPE_IPV4 => "ipv4",
        super::ETHERTYPE_IPV6 => "ipv6",
        _ => "arp",
    }
}

const ICMP4: [(u8, &str); 11] = [
    (0, "echo-reply"),
    (3, "unreachable"),
    (4, "source-quench"),
    (5, "redirect"),
    (8, "echo-request"),
    (9, "router-advertisement"),
    (10, "router-solicitation"),
    (11, "time-exceeded"),
    (12, "parameter-problem"),
    (13, "timestamp-request"),
    (14, "timestamp-reply"),
];

const ICMP6: [(u8, &str); 15] = [
    (1, "unreachable"),
    (2, "packet-too-big"),
    (3, "time-exceeded"),
    (4, "parameter-problem"),
    (128, "echo-request"),
    (129, "echo-reply"),
    (130, "listener-query"),
    (131, "listener-report"),
    (132, "listener-done"),
    (133, "router-solicitation"),
    (134, "router-advertisement"),
    (135, "neighbor-solicitation"),
    (136, "neighbor-advertisement"),
    (137, "redirect"),
    (143, "listener-report-v2"),
];

/// A message of ICMP, or of `ICMPv6`.
pub(super) fn icmp(is_v6: bool, number: u8) -> Option<&'static str> {
    name(if is_v6 { &ICMP6 } else { &ICMP4 }, number)
}

fn name(names: &[(u8, &'static str)], number: u8) -> Option<&'static str> {
    let found = names.iter().find(|(this, _)| *this == number);
    found.map(|(_, name)| *name)
}
