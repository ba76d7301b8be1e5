//! CHECK sees every loss, and nothing that another plugin of the chain may change.

use weir_tests::need;
use weir_tests::need::Need;
use weir_tests::pods::run;

use super::super::first_difference;
use super::super::observe::Difference;
use super::{Pair, Plan, Pod, Wire, become_host, outcome};
use crate::result::Outcome;

/// What CHECK says of a pod with this outcome.
pub(super) fn difference(pod: &Pod, outcome: &Outcome) -> Option<Difference> {
    let plan = Plan::new(outcome, 1400).unwrap();
    let netns = pod.netns();
    let wire = Wire::open(&netns).unwrap();
    let observed = wire.observe(&pod.attachment, &plan, &pod.bandwidth);
    first_difference(&pod.attachment, &plan, &pod.bandwidth, &observed.unwrap())
}

/// A loss, and what CHECK says of it.
type Loss = (&'static str, &'static str);

/// What other plugins of a chain do: sizes, addresses, and a route that moves to another table.
const HARMLESS: &[Loss] = &[
    ("pod ip link set eth0 mtu 1380", ""),
    ("host ip link set HOST mtu 1380", ""),
    ("pod ip link set eth0 address 02:aa:aa:aa:aa:aa", ""),
    (
        "pod ip route del default",
        "the pod has no route to 0.0.0.0/0 via 10.88.0.1",
    ),
    (
        "pod ip route add default via 10.88.0.1 dev eth0 table 100",
        "",
    ),
];

/// Steps, each after the one before it, on a pod of their own.
const LOSSES: &[&[Loss]] = &[
    HARMLESS,
    &[("host ip link del HOST", "the host has no link HOST")],
    &[(
        "host ip link set HOST alias other",
        "the host's link HOST is another one: its alias is \"other\"",
    )],
    &[("host ip link set HOST down", "the link HOST is down")],
    &[("pod ip link set eth0 down", "the link eth0 is down")],
    &[("pod ip link set eth0 name eth9", "the pod has no link eth0")],
    &[
        ("pod ip link set eth0 name eth9", "the pod has no link eth0"),
        (
            "pod ip link add eth0 type veth",
            "the host's link HOST and the pod's link eth0 are not the two ends of one pair",
        ),
    ],
    &[(
        "pod ip addr del 10.88.0.5/32 dev eth0",
        "the pod's link eth0 has no address 10.88.0.5",
    )],
    &[(
        "pod ip addr del fd88::5/128 dev eth0",
        "the pod's link eth0 has no address fd88::5",
    )],
    &[(
        "pod ip route del 10.88.0.1 dev eth0",
        "the pod has no route to 10.88.0.1/32",
    )],
    &[(
        "pod ip route del 10.96.0.0/12",
        "the pod has no route to 10.96.0.0/12 via 10.88.0.1",
    )],
    &[(
        "pod ip -6 route del default",
        "the pod has no route to ::/0 via fd88::1",
    )],
    &[(
        "host ip route del 10.88.0.5",
        "the host does not send packets for 10.88.0.5 to HOST",
    )],
    &[(
        "host ip -6 route del fd88::5",
        "the host does not send packets for fd88::5 to HOST",
    )],
];

#[test]
fn every_loss_is_named_and_changes_of_a_chain_are_not() {
    need!(Need::Root, Need::Tool("ip"));
    let given = outcome(&["10.88.0.5/16", "fd88::5/64"], &["10.96.0.0/12"]);
    for steps in LOSSES {
        become_host();
        let pod = Pod::new(5);
        let pair = pod.wire(&given, 1400);
        for (step, expected) in *steps {
            apply(step, &pod, &pair);
            let found = difference(&pod, &given).map(|it| it.to_string());
            let expected = expected.replace("HOST", &pair.host_name);
            assert_eq!(found.unwrap_or_default(), expected, "{step}");
        }
    }
}

pub(super) fn apply(step: &str, pod: &Pod, pair: &Pair) {
    let line = step.replace("HOST", &pair.host_name);
    match line.split_once(' ').unwrap() {
        ("pod", line) => pod.run(line),
        (_, line) => run(line),
    };
}
