//! Networks that policy names: found in the cache under the policy's revision, beside who is there.

use ep_builder::maps::{Direction, Ports, Traffic};

use super::build::*;
use super::scenario::{
    HOST_IDENTITY, Scenario, Step, Want, allow, by_node, deny, from, mark_of, rule, scenario, to,
};
use super::{Net, run};

const POLICY: u8 = 133;
const DENIED: u8 = 181;
const PEER: u32 = 300;
const WORLD: u32 = 2;

/// Numbers of networks.
const WIDE: u32 = 1 << 24;
const NARROW: u32 = WIDE + 1;
const EXCEPT: u32 = WIDE + 2;

const OUT: Direction = Direction::Egress;
const IN: Direction = Direction::Ingress;
const ALL: Traffic = Traffic::Any;

const UDP_80: Traffic = Traffic::Ports(Ports {
    protocol: UDP,
    first: 80,
    bits: 16,
});

/// Networks of revision 1 around somebody outside, or around other addresses.
fn networks(net: Net) -> [Step; 3] {
    let [wide, narrow, except] = if net.is_ipv6 {
        ["fd00::/16", "fd00::60/124", "fd00::63/128"]
    } else {
        ["10.0.0.0/8", "10.0.0.96/28", "10.0.0.99/32"]
    };
    [
        Step::Network(1, wide, WIDE),
        Step::Network(1, narrow, NARROW),
        Step::Network(1, except, EXCEPT),
    ]
}

/// Under revision 1 with some of these networks: whether the pod may send to port 80 of somebody outside.
fn out(net: Net, what: &str, known: &[Step], entries: &[Step], want: Want) -> Scenario {
    let packet = udp((net.pod, 1000), (net.world, 80));
    let steps = [&[Step::At(1)][..], known, entries, &[from(&packet, want)]];
    scenario(net.name(what), steps.concat())
}

#[test]
fn the_longest_network_counts() {
    run(|net| {
        let all = networks(net);
        let [wide, narrow, _] = all.clone();
        let either = [allow(OUT, WIDE, ALL), deny(OUT, NARROW, ALL)];
        let row =
            |what, known: &[Step], entries: &[Step], want| out(net, what, known, entries, want);
        vec![
            row(
                "no network",
                &[],
                &[allow(OUT, WIDE, ALL)],
                Want::Drop(POLICY),
            ),
            row("in it", &all[..1], &[allow(OUT, WIDE, ALL)], Want::Stack),
            row(
                "only the longest one",
                &all[..2],
                &either,
                Want::Drop(DENIED),
            ),
            row(
                "in whatever order",
                &[narrow, wide],
                &either,
                Want::Drop(DENIED),
            ),
            row(
                "the wider one alone has an entry",
                &all[..2],
                &[allow(OUT, WIDE, ALL)],
                Want::Drop(POLICY),
            ),
            row(
                "an exception",
                &all,
                &[allow(OUT, WIDE, ALL), allow(OUT, NARROW, ALL)],
                Want::Drop(POLICY),
            ),
            row(
                "an exception, and the world may",
                &all,
                &[allow(OUT, NARROW, ALL), allow(OUT, WORLD, ALL)],
                Want::Stack,
            ),
        ]
    });
}

#[test]
fn networks_are_those_of_the_revision() {
    run(|net| {
        let [wide, ..] = networks(net);
        let packet = udp((net.pod, 1000), (net.world, 80));
        let row = |what: &str, steps: &[Step]| scenario(net.name(what), steps.to_vec());
        let everywhere = if net.is_ipv6 { "::/0" } else { "0.0.0.0/0" };
        vec![
            row(
                "of another revision",
                &[
                    wide.clone(),
                    Step::At(2),
                    allow(OUT, WIDE, ALL),
                    from(&packet, Want::Drop(POLICY)),
                ],
            ),
            row(
                "another number under another revision",
                &[
                    wide,
                    Step::Network(2, everywhere, NARROW),
                    Step::At(2),
                    allow(OUT, NARROW, ALL),
                    from(&packet, Want::Stack),
                ],
            ),
            row(
                "who is there is no network",
                &[
                    Step::Known(net.world, PEER),
                    deny(OUT, 0, UDP_80),
                    allow(OUT, PEER, ALL),
                    Step::Revision(crate::bench::POD, 1),
                    from(&packet, Want::Drop(DENIED)),
                ],
            ),
            row(
                "a network says nothing of who is there",
                &[
                    Step::Network(1, everywhere, WIDE),
                    Step::At(1),
                    allow(OUT, WORLD, ALL),
                    from(&packet, Want::Stack),
                ],
            ),
        ]
    });
}

/// Three look-ups, of which the strongest entry decides.
#[test]
fn identity_network_and_anybody() {
    run(|net| {
        let known = [networks(net)[0].clone(), Step::Known(net.world, PEER)];
        let row = |what, entries: &[Step], want| out(net, what, &known, entries, want);
        let udp = Traffic::Protocol(UDP);
        vec![
            row(
                "the network denied, the identity allowed",
                &[deny(OUT, WIDE, ALL), allow(OUT, PEER, UDP_80)],
                Want::Drop(DENIED),
            ),
            row(
                "the identity denied, the network allowed",
                &[deny(OUT, PEER, ALL), allow(OUT, WIDE, UDP_80)],
                Want::Drop(DENIED),
            ),
            row(
                "anybody denied, both others allowed",
                &[
                    deny(OUT, 0, ALL),
                    allow(OUT, PEER, UDP_80),
                    allow(OUT, WIDE, udp),
                ],
                Want::Drop(DENIED),
            ),
            row(
                "all three allowed",
                &[
                    allow(OUT, 0, ALL),
                    allow(OUT, PEER, UDP_80),
                    allow(OUT, WIDE, udp),
                ],
                Want::Stack,
            ),
            row(
                "the network alone",
                &[allow(OUT, WIDE, UDP_80)],
                Want::Stack,
            ),
            row(
                "the network, another port",
                &[allow(OUT, WIDE, Traffic::Ports(Ports::one(UDP, 81)))],
                Want::Drop(POLICY),
            ),
            row(
                "the network, the other direction",
                &[allow(IN, WIDE, ALL)],
                Want::Drop(POLICY),
            ),
        ]
    });
}

/// A network has whoever has an address in it: pods and the node, too.
#[test]
fn everybody_may_be_in_a_network() {
    run(|net| {
        let [wide, ..] = networks(net);
        let start = [
            Step::At(1),
            wide,
            allow(IN, WIDE, ALL),
            allow(OUT, WIDE, ALL),
        ];
        let row =
            |what: &str, steps: &[Step]| scenario(net.name(what), [&start[..], steps].concat());
        let pod = tcp((net.other, 9), (net.pod, 80), SYN);
        let node = tcp((net.node, 9), (net.pod, 80), SYN);
        let outside = tcp((net.world, 9), (net.pod, 80), SYN);
        vec![
            row(
                "a pod, by its mark",
                &[Step::To(pod.bytes(), mark_of(PEER), Want::Pass)],
            ),
            row(
                "a pod that is denied by its identity",
                &[
                    deny(IN, PEER, ALL),
                    Step::To(pod.bytes(), mark_of(PEER), Want::Drop(DENIED)),
                ],
            ),
            row("the node", &[by_node(&node, Want::Pass)]),
            row(
                "towards the node",
                &[from(&udp((net.pod, 1), (net.node, 53)), Want::Stack)],
            ),
            row(
                "the node, denied",
                &[
                    deny(IN, HOST_IDENTITY, ALL),
                    by_node(&node, Want::Drop(DENIED)),
                ],
            ),
            row("somebody outside", &[to(&outside, Want::Pass)]),
        ]
    });
}

/// An open connection is judged by the networks of the policy in force, from both sides.
#[test]
fn a_connection_is_asked_about_with_its_network() {
    run(|net| {
        let [wide, narrow, _] = networks(net);
        let Step::Network(_, narrow, _) = narrow else {
            unreachable!("a network is one")
        };
        let (there, back) = (
            udp((net.pod, 1000), (net.world, 80)),
            udp((net.world, 80), (net.pod, 1000)),
        );
        let steps = |then: &[Step]| {
            let open = [
                wide.clone(),
                Step::At(1),
                allow(OUT, WIDE, ALL),
                from(&there, Want::Stack),
                to(&back, Want::Pass),
                Step::Network(2, narrow, NARROW),
            ];
            [&open[..], then].concat()
        };
        let allowed = Step::RuleAt(2, rule(OUT, NARROW, ALL), false);
        vec![
            scenario(
                net.name("still allowed"),
                steps(&[
                    allowed,
                    Step::At(2),
                    to(&back, Want::Pass),
                    from(&there, Want::Stack),
                ]),
            ),
            scenario(
                net.name("denied, the peer answers"),
                steps(&[
                    Step::RuleAt(2, rule(OUT, NARROW, ALL), true),
                    Step::At(2),
                    to(&back, Want::Drop(DENIED)),
                    from(&there, Want::Drop(DENIED)),
                ]),
            ),
        ]
    });
}
