//! Documents taken out of their files.

use super::{network_policy, read};
use crate::policy::documents::{CutError, Documents};

fn named(name: &str) -> String {
    network_policy("").replace("name: p", &format!("name: {name}"))
}

/// The text without the document of this name.
fn without(documents: &Documents, name: &str) -> Result<Option<String>, CutError> {
    let source = documents.sources.iter().find(|source| source.name == name);
    documents.without(source.unwrap())
}

/// Each document of a text can be taken out, and the text that is left is this one.
#[track_caller]
fn check(text: &str, expected: &[(&str, Option<&str>)]) {
    let documents = read(&[("a.yaml", text)]).unwrap();
    assert_eq!(documents.sources.len(), expected.len(), "{text}");
    for (name, rest) in expected {
        let found = without(&documents, name).unwrap();
        assert_eq!(found.as_deref(), *rest, "{name} out of\n{text}");
    }
}

#[test]
fn every_other_byte_stays() {
    let (a, b, c) = (named("a"), named("b"), named("c"));
    check(&a, &[("a", None)]);
    check(&format!("# ours\n---\n{a}---\n"), &[("a", None)]);
    check(
        &format!("{a}---\n{b}"),
        &[("a", Some(&format!("---\n{b}"))), ("b", Some(&a))],
    );
    // What stands above the first separator is about the file.
    let (one, two, three) = (
        format!("--- # first\n{a}\n"),
        format!("---\n# second\n{b}...\n"),
        format!("---\n{c}# end"),
    );
    let head = "# whose this is\n";
    check(
        &format!("{head}{one}{two}{three}"),
        &[
            ("a", Some(&format!("{head}{two}{three}"))),
            ("b", Some(&format!("{head}{one}{three}"))),
            ("c", Some(&format!("{head}{one}{two}"))),
        ],
    );
    let crlf = |text: &str| text.replace('\n', "\r\n");
    check(
        &crlf(&format!("{a}---\n{b}")),
        &[
            ("a", Some(&crlf(&format!("---\n{b}")))),
            ("b", Some(&crlf(&a))),
        ],
    );
}

fn indented(text: &str, indent: &str) -> String {
    let lines = text.lines().flat_map(|line| [indent, line, "\n"]);
    lines.collect()
}

#[test]
fn items_of_lists_in_lines() {
    let items = ["a", "b", "c"].map(|name| {
        let item = indented(&named(name), "    ");
        format!("  -{}", &item[3..])
    });
    let [a, b, c] = &items;
    let (head, foot) = ("apiVersion: v1\nitems:\n", "kind: List\nmetadata: {}\n");
    check(
        &format!("{head}{a}{b}  # of c\n{c}{foot}"),
        &[
            ("a", Some(&format!("{head}{b}  # of c\n{c}{foot}"))),
            ("b", Some(&format!("{head}{a}{c}{foot}"))),
            ("c", Some(&format!("{head}{a}{b}  # of c\n{foot}"))),
        ],
    );
    let (head, foot) = ("kind: List\napiVersion: v1\nitems:\n", "");
    check(
        &format!("{head}{a}{b}{foot}"),
        &[
            ("a", Some(&format!("{head}{b}"))),
            ("b", Some(&format!("{head}{a}"))),
        ],
    );
    // Dashes in the same column as the key, and on lines of their own.
    let items = ["a", "b"].map(|name| format!("-\n{}", indented(&named(name), "  ")));
    let [a, b] = &items;
    check(
        &format!("{head}{a}{b}"),
        &[
            ("a", Some(&format!("{head}{b}"))),
            ("b", Some(&format!("{head}{a}"))),
        ],
    );
}

#[test]
fn items_of_json() {
    let item = |name: &str| {
        format!(
            r#"{{"kind": "NetworkPolicy", "apiVersion": "networking.k8s.io/v1", "metadata": {{"name": "{name}"}}, "spec": {{"podSelector": {{}}}}}}"#
        )
    };
    let list = |items: &str| {
        format!("{{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [{items}]}}\n")
    };
    let (a, b, c) = (item("a"), item("b"), item("c"));
    check(
        &list(&format!("\n  {a},\n  {b},\n  {c}\n")),
        &[
            ("a", Some(&list(&format!("\n  \n  {b},\n  {c}\n")))),
            ("b", Some(&list(&format!("\n  {a},\n  \n  {c}\n")))),
            ("c", Some(&list(&format!("\n  {a},\n  {b}\n")))),
        ],
    );
    check(
        &list(&format!("{a},{b}")),
        &[("a", Some(&list(&b))), ("b", Some(&list(&a)))],
    );
    check(&list(&a), &[("a", None)]);
}

#[test]
fn what_others_lean_on_stays() {
    let item = |name: &str, pods: &str| {
        format!(
            "- {{kind: NetworkPolicy, apiVersion: networking.k8s.io/v1, metadata: {{name: {name}}}, spec: {{podSelector: {pods}}}}}\n"
        )
    };
    let text = format!(
        "kind: List\napiVersion: v1\nitems:\n{}{}",
        item("a", "&web {}"),
        item("b", "*web")
    );
    let documents = read(&[("a.yaml", &text)]).unwrap();
    let error = without(&documents, "a").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot take NetworkPolicy a out of a.yaml"
    );
    assert!(matches!(error, CutError::Rest { .. }));
    assert!(without(&documents, "b").unwrap().is_some());
}

#[test]
fn other_files_are_not_looked_at() {
    let (a, b) = (named("a"), named("b"));
    let documents = read(&[("a.yaml", &a), ("b.yaml", &b)]).unwrap();
    assert_eq!(without(&documents, "a").unwrap(), None);
    assert_eq!(without(&documents, "b").unwrap(), None);
}
