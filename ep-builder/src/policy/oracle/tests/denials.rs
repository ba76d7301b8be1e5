//! Who is denied, and the node's way to its pods.

use super::connections::{case, check, packets, policy, weir};
use crate::policy::oracle::Verdict;

#[test]
fn who_denies_wins_whatever_allows() {
    let open = policy("open", "podSelector: {}, ingress: [{}]");
    let denied = |rule: &str| {
        [
            open.clone(),
            weir("no", &format!("ingress: [{{action: deny, {rule}}}]")),
        ]
        .concat()
    };
    check(
        &denied(
            "from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 80, endPort: 89}]",
        ),
        &["web > db tcp/79", "bare > db tcp/80", "out > db tcp/80"],
        &["web > db tcp/80", "probe > web tcp/89", "web > bare tcp/85"],
    );
    check(
        &denied("from: [{ipBlock: {cidr: 10.0.0.4/30}}]"),
        &["out > db tcp/80", "node > db tcp/80"],
        &["web > db tcp/80", "bare > db icmp/8"],
    );
    check(
        &denied("from: [{entities: [host]}]"),
        &["web > db tcp/80", "out > db tcp/80"],
        &["node > db tcp/80", "node > bare tcp/80"],
    );
    check(
        &denied("from: [{entities: [world]}], ports: [{protocol: UDP}]"),
        &["out > db tcp/80", "web > db udp/80"],
        &["out > db udp/80"],
    );
    check(
        &denied("from: [{entities: [all]}]"),
        &["web > out tcp/80"],
        &["web > db tcp/80", "node > db tcp/80", "out > db tcp/80"],
    );
    // What denies isolates nobody; what allows does nothing where nothing isolates.
    check(
        &weir(
            "no",
            "podSelector: {matchLabels: {app: db}}, egress: [{action: deny, to: [{entities: [world]}]}, \
             {to: [{entities: [host]}]}]",
        ),
        &[
            "db > web tcp/80",
            "db > node tcp/80",
            "out > db tcp/80",
            "web > out tcp/80",
        ],
        &["db > out tcp/80", "db > near icmp/8"],
    );
}

#[test]
fn the_node_reaches_its_pods_unless_that_is_switched_off() {
    let mut case = case(&policy(
        "deny",
        "podSelector: {}, policyTypes: [Ingress, Egress]",
    ));
    let rows = [
        ("node > web tcp/80", true, true),
        ("node > web tcp/80", false, false),
        ("web > node tcp/80", true, false),
    ];
    for (connection, allow_localhost, passes) in rows {
        case.allow_localhost = allow_localhost;
        case.packets = packets(connection);
        let meant = case.meant(&case.packets[0]).unwrap();
        assert_eq!(
            matches!(meant, Verdict::Allowed { freely: true, .. }),
            passes,
            "{connection}"
        );
        assert_eq!(case.disagreement_with(&case.compiled().unwrap()), None);
    }
}
