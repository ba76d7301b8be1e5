//! The cases of Kubernetes' policies: who reaches whom.

use super::connections::{check, of, policy};

#[test]
fn without_a_policy_everything_passes() {
    check(
        "",
        &[
            "web > db tcp/80",
            "out > web udp/1",
            "web > out icmp/8",
            "node > db 47/0",
        ],
        &[],
    );
}

#[test]
fn default_deny_is_of_one_direction_and_one_namespace() {
    check(
        &policy("deny-in", "podSelector: {}, policyTypes: [Ingress]"),
        &[
            "web > probe tcp/80",
            "web > out udp/53",
            "node > web tcp/80",
            "probe > bare icmp/8",
        ],
        &[
            "probe > web tcp/80",
            "db > web tcp/80",
            "out > db udp/53",
            "out > db icmp/8",
        ],
    );
    check(
        &policy("deny-out", "podSelector: {}, policyTypes: [Egress]"),
        &["probe > web tcp/80", "out > db icmp/8", "node > web tcp/80"],
        &[
            "web > db tcp/80",
            "web > out udp/53",
            "db > node tcp/1",
            "web > bare icmp/8",
        ],
    );
    // Without `policyTypes` it is ingress, and egress if there is a rule for it.
    check(
        &policy("default", "podSelector: {}, egress: []"),
        &["web > probe tcp/80"],
        &["probe > web tcp/80"],
    );
    check(
        &policy("both", "podSelector: {}, egress: [{ports: [{port: 7}]}]"),
        &["web > probe tcp/7"],
        &["probe > web tcp/7", "web > probe tcp/80"],
    );
}

#[test]
fn everything_is_allowed_by_an_empty_rule() {
    check(
        &[
            policy("deny", "podSelector: {}, policyTypes: [Ingress, Egress]"),
            policy(
                "allow",
                "podSelector: {}, ingress: [{}], egress: [{from: []}]",
            )
            .replace("from", "to"),
        ]
        .concat(),
        &[
            "probe > web tcp/80",
            "out > db icmp/8",
            "web > out 47/0",
            "db > node udp/53",
        ],
        &[],
    );
}

#[test]
fn peers_are_pods_namespaces_both_or_either() {
    let into_db = |from: &str| {
        policy(
            "in",
            &format!("podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: {from}}}]"),
        )
    };
    check(
        &into_db("[{podSelector: {matchLabels: {app: web}}}]"),
        &["web > db tcp/1", "web > db icmp/8", "probe > web tcp/80"],
        &["probe > db tcp/1", "bare > db tcp/1", "out > db tcp/1"],
    );
    check(
        &into_db("[{namespaceSelector: {matchLabels: {env: test}}}]"),
        &["probe > db tcp/1", "bare > db udp/1"],
        &["web > db tcp/1", "out > db tcp/1"],
    );
    check(
        &into_db(
            "[{namespaceSelector: {matchLabels: {env: test}}, podSelector: {matchLabels: {app: web}}}]",
        ),
        &["probe > db tcp/1"],
        &["web > db tcp/1", "bare > db tcp/1"],
    );
    check(
        &into_db(
            "[{namespaceSelector: {matchLabels: {env: test}}}, {podSelector: {matchLabels: {app: web}}}]",
        ),
        &["probe > db tcp/1", "web > db tcp/1", "bare > db tcp/1"],
        &["out > db tcp/1"],
    );
    // All pods, and nobody else.
    check(
        &into_db("[{namespaceSelector: {}}]"),
        &["web > db tcp/1", "bare > db tcp/1", "node > db tcp/1"],
        &["out > db tcp/1", "near > db icmp/8"],
    );
    check(
        &into_db("[{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lab}}}]"),
        &["bare > db tcp/1"],
        &["web > db tcp/1"],
    );
}

#[test]
fn expressions_ask_for_labels_or_their_absence() {
    let into_web = |expression: &str| {
        policy(
            "in",
            &format!(
                "podSelector: {{matchLabels: {{app: web}}}}, ingress: [{{from: [{{namespaceSelector: {{}}, \
                 podSelector: {{matchExpressions: [{{{expression}}}]}}}}]}}]"
            ),
        )
    };
    let rows: [(&str, &[&str], &[&str]); 4] = [
        (
            "key: app, operator: In, values: [db, web]",
            &["db", "probe"],
            &["bare"],
        ),
        (
            "key: app, operator: NotIn, values: [db]",
            &["bare", "probe"],
            &["db"],
        ),
        ("key: app, operator: Exists", &["db", "probe"], &["bare"]),
        (
            "key: app, operator: DoesNotExist",
            &["bare"],
            &["db", "probe"],
        ),
    ];
    for (expression, from, not_from) in rows {
        let connections = |names: &[&str]| -> Vec<_> {
            names
                .iter()
                .map(|name| format!("{name} > web tcp/80"))
                .collect()
        };
        let (passing, dropped) = (connections(from), connections(not_from));
        check(
            &into_web(expression),
            &passing.iter().map(String::as_str).collect::<Vec<_>>(),
            &dropped.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn blocks_have_exceptions_and_overlap() {
    check(
        &policy(
            "out",
            "podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], \
             egress: [{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [192.0.2.128/25, 10.0.0.5/32]}}]}]",
        ),
        &[
            "web > out tcp/80",
            "web > probe tcp/80",
            "web > node tcp/80",
            "web > out icmp/8",
        ],
        &["web > near tcp/80", "web > db tcp/80"],
    );
    // What one block leaves out another one may let in.
    let two = "podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.128/25]}}]}, \
               {from: [{ipBlock: {cidr: 192.0.2.192/26}}], ports: [{port: 80}]}]";
    check(
        &policy("in", two),
        &["near > web tcp/80"],
        &["near > web tcp/81", "out > web tcp/80", "db > web tcp/80"],
    );
}

#[test]
fn ports_are_numbers_ranges_and_names() {
    let into = |ports: &str| {
        policy(
            "in",
            &format!("podSelector: {{}}, ingress: [{{ports: {ports}}}]"),
        )
    };
    check(
        &into("[{port: 80}, {protocol: UDP, port: 53}]"),
        &["out > web tcp/80", "db > web udp/53"],
        &[
            "out > web tcp/81",
            "out > web udp/80",
            "out > web icmp/8",
            "db > web tcp/53",
        ],
    );
    check(
        &into("[{port: 79, endPort: 8081}]"),
        &[
            "out > web tcp/79",
            "out > web tcp/80",
            "out > web tcp/4096",
            "out > web tcp/8081",
        ],
        &["out > web tcp/78", "out > web tcp/8082", "out > web udp/80"],
    );
    check(
        &into("[{protocol: SCTP, port: 7}, {protocol: UDP}]"),
        &["out > web sctp/7", "out > web udp/65535"],
        &["out > web sctp/8", "out > web tcp/7", "out > web icmp/7"],
    );
    // The pod's own: of the name, for the protocol.
    check(
        &into("[{port: http}]"),
        &["out > web tcp/80"],
        &[
            "out > db tcp/80",
            "out > db udp/80",
            "out > web udp/80",
            "out > web tcp/8080",
        ],
    );
    check(
        &into("[{protocol: UDP, port: http}]"),
        &["out > db udp/80"],
        &["out > web udp/80", "out > db tcp/80"],
    );
}

#[test]
fn a_name_toward_others_is_what_they_call_so() {
    let from_db = |to: &str| {
        policy(
            "out",
            &format!(
                "podSelector: {{matchLabels: {{app: db}}}}, policyTypes: [Egress], \
                 egress: [{{{to}ports: [{{port: http}}]}}]"
            ),
        )
    };
    check(
        &from_db(""),
        &["db > web tcp/80", "db > probe tcp/8080"],
        &[
            "db > web tcp/8080",
            "db > probe tcp/80",
            "db > out tcp/80",
            "db > bare tcp/80",
        ],
    );
    check(
        &from_db("to: [{namespaceSelector: {matchLabels: {env: test}}}], "),
        &["db > probe tcp/8080"],
        &["db > web tcp/80"],
    );
    check(
        &from_db("to: [{ipBlock: {cidr: 0.0.0.0/0}}], "),
        &[],
        &["db > web tcp/80", "db > probe tcp/8080", "db > out tcp/80"],
    );
}

#[test]
fn policies_add_up() {
    let stacked = [
        policy("deny", "podSelector: {}, policyTypes: [Ingress]"),
        policy(
            "one",
            "podSelector: {matchLabels: {app: web}}, \
         ingress: [{from: [{namespaceSelector: {matchLabels: {env: test}}}], ports: [{port: 80}]}]",
        ),
        policy(
            "two",
            "podSelector: {matchLabels: {tier: front}}, ingress: [{from: [{podSelector: {}}], \
         ports: [{port: 81}]}]",
        ),
        of(
            "lab",
            "other",
            "podSelector: {}, policyTypes: [Egress], \
         egress: [{to: [{namespaceSelector: {matchLabels: {env: prod}}}]}]",
        ),
    ]
    .concat();
    check(
        &stacked,
        &["probe > web tcp/80", "db > web tcp/81"],
        &[
            "db > web tcp/80",
            "probe > web tcp/81",
            "probe > db tcp/80",
            "probe > out tcp/80",
            "bare > probe tcp/80",
        ],
    );
}
