//! Events and counters in the conntrack: what each option adds or takes away.

use ep_builder::abi::VerdictEvent;
use ep_builder::events::{Event, Kind};
use ep_builder::maps::{Decision, Direction, Ports, Traffic};
use weir_tests::need;
use weir_tests::need::Need;

use super::Net;
use super::build::*;
use super::scenario::{Step, Want, allow, check, from, opened, rule, scenario, to};
use crate::bench::{Bench, POD};

const OUT: Direction = Direction::Egress;

/// Lines of `weir.toml`, and the events of each packet below as letters: t a trace, v a verdict, d a drop,
/// D a debug message.
type Row = (&'static str, [&'static str; 5]);

const ROWS: &[Row] = &[
    ("", ["tvt", "tt", "tt", "tvd", "tvt"]),
    ("trace_notification = false", ["v", "", "", "vd", "v"]),
    (
        "policy_verdict_notification = false",
        ["tt", "tt", "tt", "td", "tt"],
    ),
    (
        "drop_notification = false",
        ["tvt", "tt", "tt", "tv", "tvt"],
    ),
    ("monitor_aggregation = 1", ["vt", "t", "t", "vd", "vt"]),
    ("monitor_aggregation = 2", ["vt", "t", "", "vd", "vt"]),
    ("monitor_aggregation = 3", ["vt", "t", "", "vd", "vt"]),
    ("monitor_aggregation = 4", ["vt", "", "", "vd", "vt"]),
    ("debug = true", ["Dtvt", "Dtt", "Dtt", "Dtvd", "Dtvt"]),
    ("debug_policy = true", ["tvDt", "tt", "tt", "tvDd", "tvDt"]),
    (
        "policy_audit_mode = true",
        ["tvt", "tt", "tt", "tvt", "tvt"],
    ),
];

fn letters(events: &[Event]) -> String {
    let letter = |event: &Event| match event.kind() {
        Kind::Drop => 'd',
        Kind::Trace => 't',
        Kind::Verdict => 'v',
        Kind::Debug => 'D',
    };
    events.iter().map(letter).collect()
}

/// The first packet of a connection, its answer, the answer again, one that policy drops, and a new one.
fn packets(net: Net) -> [(&'static str, Packet); 5] {
    let (pod, peer) = ((net.pod, 1000), (net.world, 80));
    [
        ("from-container", udp(pod, peer)),
        ("to-container", udp(peer, pod)),
        ("to-container", udp(peer, pod)),
        ("to-container", udp((net.world, 81), pod)),
        ("from-container", udp(pod, (net.world, 82))),
    ]
}

#[test]
fn options_decide_which_events_there_are() {
    need!(Need::Root, Need::Tool("clang"));
    for (lines, want) in ROWS {
        let mut bench = Bench::new(&format!("[options]\n{lines}\n"));
        for net in Net::BOTH.map(Net::of) {
            check(
                &mut bench,
                &[scenario(
                    "rules",
                    [allow(Direction::Egress, 0, Traffic::Any)],
                )],
            );
            let found = packets(net).map(|(section, packet)| {
                bench.run(section, &packet.bytes(), 0);
                letters(&bench.events())
            });
            assert_eq!(
                &found.each_ref().map(String::as_str),
                want,
                "{}",
                net.name(lines)
            );
        }
    }
}

/// The one verdict event since the last look.
fn verdict(bench: &mut Bench) -> VerdictEvent {
    let events = bench.events();
    let verdicts = events.iter().filter_map(|event| match event {
        Event::Verdict(verdict) => Some(*verdict),
        _ => None,
    });
    let verdicts: Vec<_> = verdicts.collect();
    assert_eq!(verdicts.len(), 1, "{events:?}");
    verdicts[0]
}

#[test]
fn verdicts_name_peer_rule_and_revision() {
    need!(Need::Root, Need::Tool("clang"));
    let mut bench = Bench::new("");
    let port = Traffic::Ports(Ports::one(UDP, 80));
    // The entries for the peer (rule 7) and for anybody (rule 8), and how much the finer one fixes.
    let rows = [
        (Traffic::Protocol(UDP), port, (8, 24)),
        (port, Traffic::Protocol(UDP), (7, 24)),
        (Traffic::Any, Traffic::Any, (7, 0)),
    ];
    for (net, (peers, anybodys, want)) in Net::BOTH
        .map(Net::of)
        .into_iter()
        .flat_map(|net| rows.map(|row| (net, row)))
    {
        let packet = udp((net.pod, 1000), (net.world, 80));
        let known = Step::Known(net.world, 300);
        let rules = [known, allow(OUT, 300, peers), Step::Revision(POD, 9)];
        check(&mut bench, &[scenario("rules", rules)]);
        let mut policy = bench.maps.policy(POD.try_into().unwrap()).unwrap();
        let decision = Decision {
            deny: false,
            rule: 8,
        };
        policy.insert(9, &rule(OUT, 0, anybodys), decision).unwrap();
        bench.run("from-container", &packet.bytes(), 0);
        let verdict = verdict(&mut bench);
        assert_eq!(
            (verdict.policy_rule, verdict.match_bits),
            want,
            "{peers:?} {anybodys:?}"
        );
        assert_eq!((verdict.remote_identity, verdict.policy_revision), (300, 9));
        let rest = (
            verdict.verdict,
            verdict.protocol,
            u16::from_be(verdict.dport),
        );
        assert_eq!(rest, (0, UDP, 80));
        assert_eq!(
            (verdict.header.subtype, verdict.flags),
            (2, u8::from(net.is_ipv6))
        );
    }
}

#[test]
fn accounting_counts_each_side() {
    need!(Need::Root, Need::Tool("clang"));
    for (lines, want) in [
        ("", [2, 1]),
        ("[options]\nconntrack_accounting = false\n", [0, 0]),
    ] {
        let mut bench = Bench::new(lines);
        for net in Net::BOTH.map(Net::of) {
            let (pod, peer) = ((net.pod, 1000), (net.world, 80));
            let steps = [
                allow(Direction::Egress, 0, Traffic::Any),
                from(&tcp(pod, peer, SYN), Want::Stack),
                to(&tcp(peer, pod, SYN | ACK), Want::Pass),
                from(&tcp(pod, peer, ACK), Want::Stack),
            ];
            check(&mut bench, &[scenario(net.name("a handshake"), steps)]);
            let map = bench
                .map(if net.is_ipv6 {
                    "ct6_global"
                } else {
                    "ct4_global"
                })
                .unwrap();
            let key = map.keys().next().unwrap().unwrap();
            let value = map.lookup(&key).unwrap().unwrap();
            let number = |at: usize| u64::from_ne_bytes(value[at..at + 8].try_into().unwrap());
            assert_eq!([number(0), number(16)], want, "{}", net.name(lines));
            assert_eq!(
                [value[62], value[63]],
                [SYN | ACK, SYN | ACK],
                "{}",
                net.name(lines)
            );
        }
    }
}

/// Packets of connections that are known, and one that is dropped: the section that sees it first, and the packet.
fn known(net: Net) -> [(&'static str, Packet); 4] {
    let (pod, peer) = ((net.pod, 1000), (net.world, 80));
    [
        ("from-container", udp(pod, peer)),
        ("to-container", udp(peer, pod)),
        ("from-container", udp(pod, (net.other, 80))),
        ("from-container", udp(peer, pod)),
    ]
}

#[test]
fn events_that_find_no_room_are_counted_one_by_one() {
    need!(Need::Root, Need::Tool("clang"));
    let mut bench = Bench::new("");
    let lost = |bench: &Bench| bench.maps.metrics().unwrap().lost_events().unwrap();
    for net in Net::BOTH.map(Net::of) {
        let steps = opened([Step::Local(net.other, false)]);
        check(&mut bench, &[scenario("open", steps)]);
        let packets = known(net).map(|(section, packet)| (section, packet.bytes()));
        let sent = packets.each_ref().map(|(section, packet)| {
            bench.run(section, packet, 0);
            bench.events();
            bench.run(section, packet, 0);
            letters(&bench.events())
        });
        assert_eq!(
            sent.each_ref().map(String::as_str),
            ["tt", "tt", "tt", "td"]
        );
        // Nobody reads, until there is no room for the smallest of them.
        while lost(&bench) == 0 {
            bench.run(packets[0].0, &packets[0].1, 0);
        }
        for ((section, packet), letters) in packets.iter().zip(&sent) {
            let before = lost(&bench);
            bench.run(section, packet, 0);
            let name = net.name(letters);
            assert_eq!(lost(&bench) - before, letters.len() as u64, "{name}");
        }
        bench.reset();
    }
}
