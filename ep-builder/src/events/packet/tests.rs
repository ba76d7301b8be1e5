use proptest::prelude::*;

use super::*;
use std::net::Ipv6Addr;

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const A4: [u8; 4] = [10, 0, 0, 1];
const B4: [u8; 4] = [10, 0, 0, 2];

fn frame(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    [&MACS[..], &ethertype.to_be_bytes(), payload].concat()
}

/// An IPv4 packet with `options` and these flags and offset.
fn ipv4(protocol: u8, place: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let total = u16::try_from(header + payload.len()).unwrap();
    let first = 0x40 | u8::try_from(header / 4).unwrap();
    let [total_high, total_low] = total.to_be_bytes();
    let [place_high, place_low] = place.to_be_bytes();
    let fixed = [
        first, 0, total_high, total_low, 0, 7, place_high, place_low, 64, protocol, 0, 0,
    ];
    frame(0x0800, &[&fixed[..], &A4, &B4, options, payload].concat())
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(payload.len()).unwrap().to_be_bytes();
    let source: Ipv6Addr = "fd00::1".parse().unwrap();
    let destination: Ipv6Addr = "fd00::2".parse().unwrap();
    let fixed = [0x60, 0, 0, 0, high, low, next, 64];
    frame(
        0x86dd,
        &[&fixed[..], &source.octets(), &destination.octets(), payload].concat(),
    )
}

fn tcp(flags: u8) -> Vec<u8> {
    let mut header = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags];
    header.resize(20, 0);
    header
}

const UDP: [u8; 8] = [0x9c, 0x40, 0, 53, 0, 8, 0, 0];

/// An extension header of eight bytes.
fn extension(next: u8) -> [u8; 8] {
    [next, 0, 1, 4, 0, 0, 0, 0]
}

fn fragment_header(next: u8, place: u16) -> [u8; 8] {
    let [high, low] = place.to_be_bytes();
    [next, 0, high, low, 0, 0, 0, 9]
}

#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let frame = Frame::decode(bytes).expect("it has an Ethernet header");
    assert_eq!(frame.to_string(), expected);
}

#[test]
fn packets_are_told_in_a_line() {
    let v4 = "10.0.0.1 -> 10.0.0.2";
    check(
        &ipv4(6, 0, &[], &tcp(0x02)),
        "10.0.0.1:40000 -> 10.0.0.2:80 tcp SYN",
    );
    check(
        &ipv4(6, 0, &[1; 8], &tcp(0x18)),
        "10.0.0.1:40000 -> 10.0.0.2:80 tcp PSH|ACK",
    );
    check(&ipv4(17, 0, &[], &UDP), "10.0.0.1:40000 -> 10.0.0.2:53 udp");
    check(
        &ipv4(132, 0, &[], &UDP),
        "10.0.0.1:40000 -> 10.0.0.2:53 sctp",
    );
    check(
        &ipv4(1, 0, &[], &[8, 0, 0, 0]),
        &format!("{v4} icmp echo-request"),
    );
    check(
        &ipv4(1, 0, &[], &[3, 4, 0, 0]),
        &format!("{v4} icmp unreachable code 4"),
    );
    check(
        &ipv4(1, 0, &[], &[99, 1]),
        &format!("{v4} icmp type 99 code 1"),
    );
    check(&ipv4(47, 0, &[], &[]), &format!("{v4} gre"));
    check(&ipv4(250, 0, &[], &[]), &format!("{v4} 250"));
}

#[test]
fn ipv6_is_read_past_its_extension_headers() {
    let tcp = tcp(0x10);
    let line = "[fd00::1]:40000 -> [fd00::2]:80 tcp ACK";
    check(&ipv6(6, &tcp), line);
    let chain = [
        &extension(43)[..],
        &extension(60),
        &extension(51),
        &extension(6),
        &tcp,
    ];
    check(&ipv6(0, &chain.concat()), line);
    // An authentication header of 16 bytes: its length says 2.
    let long = [&[6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &tcp];
    check(&ipv6(51, &long.concat()), line);
    check(
        &ipv6(58, &[135, 0]),
        "fd00::1 -> fd00::2 icmp6 neighbor-solicitation",
    );
    check(&ipv6(59, &[]), "fd00::1 -> fd00::2 59");
    // A header that says it is longer than the packet stays what it is.
    check(
        &ipv6(0, &[6, 200, 0, 0, 0, 0, 0, 0]),
        "fd00::1 -> fd00::2 0",
    );
}

#[test]
fn fragments_say_where_they_belong() {
    check(
        &ipv4(17, 0x2000, &[], &UDP),
        "10.0.0.1:40000 -> 10.0.0.2:53 udp fragment at 0",
    );
    check(
        &ipv4(17, 185, &[], &UDP),
        "10.0.0.1 -> 10.0.0.2 udp fragment at 1480, the last",
    );
    let first = [&fragment_header(17, 1)[..], &UDP].concat();
    check(
        &ipv6(44, &first),
        "[fd00::1]:40000 -> [fd00::2]:53 udp fragment at 0",
    );
    let later = [&fragment_header(0, 0x05c8 | 1)[..], &UDP].concat();
    check(&ipv6(44, &later), "fd00::1 -> fd00::2 0 fragment at 1480");
    let packet = Frame::decode(&ipv6(44, &later)).unwrap();
    assert_eq!(packet.ip().unwrap().fragment.unwrap().id, 9);
}

#[test]
fn other_frames_are_told_by_their_addresses() {
    let arp = |operation: u8| {
        [
            &[0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 1][..],
            &A4,
            &[0; 6],
            &B4,
        ]
        .concat()
    };
    check(
        &frame(0x0806, &arp(1)),
        "arp who-has 10.0.0.2 tell 10.0.0.1",
    );
    check(
        &frame(0x0806, &arp(2)),
        "arp 10.0.0.1 is-at 02:00:00:00:00:01",
    );
    check(
        &frame(0x0806, &arp(9)),
        "arp operation 9 10.0.0.1 -> 10.0.0.2",
    );
    let macs = "02:00:00:00:00:01 -> 02:00:00:00:00:02";
    check(&frame(0x88cc, &[]), &format!("{macs} ethertype 0x88cc"));
    check(
        &frame(0x8100, &[0x20, 5, 0x88, 0xcc]),
        &format!("vlan 5 {macs} ethertype 0x88cc"),
    );
    check(
        &frame(0x0806, &[0, 6]),
        &format!("{macs} broken arp header"),
    );
    check(
        &frame(0x0800, &[0x45]),
        &format!("{macs} broken ipv4 header"),
    );
    check(
        &frame(0x0800, &[0x55; 20]),
        &format!("{macs} broken ipv4 header"),
    );
    check(
        &frame(0x0800, &[0x44; 20]),
        &format!("{macs} broken ipv4 header"),
    );
    check(
        &frame(0x86dd, &[0x45; 40]),
        &format!("{macs} broken ipv6 header"),
    );
}

#[test]
fn what_is_cut_short_is_said() {
    let whole = ipv4(6, 0, &[], &tcp(0x02));
    check(
        &whole[..14 + 20 + 13],
        "10.0.0.1 -> 10.0.0.2 tcp broken header",
    );
    // Bytes behind the length that the header says are padding, not ports.
    let mut padded = ipv4(17, 0, &[], &[]);
    padded.extend(UDP);
    check(&padded, "10.0.0.1 -> 10.0.0.2 udp broken header");
    // Segmentation offload: the field is zero, the packet goes on.
    let mut large = ipv4(17, 0, &[], &UDP);
    large[16..18].fill(0);
    check(&large, "10.0.0.1:40000 -> 10.0.0.2:53 udp");
    assert_eq!(Frame::decode(&whole[..13]), None);
}

/// Bytes that are a packet up to somewhere, or none at all.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let noise = proptest::collection::vec(any::<u8>(), 0..160);
    let ethertypes = prop::sample::select(vec![0x0800_u16, 0x86dd, 0x0806, 0x8100, 0x88a8]);
    let next = prop::sample::select(vec![0_u8, 6, 17, 43, 44, 50, 51, 58, 60, 132, 135]);
    prop_oneof![
        noise.clone(),
        (ethertypes, noise.clone()).prop_map(|(ethertype, noise)| frame(ethertype, &noise)),
        (next.clone(), any::<u16>(), noise.clone()).prop_map(|(next, place, noise)| ipv4(
            next,
            place,
            &[],
            &noise
        )),
        (next, noise).prop_map(|(next, noise)| ipv6(next, &noise)),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_and_told(bytes in packets(), cut in 0_usize..200) {
        let bytes = &bytes[..cut.min(bytes.len())];
        let frame = Frame::decode(bytes);
        prop_assert_eq!(frame.is_some(), bytes.len() >= 14);
        prop_assert!(frame.is_none_or(|frame| !frame.to_string().is_empty()));
    }

    #[test]
    fn a_longer_capture_says_no_other_ports(bytes in packets(), cut in 0_usize..200) {
        let ports = |bytes: &[u8]| Frame::decode(bytes)?.ip()?.transport.ports();
        let cut = cut.min(bytes.len());
        if let Some(found) = ports(&bytes[..cut]) {
            prop_assert_eq!(ports(&bytes), Some(found));
        }
    }
}
