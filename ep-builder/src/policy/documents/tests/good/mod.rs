//! What documents mean.

mod node;
mod whole;

use super::{network_policy, read, said, weir_policy};

#[track_caller]
fn check(text: &str, expected: &[&str]) {
    assert_eq!(said(text), expected, "{text}");
}

/// What a `NetworkPolicy` says with these fields in its `spec`, beside a `podSelector` that is empty.
#[track_caller]
fn check_spec(spec: &str, expected: &[&str]) {
    let head = ["np default/p: [] of default"];
    check(&network_policy(spec), &[&head, expected].concat());
}

const INGRESS: &str = "ingress isolated";
const EGRESS: &str = "egress isolated";

/// Absent, null, empty and holding one empty thing are four ways to write, with two meanings or three.
#[test]
fn empty_and_absent_rules_mean_what_they_mean_to_kubernetes() {
    // No rule for ingress: nothing passes.
    for spec in [
        "",
        ", ingress: []",
        ", ingress: null",
        ", ingress: ",
        ", policyTypes: [Ingress]",
    ] {
        check_spec(spec, &[INGRESS]);
    }
    // A rule without conditions: everything passes.
    let anybody = [INGRESS, "ingress allow anybody on all"];
    for rule in [
        "{}",
        "{from: []}",
        "{from: null, ports: null}",
        "{ports: []}",
        "{from: [], ports: []}",
    ] {
        check_spec(&format!(", ingress: [{rule}]"), &anybody);
    }
    let both = "[] of []";
    for (peer, pods) in [
        ("{podSelector: {}}", "[] of default"),
        ("{namespaceSelector: {}}", both),
        ("{podSelector: {}, namespaceSelector: {}}", both),
        (
            "{podSelector: null, namespaceSelector: {}, ipBlock: null}",
            both,
        ),
    ] {
        let allowed = format!("ingress allow {pods} on all");
        check_spec(
            &format!(", ingress: [{{from: [{peer}]}}]"),
            &[INGRESS, &allowed],
        );
    }
    // A port without a number is all of its protocol; without a protocol it is TCP.
    for (port, protocol) in [
        ("{}", "tcp"),
        ("{protocol: null, port: null, endPort: null}", "tcp"),
        ("{protocol: SCTP}", "sctp"),
    ] {
        let allowed = format!("ingress allow anybody on {protocol}");
        check_spec(
            &format!(", ingress: [{{ports: [{port}]}}]"),
            &[INGRESS, &allowed],
        );
    }
}

#[test]
fn a_policy_is_about_the_directions_it_names_or_else_has_rules_for() {
    let allowed = "egress allow anybody on all";
    // Ingress is always meant where none is named; egress by a rule for it, not by an empty list.
    for spec in [
        ", egress: []",
        ", egress: null",
        ", policyTypes: [], egress: []",
        ", policyTypes: null",
    ] {
        check_spec(spec, &[INGRESS]);
    }
    check_spec(", egress: [{}]", &[INGRESS, EGRESS, allowed]);
    check_spec(
        ", policyTypes: [], egress: [{}]",
        &[INGRESS, EGRESS, allowed],
    );
    check_spec(", policyTypes: [Egress]", &[EGRESS]);
    check_spec(", policyTypes: [Egress], egress: []", &[EGRESS]);
    check_spec(", policyTypes: [Egress], egress: [{}]", &[EGRESS, allowed]);
    check_spec(", policyTypes: [Ingress, Egress]", &[INGRESS, EGRESS]);
    check_spec(", policyTypes: [Egress, Ingress]", &[INGRESS, EGRESS]);
    check_spec(", policyTypes: [Ingress, Ingress]", &[INGRESS]);
    // Rules of a direction that is left out say nothing.
    check_spec(", policyTypes: [Egress], ingress: [{}]", &[EGRESS]);
    check_spec(", policyTypes: [Ingress], egress: [{}]", &[INGRESS]);
}

#[test]
fn rules_left_out_by_policy_types_are_noticed() {
    let check = |spec: &str, expected: &[&str]| {
        let documents = read(&[("a.yaml", &network_policy(spec))]).unwrap();
        let notices: Vec<_> = documents.notices.iter().map(ToString::to_string).collect();
        assert_eq!(notices, expected, "{spec}");
    };
    check(", policyTypes: [Ingress], ingress: [{}], egress: []", &[]);
    let text = "these rules say nothing: policyTypes leaves their direction out";
    check(
        ", policyTypes: [Ingress], egress: [{}]",
        &[&format!("a.yaml:4: spec.egress: {text}")],
    );
    check(
        ", policyTypes: [Egress], ingress: [{}]",
        &[&format!("a.yaml:4: spec.ingress: {text}")],
    );
}

#[test]
fn selectors() {
    let check = |selector: &str, expected: &str| {
        let allowed = format!("ingress allow {expected} of default on all");
        check_spec(
            &format!(", ingress: [{{from: [{{podSelector: {selector}}}]}}]"),
            &[INGRESS, &allowed],
        );
    };
    check("{matchLabels: {}}", "[]");
    check("{matchLabels: null, matchExpressions: []}", "[]");
    check("{matchLabels: {b: x, a: ''}}", "[a= b=x]");
    check(
        "{matchLabels: {app.io/v: \"1\", yes: no, 1: 'true'}}",
        "[1=true app.io/v=1 yes=no]",
    );
    check(
        "{matchExpressions: [{key: a, operator: In, values: [y, x, x]}]}",
        "[a=x|y]",
    );
    check(
        "{matchExpressions: [{key: a, operator: NotIn, values: ['']}]}",
        "[a!=]",
    );
    check("{matchExpressions: [{key: a, operator: Exists}]}", "[a]");
    check(
        "{matchExpressions: [{key: a, operator: DoesNotExist, values: []}]}",
        "[!a]",
    );
    check(
        "{matchExpressions: [{key: a, operator: Exists}], matchLabels: {a: b}}",
        "[a=b a]",
    );
}

#[test]
fn peers() {
    let check = |from: &str, expected: &str| {
        let allowed = format!("ingress allow {expected} on all");
        check_spec(
            &format!(", ingress: [{{from: [{from}]}}]"),
            &[INGRESS, &allowed],
        );
    };
    let (pods, namespaces) = (
        "podSelector: {matchLabels: {a: b}}",
        "namespaceSelector: {matchLabels: {c: d}}",
    );
    check(&format!("{{{pods}}}"), "[a=b] of default");
    check(&format!("{{{namespaces}}}"), "[] of [c=d]");
    // Both in one peer narrow it down; in two, either is enough.
    check(&format!("{{{pods}, {namespaces}}}"), "[a=b] of [c=d]");
    check(
        &format!("{{{pods}}}, {{{namespaces}}}"),
        "[a=b] of default, [] of [c=d]",
    );
    check("{ipBlock: {cidr: 10.0.0.0/8}}", "10.0.0.0/8");
    check("{ipBlock: {cidr: '::/0', except: []}}", "::/0");
    check(
        "{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8, 10.1.0.0/16, 0.0.0.0/1]}}",
        "0.0.0.0/0 less 10.0.0.0/8 less 10.1.0.0/16 less 0.0.0.0/1",
    );
    check(
        "{ipBlock: {cidr: FD00::/8, except: ['fd00:0:0::1/128']}}",
        "fd00::/8 less fd00::1/128",
    );
}

#[test]
fn ports() {
    let check = |port: &str, expected: &str| {
        let allowed = format!("egress allow anybody on {expected}");
        check_spec(
            &format!(", egress: [{{ports: [{port}]}}]"),
            &[INGRESS, EGRESS, &allowed],
        );
    };
    check("{port: 80}", "tcp 80");
    check("{port: 1, protocol: UDP}", "udp 1");
    check("{port: 65535}", "tcp 65535");
    check("{port: 0x50}", "tcp 80");
    check("{port: http}", "tcp http");
    check("{port: 'http', protocol: UDP}", "udp http");
    check("{port: 8a}", "tcp 8a");
    check("{port: 80, endPort: 80}", "tcp 80");
    check("{port: 1, endPort: 65535, protocol: SCTP}", "sctp 1-65535");
    check(
        "{port: 53}, {port: 53, protocol: UDP}, {protocol: SCTP}",
        "tcp 53, udp 53, sctp",
    );
}

#[test]
fn names_and_namespaces() {
    let check = |metadata: &str, expected: &str| {
        let head = "kind: NetworkPolicy\napiVersion: networking.k8s.io/v1\n";
        let text = format!("{head}metadata: {metadata}\nspec: {{podSelector: {{}}}}\n");
        assert_eq!(said(&text)[0], expected, "{metadata}");
    };
    check("{name: a}", "np default/a: [] of default");
    check(
        "{name: a.b-c, namespace: null}",
        "np default/a.b-c: [] of default",
    );
    check("{name: a, namespace: shop}", "np shop/a: [] of shop");
    check(
        "{name: a, generateName: b, uid: x, generation: 1, annotations: {k: [any]}, managedFields: [{a: {}}], creationTimestamp: null}",
        "np default/a: [] of default",
    );
}

#[test]
fn namespaces_have_their_name_as_a_label() {
    let check = |metadata: &str, expected: &[(&str, &str)], notices: &[&str]| {
        let tail = "spec: {finalizers: [kubernetes]}\nstatus: {phase: Active}\n";
        let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {metadata}\n{tail}");
        let documents = read(&[("a.yaml", &text)]).unwrap();
        let pairs = expected
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        assert_eq!(
            documents.set.namespaces["shop"],
            pairs.collect(),
            "{metadata}"
        );
        let noticed: Vec<_> = documents.notices.iter().map(ToString::to_string).collect();
        assert_eq!(noticed, notices, "{metadata}");
    };
    let name = ("kubernetes.io/metadata.name", "shop");
    check("{name: shop}", &[name], &[]);
    check(
        "{name: shop, labels: {team: a}}",
        &[name, ("team", "a")],
        &[],
    );
    check(
        "{name: shop, labels: {kubernetes.io/metadata.name: shop}}",
        &[name],
        &[],
    );
    check(
        "{name: shop, labels: {kubernetes.io/metadata.name: other}}",
        &[name],
        &[
            "a.yaml:3: metadata: the label kubernetes.io/metadata.name is always the namespace's name",
        ],
    );
}

#[test]
fn weir_policies() {
    let all = "wp /p: [] of []";
    let check =
        |spec: &str, expected: &[&str]| check(&weir_policy(spec), &[&[all], expected].concat());
    let check_target =
        |spec: &str, expected: &str| assert_eq!(said(&weir_policy(spec)), [expected], "{spec}");
    check("", &[]);
    check("podSelector: null, policyTypes: [], ingress: []", &[]);
    check_target("podSelector: {matchLabels: {a: b}}", "wp /p: [a=b] of []");
    check_target(
        "namespaceSelector: {matchLabels: {c: d}}",
        "wp /p: [] of [c=d]",
    );
    let both = "podSelector: {matchLabels: {a: b}}, namespaceSelector: {matchLabels: {c: d}}";
    check_target(both, "wp /p: [a=b] of [c=d]");
    check("policyTypes: [Ingress]", &[INGRESS]);
    check("policyTypes: [Ingress, Egress]", &[INGRESS, EGRESS]);
    // A rule isolates nobody by being there.
    check("egress: [{action: deny}]", &["egress deny anybody on all"]);
    check("ingress: [{}]", &["ingress allow anybody on all"]);
    check(
        "policyTypes: [Ingress], egress: [{action: allow}]",
        &[INGRESS, "egress allow anybody on all"],
    );
    check(
        "ingress: [{action: deny, from: [{entities: [world, host]}, {entities: [all]}], ports: [{port: 22}]}]",
        &["ingress deny world, host, all on tcp 22"],
    );
    // It has no namespace of its own: pods of all namespaces are meant.
    check(
        "egress: [{to: [{podSelector: {matchLabels: {a: b}}}]}]",
        &["egress allow [a=b] of [] on all"],
    );
    check(
        "egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]",
        &["egress allow 10.0.0.0/8 on all"],
    );
}
