//! Pictures of few and of many, and the words beside them.

use super::super::reach::tests::{NO_SSH, PODS, Pod, relations};
use super::super::reach::{Relations, rows};
use super::table::listed;
use super::{json, page};
use crate::picture::tests::tags;

const HOSTILE: &str = "</title><script>alert(1)</script>";

const CLOSED: &str = "apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}
";

fn svg(relations: &Relations) -> String {
    page::drawing(relations, &rows(relations)).svg()
}

#[test]
fn closed_pods_are_seen_and_named() {
    let relations = relations(CLOSED, &PODS);
    let picture = svg(&relations);
    assert!(picture.contains("only the node reaches it"), "{picture}");
    assert_eq!(picture, svg(&relations));
    let page = page::page(&relations, &rows(&relations), &[]).html();
    for text in ["Revision 1", "only the node reaches it", "shop/db", "tcp"] {
        let is_there = page.contains(text);
        assert_eq!(is_there, text != "tcp", "{text}");
    }
    let report = serde_json::to_value(json::report(&relations, &rows(&relations))).unwrap();
    assert_eq!(report["notReached"], serde_json::json!([1]));
    assert_eq!(report["actors"][1]["isolatedIngress"], true);
    assert_eq!(report["actors"][1]["name"], "shop/db");
}

#[test]
fn names_of_others_stay_words() {
    let pods = [("shop", HOSTILE, "db"), ("\"><b>", "db", "web")];
    let relations = relations(CLOSED, &pods);
    for picture in [
        svg(&relations),
        page::page(&relations, &rows(&relations), &[]).html(),
    ] {
        assert!(picture.contains("&lt;script"), "{picture}");
    }
    let plain = [("shop", "a", "db"), ("lab", "db", "web")];
    let harmless = self::relations(CLOSED, &plain);
    assert_eq!(tags(&svg(&relations)), tags(&svg(&harmless)));
    let page = |it: &Relations| page::page(it, &rows(it), &[]).html();
    assert_eq!(tags(&page(&relations)), tags(&page(&harmless)));
}

#[test]
fn what_passes_although_no_row_says_so_is_told() {
    let mut relations = relations(CLOSED, &PODS);
    let page = |it: &Relations| page::page(it, &rows(it), &[]).html();
    assert!(!page(&relations).contains("policy_audit_mode"));
    relations.audits = true;
    assert!(page(&relations).contains("policy_audit_mode"));
}

#[test]
fn who_reaches_nobody_is_not_said_to_reach_the_node() {
    let both = CLOSED.replace("[Ingress]", "[Ingress, Egress]");
    let relations = relations(&both, &PODS);
    let picture = svg(&relations);
    assert!(picture.contains("it reaches nobody"), "{picture}");
    assert!(picture.contains("only the node reaches it"), "{picture}");
    let page = page::page(&relations, &rows(&relations), &[]).html();
    assert!(page.contains("only the node reaches it, it reaches nobody"));
}

#[test]
fn networks_that_share_a_box_are_no_pods() {
    let blocks = (1..=8).map(|number| format!("{{ipBlock: {{cidr: 192.0.{number}.0/24}}}}"));
    let blocks: Vec<_> = blocks.collect();
    let open = CLOSED.replace(
        "[Ingress]}",
        &format!("[Ingress], ingress: [{{from: [{}]}}]}}", blocks.join(", ")),
    );
    let picture = svg(&relations(&open, &PODS));
    assert!(picture.contains("8 of node and outside"), "{picture}");
    assert!(!picture.contains("kinds of pods"), "{picture}");
}

/// So many kinds of pods, each reached by the one before it on a port of its own.
fn chain(count: usize) -> Relations {
    let names: Vec<_> = (0..count).map(|number| format!("pod{number:03}")).collect();
    let pods: Vec<Pod<'_>> = names
        .iter()
        .map(|name| ("shop", name.as_str(), name.as_str()))
        .collect();
    let documents: Vec<_> = names
        .windows(2)
        .zip(1..)
        .map(|(pair, port)| {
            format!(
                "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {to}, namespace: shop}}\nspec:\n  podSelector: {{matchLabels: {{app: {to}}}}}\n  ingress: [{{from: [{{podSelector: {{matchLabels: {{app: {from}}}}}}}], ports: [{{port: {port}}}]}}]\n",
                to = pair[1],
                from = pair[0],
            )
        })
        .collect();
    relations(&documents.join("---\n"), &pods)
}

#[test]
fn many_become_a_matrix_that_stays_small() {
    assert!(svg(&chain(10)).contains("who reaches out"));
    let many = svg(&chain(250));
    assert!(many.contains("more are told by the table alone"));
    assert!(many.len() < 2 << 20, "{}", many.len());
    assert!(many.contains("tcp 7"), "{many}");
}

#[test]
fn pods_without_a_policy_are_one_box() {
    let names: Vec<_> = (0..250).map(|number| format!("pod{number}")).collect();
    let pods: Vec<Pod<'_>> = names
        .iter()
        .map(|name| ("shop", name.as_str(), name.as_str()))
        .collect();
    let relations = relations("", &pods);
    assert_eq!(rows(&relations).len(), 1);
    let picture = svg(&relations);
    assert_eq!(picture.matches("class=\"box ").count(), 3, "{picture}");
}

#[test]
fn a_list_says_how_many_it_leaves_out() {
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    for (most, expected) in [
        (1, "a and 3 more"),
        (2, "a, b and 2 more"),
        (3, "a, b, c, d"),
        (9, "a, b, c, d"),
    ] {
        assert_eq!(listed(&names, most), expected);
    }
}

#[test]
fn a_cell_of_the_matrix_has_all_that_may_pass() {
    let documents = "apiVersion: weir.dev/v1alpha1
kind: WeirPolicy
metadata: {name: out}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - {action: deny, from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: 22}]}
";
    let picture = super::matrix::drawing(&relations(documents, &PODS)).svg();
    let title = "(2 pods) to shop/db: any but tcp 22 (IPv4); any (IPv6)";
    assert!(picture.contains(title), "{picture}");
}

#[test]
fn a_way_that_needs_no_rule_is_none_by_a_rule() {
    let relations = relations(NO_SSH, &PODS);
    let rows = rows(&relations);
    let by_rule = rows
        .iter()
        .filter(|row| !relations.whats[row.what].rules.is_empty());
    let facts = page::facts(&relations, &rows);
    let fact = facts.iter().find(|it| it.name == "ways by a rule").unwrap();
    assert_eq!(fact.value, by_rule.count().to_string());
    let partly = rows.iter().filter(|row| {
        let what = &relations.whats[row.what];
        what.rules.is_empty() && !what.traffic.is_all()
    });
    assert!(partly.count() > 0);
}
