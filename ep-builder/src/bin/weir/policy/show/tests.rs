//! Pictures of few and of many, and the words beside them.

use super::super::reach::tests::{PODS, Pod, relations};
use super::super::reach::{Relations, rows};
use super::table::listed;
use super::{json, page};

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
    for text in ["Revision 1", "not reached", "shop/db", "tcp"] {
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
        assert!(
            !picture.contains("<script") && !picture.contains("<b>\""),
            "{picture}"
        );
        assert!(picture.contains("&lt;script"), "{picture}");
    }
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
