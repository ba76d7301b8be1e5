//! Two generations of a policy in one map: each packet sees one of them.

use ep_builder::maps::{Direction, Traffic};

use super::build::*;
use super::run;
use super::scenario::{Step, Want, from, rule, scenario, to};
use crate::bench::POD;

const POLICY: u8 = 133;
const DENIED: u8 = 181;
const PEER: u32 = 300;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;
const ALL: Traffic = Traffic::Any;

/// Under revision 5 anybody may be reached, and a denial of the peer is in the map for revision 6.
fn both(peer: std::net::IpAddr) -> [Step; 5] {
    [
        Step::Known(peer, PEER),
        Step::RuleAt(5, rule(OUT, 0, ALL), false),
        Step::RuleAt(6, rule(OUT, 0, ALL), false),
        Step::RuleAt(6, rule(OUT, PEER, ALL), true),
        Step::At(5),
    ]
}

#[test]
fn a_packet_sees_the_entries_of_its_revision() {
    run(|net| {
        let there = |port| udp((net.pod, 1000), (net.world, port));
        let row = |what: &str, steps: &[Step]| {
            scenario(net.name(what), [&both(net.world)[..], steps].concat())
        };
        vec![
            row(
                "the old one, then the new one",
                &[
                    from(&there(80), Want::Stack),
                    Step::At(6),
                    from(&there(81), Want::Drop(DENIED)),
                ],
            ),
            row(
                "the new one, then the old one again",
                &[
                    Step::At(6),
                    from(&there(80), Want::Drop(DENIED)),
                    Step::At(5),
                    from(&there(80), Want::Stack),
                ],
            ),
            row(
                "a revision without entries",
                &[Step::At(7), from(&there(80), Want::Drop(POLICY))],
            ),
            row(
                "revision 0 is one like others",
                &[
                    Step::At(0),
                    from(&there(80), Want::Drop(POLICY)),
                    Step::RuleAt(0, rule(OUT, 0, ALL), false),
                    from(&there(80), Want::Stack),
                ],
            ),
            row(
                "a large one",
                &[
                    Step::At(u32::MAX),
                    from(&there(80), Want::Drop(POLICY)),
                    Step::RuleAt(u32::MAX, rule(OUT, PEER, ALL), false),
                    from(&there(80), Want::Stack),
                ],
            ),
        ]
    });
}

#[test]
fn a_connection_goes_over_to_the_new_generation() {
    run(|net| {
        let (there, back) = (
            udp((net.pod, 1000), (net.world, 80)),
            udp((net.world, 80), (net.pod, 1000)),
        );
        let row = |what: &str, steps: &[Step]| {
            let open = [from(&there, Want::Stack), to(&back, Want::Pass)];
            scenario(
                net.name(what),
                [&both(net.world)[..], &open, steps].concat(),
            )
        };
        vec![
            row(
                "the pod sends next",
                &[
                    Step::At(6),
                    from(&there, Want::Drop(DENIED)),
                    to(&back, Want::Drop(DENIED)),
                ],
            ),
            row(
                "the peer sends next",
                &[
                    Step::At(6),
                    to(&back, Want::Drop(DENIED)),
                    from(&there, Want::Drop(DENIED)),
                ],
            ),
            row(
                "a revision without entries",
                &[
                    Step::At(7),
                    to(&back, Want::Drop(POLICY)),
                    from(&there, Want::Drop(POLICY)),
                ],
            ),
            row(
                "there and back",
                &[
                    Step::At(6),
                    from(&there, Want::Drop(DENIED)),
                    Step::At(5),
                    from(&there, Want::Stack),
                    to(&back, Want::Pass),
                ],
            ),
        ]
    });
}

#[test]
fn another_entry_of_the_new_generation_may_allow_a_connection() {
    run(|net| {
        let (there, back) = (
            udp((net.pod, 1000), (net.world, 80)),
            udp((net.world, 80), (net.pod, 1000)),
        );
        let open = [from(&there, Want::Stack), to(&back, Want::Pass)];
        let row = |what: &str, steps: &[Step]| {
            scenario(
                net.name(what),
                [&both(net.world)[..], &open, steps].concat(),
            )
        };
        vec![row(
            "its own, and none for the other direction",
            &[
                Step::RuleAt(8, rule(OUT, PEER, Traffic::Protocol(UDP)), false),
                Step::RuleAt(8, rule(IN, PEER, ALL), true),
                Step::At(8),
                to(&back, Want::Pass),
                from(&there, Want::Stack),
            ],
        )]
    });
}

/// An entry that nothing has used for too long is none, and the next packet is one without a connection.
#[test]
fn what_was_idle_for_too_long_is_judged_as_new() {
    run(|net| {
        let (there, back) = (
            udp((net.pod, 1000), (net.world, 80)),
            udp((net.world, 80), (net.pod, 1000)),
        );
        let entry = rule(OUT, 0, ALL);
        let open = [
            Step::Rule(POD, entry, false),
            from(&there, Want::Stack),
            to(&back, Want::Pass),
            Step::Expired,
            Step::Tracked(1),
        ];
        let row =
            |what: &str, steps: &[Step]| scenario(net.name(what), [&open[..], steps].concat());
        vec![
            row("an answer is none", &[to(&back, Want::Drop(POLICY))]),
            row(
                "the pod opens it again, in its place",
                &[
                    from(&there, Want::Stack),
                    Step::Tracked(1),
                    to(&back, Want::Pass),
                ],
            ),
            row(
                "what is closed now stays so",
                &[Step::NoRule(POD, entry), from(&there, Want::Drop(POLICY))],
            ),
        ]
    });
}
