//! What is refused, in which words.

mod specs;

use std::fmt::Write as _;

use super::{MAX_DEPTH, MAX_VALUES, mistakes, network_policy, read, weir_policy};
use crate::policy::documents::MAX_MISTAKES;

/// Each mistake of a text is one of these, in order: the place, the field and the problem.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|line| format!("a.yaml:{line}"))
        .collect();
    assert_eq!(mistakes(text), expected, "{text}");
}

/// As [`check`], without places but line 4.
#[track_caller]
fn check_fields(text: &str, expected: &[&str]) {
    let found: Vec<_> = mistakes(text)
        .iter()
        .map(|line| {
            let rest = line.strip_prefix("a.yaml:4:").expect(line);
            rest.split_once(": ").expect(line).1.to_owned()
        })
        .collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn what_is_no_yaml() {
    check("a: [", &["1:4: this is no YAML: unclosed bracket '['"]);
    check(
        "a: b: c",
        &["1:5: this is no YAML: mapping values are not allowed in this context"],
    );
    check(
        "%YAML 1.2\n---\na: b\n",
        &["1:1: this is no YAML: YAML directives are disallowed"],
    );
    check(
        "a: *b\n",
        &["1:4: this is no YAML: while parsing node, found unknown anchor"],
    );
    check(
        "a: &b [*b]\n",
        &["1:8: this alias has no anchor before it that is complete"],
    );
    check("? [a]\n: b\n", &["1:3: a key is text, not a list"]);
    check("? {a: b}\n: b\n", &["1:3: a key is text, not a mapping"]);
    check("null: b\n", &["1:1: a key is text, not null"]);
    let deep = format!("1:{}: this is nested deeper than 64 levels", MAX_DEPTH + 1);
    check(&"[".repeat(MAX_DEPTH + 1), &[&deep]);
    let missing =
        "1:1: kind: this field is missing: it takes NetworkPolicy, WeirPolicy, Namespace or List";
    let tag = "1:4: a tag has no meaning here: put what shall be text in quotes";
    check("a: !!str b\n", &[missing, tag]);
    let twice = "3:1: the key `a` is there twice, first in line 1: keep one of them";
    check("a: b\nc: d\na: e\n", &[missing, twice]);
    check(
        "text",
        &["1:1: this takes a mapping, not the text \"text\""],
    );
    check("- a\n", &["1:1: this takes a mapping, not a list"]);
    check("80", &["1:1: this takes a mapping, not the number 80"]);
}

/// Ten aliases of ten aliases of ten, and levels that only aliases make.
#[test]
fn what_aliases_make_is_bounded() {
    let mut bomb = "l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    let mut tower = "l0: &l0 x\n".to_owned();
    for level in 1..100 {
        let before = format!("*l{}", level - 1);
        let ten = [before.as_str(); 10].join(", ");
        writeln!(bomb, "l{level}: &l{level} [{ten}]").unwrap();
        writeln!(tower, "l{level}: &l{level} [{before}]").unwrap();
    }
    let many = format!(
        "this document has more than {MAX_VALUES} values, counting what aliases repeat: split it up"
    );
    assert!(mistakes(&bomb)[0].ends_with(&many));
    assert!(mistakes(&tower)[0].ends_with("this is nested deeper than 64 levels"));
}

#[test]
fn kinds_and_versions() {
    let known = "NetworkPolicy, WeirPolicy, Namespace, List";
    check(
        "kind: Pod\n",
        &[&format!(
            "1:7: kind: there is no `Pod` here: it takes {known}"
        )],
    );
    let alike = "1:7: kind: there is no `networkpolicy` here: did you mean `NetworkPolicy`?";
    check("kind: networkpolicy\n", &[alike]);
    check("kind: [a]\n", &["1:7: kind: this takes a word, not a list"]);
    let missing =
        "1:1: kind: this field is missing: it takes NetworkPolicy, WeirPolicy, Namespace or List";
    check("apiVersion: v1\n", &[missing]);
    check(
        "kind: Namespace\n",
        &["1:1: apiVersion: this field is missing: it takes v1"],
    );
    check(
        "kind: Namespace\napiVersion: 1\n",
        &["2:13: apiVersion: this takes v1, not the number 1"],
    );
    check(
        "kind: NetworkPolicy\napiVersion: extensions/v1beta1\n",
        &[
            "2:13: apiVersion: kind NetworkPolicy is understood as networking.k8s.io/v1, not extensions/v1beta1",
        ],
    );
    let head = "apiVersion: v1\nkind: Namespace\n";
    check(
        head,
        &["1:1: metadata: this field is missing: it takes a mapping with the name"],
    );
    check(
        &format!("{head}metadata: {{name: a}}\ndata: x\nspecs: {{}}\n"),
        &[
            "4:1: data: there is no field `data` here: it takes apiVersion, kind, metadata, spec, status",
            "5:1: specs: there is no field `specs` here: did you mean `spec`?",
        ],
    );
}

#[test]
fn metadata() {
    let subdomain = "a name of at most 253 small letters, digits, `-` and `.`, with a letter or digit at both ends of \
                     each part";
    let label =
        "a name of at most 63 small letters, digits and `-`, with a letter or digit at both ends";
    let text = "text, in quotes if it looks like a number or a truth value";
    let check = |metadata: &str, expected: &str| {
        let head = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n\n";
        check_fields(
            &format!("{head}metadata: {metadata}\nspec: {{podSelector: {{}}}}\n"),
            &[expected],
        );
    };
    check(
        "{}",
        &format!("metadata.name: this field is missing: it takes {subdomain}"),
    );
    check(
        "{name: ''}",
        &format!("metadata.name: this takes {subdomain}, not the text \"\""),
    );
    check(
        "{name: A}",
        &format!("metadata.name: this takes {subdomain}, not the text \"A\""),
    );
    check(
        "{name: 1}",
        &format!("metadata.name: this takes {subdomain}, not the number 1"),
    );
    check(
        "{name: a, namespace: a.b}",
        &format!("metadata.namespace: this takes {label}, not the text \"a.b\""),
    );
    check("[a]", "metadata: this takes a mapping, not a list");
    check(
        "{name: a, label: {}}",
        "metadata.label: there is no field `label` here: did you mean `labels`?",
    );
    check(
        "{name: a, labels: {a: 1}}",
        &format!("metadata.labels.a: this takes {text}, not the number 1"),
    );
    for (kind, version) in [("WeirPolicy", "weir.dev/v1alpha1"), ("Namespace", "v1")] {
        let text = format!(
            "apiVersion: {version}\nkind: {kind}\n\nmetadata: {{name: a, namespace: b}}\nspec: {{}}\n"
        );
        let expected =
            format!("metadata.namespace: a {kind} belongs to no namespace: leave this out");
        check_fields(&text, &[&expected]);
    }
}

#[test]
fn documents_are_unique_among_all_files() {
    let (one, other) = (network_policy(""), weir_policy(""));
    let found = read(&[("a.yaml", &one), ("b.yaml", &format!("{other}---\n{one}"))]);
    let expected =
        "b.yaml:6:1: NetworkPolicy default/p is there twice, first at a.yaml:1: keep one of them";
    assert_eq!(found.unwrap_err().to_string(), expected);
    let found = read(&[("a.yaml", &other), ("b.yaml", &other)]);
    let expected = "b.yaml:1:1: WeirPolicy p is there twice, first at a.yaml:1: keep one of them";
    assert_eq!(found.unwrap_err().to_string(), expected);
    let elsewhere = one.replace("{name: p}", "{name: p, namespace: shop}");
    read(&[("a.yaml", &one), ("b.yaml", &elsewhere)]).unwrap();
}

#[test]
fn mistakes_of_all_files_are_told_in_their_order() {
    let list = r#"{"kind": "List", "apiVersion": "v1", "items": [{"kind": "Set"}, {"spec": 1}]}"#;
    let files = [
        ("a.yaml", "kind: Pod\n---\nkind: [\n"),
        ("b.yaml", "kind: Job\n"),
        ("c.json", list),
    ];
    let found = read(&files).unwrap_err().to_string();
    let place = |line: &str| line.split(": ").take(2).collect::<Vec<_>>().join(" ");
    let places: Vec<_> = found.lines().map(place).collect();
    let expected = [
        "a.yaml:1:7 kind",
        "a.yaml:3:7 this is no YAML",
        "b.yaml:1:7 kind",
        "c.json:1:57 items[0].kind",
        "c.json:1:65 items[1].kind",
    ];
    assert_eq!(places, expected, "{found}");
}

#[test]
fn many_mistakes_are_cut_short() {
    let text = "kind: Pod\n---\n".repeat(MAX_MISTAKES + 1);
    let found = mistakes(&text);
    assert_eq!(found.len(), MAX_MISTAKES + 1);
    assert_eq!(found[MAX_MISTAKES], "there may be more: mend these first");
    let text = network_policy(&", x: 1".repeat(MAX_MISTAKES * 2));
    assert_eq!(mistakes(&text).len(), MAX_MISTAKES + 1);
}

/// What stands in a file may not forge lines of a message, nor fill the screen.
#[test]
fn texts_are_quoted_and_short() {
    let found = mistakes("kind: \"a\\nb\\e[31m\"\n");
    assert_eq!(found.len(), 1);
    assert!(found[0].contains(r"`a\nb\u{1b}[31m`"), "{found:?}");
    let found = mistakes(&format!("kind: {}\n", "a".repeat(5000)));
    assert!(found[0].len() < 200, "{found:?}");
    let found = mistakes(&network_policy(&format!(", {}: 1", "a".repeat(900))));
    assert!(found[0].len() < 400, "{found:?}");
}
