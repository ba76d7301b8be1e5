//! Whatever is in a file: an answer, in bounded time, and no panic.

use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

use super::{mistakes, network_policy, read, weir_policy};

/// What documents are made of, and what breaks them.
const WORDS: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "spec",
    "name",
    "podSelector",
    "matchLabels",
    "ingress",
    "from",
    "ports",
    "port",
    "endPort",
    "ipBlock",
    "cidr",
    "except",
    "items",
    "List",
    "NetworkPolicy",
    "WeirPolicy",
    "v1",
    "networking.k8s.io/v1",
    "weir.dev/v1alpha1",
    "80",
    "10.0.0.0/8",
    "a",
    "null",
    "{",
    "}",
    "[",
    "]",
    ":",
    ": ",
    ",",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "---\n",
    "...\n",
    "&a ",
    "*a",
    "!t ",
    "\"",
    "'",
    "|\n",
    ">-\n",
    "#",
    "? ",
    "%",
    "\t",
    "\u{feff}",
    "\u{e4}",
    "\\",
    "<<",
    "\0",
    "\r",
];

const GOOD: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: a, namespace: shop}
spec:
  podSelector: &web {matchLabels: {app: web}}
  policyTypes: [Ingress, Egress]
  ingress:
  - from:
    - podSelector: *web
      namespaceSelector: {matchExpressions: [{key: team, operator: In, values: [a, b]}]}
    - ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}
    ports: [{port: 80, endPort: 90}, {protocol: UDP, port: dns}]
  egress: [{}]
---
{\"apiVersion\": \"weir.dev/v1alpha1\", \"kind\": \"WeirPolicy\", \"metadata\": {\"name\": \"b\"},
 \"spec\": {\"ingress\": [{\"action\": \"deny\", \"from\": [{\"entities\": [\"world\"]}]}]}}
";

/// An answer is enough; each document of a good one can be taken out, or it is said why not.
fn try_all(text: &str) {
    let Ok(documents) = read(&[("a.yaml", text)]) else {
        return;
    };
    for source in &documents.sources {
        assert!(text.get(source.span.clone()).is_some(), "{source:?}");
        if let Ok(Some(rest)) = documents.without(source) {
            let rest = read(&[("a.yaml", &rest)]).unwrap();
            assert_eq!(rest.sources.len() + 1, documents.sources.len());
        }
    }
}

proptest! {
    #[test]
    fn words_in_any_order(words in vec(proptest::sample::select(WORDS), 0..60)) {
        try_all(&words.concat());
    }

    #[test]
    fn a_good_document_with_words_put_in_or_out(
        changes in vec((any::<proptest::sample::Index>(), 0..6_usize, proptest::sample::select(WORDS)), 1..5)
    ) {
        let mut text = GOOD.to_owned();
        for (index, removed, word) in changes {
            let at = text.floor_char_boundary(index.index(text.len() + 1));
            let end = text.floor_char_boundary((at + removed).min(text.len())).max(at);
            text.replace_range(at..end, word);
        }
        try_all(&text);
    }

    #[test]
    fn any_text(text in any::<String>()) {
        try_all(&text);
    }
}

#[test]
fn the_good_document_is_good() {
    assert_eq!(read(&[("a.yaml", GOOD)]).unwrap().sources.len(), 2);
}

/// Each of these has a few MiB, and is made to be read slowly.
#[test]
fn large_texts_are_answered() {
    let many = 100_000;
    let mut keys = String::new();
    for number in 0..many {
        write!(keys, ", unknown-key-number-{number}: 1").unwrap();
    }
    mistakes(&network_policy(&keys));
    mistakes(&network_policy(&", a: 1".repeat(many)));
    mistakes(&network_policy(&format!(
        ", ingress: [{}]",
        "x,".repeat(many)
    )));
    mistakes(&"kind: Pod\n---\n".repeat(many));
    mistakes(&"[".repeat(many));
    mistakes(&"{a: ".repeat(many));
    mistakes(&"- ".repeat(many));
    mistakes(&"? ".repeat(many));
    mistakes(&"&a ".repeat(many));
    mistakes(&format!("a: \"{}", "\\".repeat(many * 10)));
    mistakes(&format!("kind: |\n{}", "  x\n".repeat(many)));
    mistakes(&weir_policy(&format!(
        "ingress: [{}]",
        "{from: [{}]}, ".repeat(many / 10)
    )));
    let comments = "# x\n".repeat(many * 5);
    read(&[("a.yaml", &comments)]).unwrap();
    let empty = "---\n".repeat(many);
    read(&[("a.yaml", &empty)]).unwrap();
}
