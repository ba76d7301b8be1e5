//! A policy that changes while connections are open.

use ep_builder::maps::{Direction, Traffic};

use super::build::*;
use super::run;
use super::scenario::{Step, Want, allow, from, mark_of, rule, scenario, to};
use crate::bench::POD;

const POLICY: u8 = 133;
const DENIED: u8 = 181;
const PEER: u32 = 300;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;

#[test]
fn a_closed_policy_reaches_the_next_packet() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let (there, back) = (udp(pod, peer), udp(peer, pod));
        let entry = rule(OUT, 0, Traffic::Any);
        let open = [
            Step::Rule(POD, entry, false),
            from(&there, Want::Stack),
            to(&back, Want::Pass),
        ];
        let row =
            |what: &str, steps: &[Step]| scenario(net.name(what), [&open[..], steps].concat());
        let closed = [Step::NoRule(POD, entry), Step::Revision(POD, 1)];
        vec![
            row(
                "the entry alone is gone: the revision stands",
                &[
                    Step::NoRule(POD, entry),
                    from(&there, Want::Stack),
                    to(&back, Want::Pass),
                ],
            ),
            row(
                "closed, then the pod sends",
                &[&closed[..], &[from(&there, Want::Drop(POLICY))]].concat(),
            ),
            row(
                "closed, then the peer answers",
                &[&closed[..], &[to(&back, Want::Drop(POLICY))]].concat(),
            ),
            row(
                "closed, then neither",
                &[
                    &closed[..],
                    &[
                        from(&there, Want::Drop(POLICY)),
                        to(&back, Want::Drop(POLICY)),
                        from(&there, Want::Drop(POLICY)),
                    ],
                ]
                .concat(),
            ),
        ]
    });
}

#[test]
fn a_changed_policy_reaches_the_next_packet() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let (there, back) = (udp(pod, peer), udp(peer, pod));
        let entry = rule(OUT, 0, Traffic::Any);
        let open = [
            Step::Rule(POD, entry, false),
            from(&there, Want::Stack),
            to(&back, Want::Pass),
        ];
        let row =
            |what: &str, steps: &[Step]| scenario(net.name(what), [&open[..], steps].concat());
        let closed = [Step::NoRule(POD, entry), Step::Revision(POD, 1)];
        let in_rule = rule(IN, 0, Traffic::Protocol(UDP));
        vec![
            row(
                "denied",
                &[
                    Step::Rule(POD, entry, true),
                    Step::Revision(POD, 1),
                    to(&back, Want::Drop(DENIED)),
                    from(&there, Want::Drop(DENIED)),
                ],
            ),
            row(
                "changed, and it is still allowed",
                &[
                    Step::Revision(POD, 1),
                    to(&back, Want::Pass),
                    from(&there, Want::Stack),
                    to(&back, Want::Pass),
                ],
            ),
            row(
                "an answer needs no rule of its own after a change",
                &[
                    Step::Rule(POD, in_rule, true),
                    Step::Revision(POD, 1),
                    to(&back, Want::Pass),
                ],
            ),
            row(
                "closed and opened again",
                &[
                    &closed[..],
                    &[
                        from(&there, Want::Drop(POLICY)),
                        Step::Rule(POD, entry, false),
                        Step::Revision(POD, 2),
                        to(&back, Want::Pass),
                    ],
                ]
                .concat(),
            ),
        ]
    });
}

#[test]
fn a_change_reaches_what_the_peer_began() {
    run(|net| {
        let (pod, peer) = ((net.pod, 1000), (net.world, 80));
        let (there, back) = (udp(pod, peer), udp(peer, pod));
        let entry = rule(OUT, 0, Traffic::Any);
        let in_rule = rule(IN, 0, Traffic::Protocol(UDP));
        vec![
            scenario(
                net.name("the peer began, whatever the pod has answered since"),
                [
                    Step::Rule(POD, entry, false),
                    Step::Rule(POD, in_rule, false),
                    to(&back, Want::Pass),
                    Step::Revision(POD, 1),
                    from(&there, Want::Stack),
                    Step::NoRule(POD, in_rule),
                    Step::Revision(POD, 2),
                    to(&back, Want::Drop(POLICY)),
                ],
            ),
            scenario(
                net.name("the peer began: its next packet"),
                [
                    Step::Rule(POD, in_rule, false),
                    to(&back, Want::Pass),
                    from(&there, Want::Stack),
                    Step::NoRule(POD, in_rule),
                    Step::Revision(POD, 1),
                    to(&back, Want::Drop(POLICY)),
                ],
            ),
            scenario(
                net.name("the peer began: the pod's next answer"),
                [
                    Step::Rule(POD, in_rule, false),
                    to(&back, Want::Pass),
                    from(&there, Want::Stack),
                    Step::NoRule(POD, in_rule),
                    Step::Revision(POD, 1),
                    from(&there, Want::Drop(POLICY)),
                ],
            ),
            scenario(
                net.name("the sender has another identity by now"),
                [
                    allow(IN, PEER, Traffic::Any),
                    Step::To(back.bytes(), mark_of(PEER), Want::Pass),
                    Step::To(back.bytes(), mark_of(PEER + 1), Want::Drop(POLICY)),
                    from(&there, Want::Stack),
                    Step::To(back.bytes(), mark_of(PEER), Want::Pass),
                ],
            ),
        ]
    });
}
