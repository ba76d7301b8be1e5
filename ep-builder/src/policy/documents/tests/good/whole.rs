//! Documents as they stand in files.

use super::super::{read, weir_policy};
use super::check;

/// The uses that the pages of Kubernetes show.
const USES: &str = "\
# A database that its clients and one network may reach, and that may reach one network.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: database
  namespace: store
spec:
  podSelector:
    matchLabels:
      role: database
  policyTypes:
  - Ingress
  - Egress
  ingress:
  - from:
    - ipBlock:
        cidr: 192.0.2.0/24
        except:
        - 192.0.2.128/25
    - namespaceSelector:
        matchLabels:
          project: till
    - podSelector:
        matchLabels:
          role: client
    ports:
    - protocol: TCP
      port: 5432
  egress:
  - to:
    - ipBlock:
        cidr: 198.51.100.0/24
    ports:
    - protocol: TCP
      port: 32000
      endPort: 32768
---
# Names may be asked of some namespaces, chosen by the value of a label.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: names}
spec:
  podSelector: {matchLabels: {app: resolver}}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector:
            matchExpressions:
              - {key: stage, operator: In, values: [test, live]}
      ports: [{protocol: UDP, port: domain}]
---
---
# Nothing in, nothing out.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: nothing}
spec: {podSelector: {}, policyTypes: [Ingress, Egress]}
";

#[test]
fn whole_documents() {
    check(
        USES,
        &[
            "np store/database: [role=database] of store",
            "ingress isolated",
            "ingress allow 192.0.2.0/24 less 192.0.2.128/25, [] of [project=till], [role=client] of store on tcp 5432",
            "egress isolated",
            "egress allow 198.51.100.0/24 on tcp 32000-32768",
            "np default/names: [app=resolver] of default",
            "egress isolated",
            "egress allow [] of [stage=live|test] on udp domain",
            "np default/nothing: [] of default",
            "ingress isolated",
            "egress isolated",
        ],
    );
}

#[test]
fn documents_and_rules_know_their_lines() {
    let documents = read(&[("a.yaml", USES)]).unwrap();
    let lines: Vec<_> = USES.lines().collect();
    let line_of = |line: u32| lines[usize::try_from(line).unwrap() - 1];
    assert_eq!(documents.sources.len(), documents.set.policies.len());
    for (source, policy) in documents.sources.iter().zip(&documents.set.policies) {
        assert!(
            line_of(source.place.line).starts_with("apiVersion:"),
            "{source:?}"
        );
        assert_eq!(source.place, policy.place);
        assert_eq!(source.name, policy.name);
    }
    let policy = &documents.set.policies[0];
    assert_eq!(line_of(policy.ingress.rules[0].place.line), "  - from:");
    assert_eq!(line_of(policy.egress.rules[0].place.line), "  - to:");
}

#[test]
fn json_lists_anchors_and_byte_order_marks() {
    let item = |name: &str| {
        let annotations = r#"{"k":"\u003c\ud83d\ude00\/\n"}"#;
        let metadata = format!(r#"{{"name":"{name}","annotations":{annotations}}}"#);
        let head = r#""apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicy""#;
        format!(r#"{{{head},"metadata":{metadata},"spec":{{"podSelector":{{}}}}}}"#)
    };
    let one = item("a");
    let expected = ["np default/a: [] of default", "ingress isolated"];
    check(&one, &expected);
    check(&one.replace(',', ",\n\t\t").replace(':', " :\t"), &expected);
    check(&format!("\u{feff}{one}"), &expected);
    check(&one.replace(',', ",\r\n"), &expected);
    let items = format!("[{one}, {}]", item("b"));
    let list = format!(
        r#"{{"apiVersion":"v1","items":{items},"kind":"List","metadata":{{"resourceVersion":""}}}}"#
    );
    check(
        &list,
        &[
            &expected[..],
            &["np default/b: [] of default", "ingress isolated"],
        ]
        .concat(),
    );
    let anchor =
        "podSelector: &web {matchLabels: {a: b}}, ingress: [{from: [{podSelector: *web}]}]";
    check(
        &weir_policy(anchor),
        &["wp /p: [a=b] of []", "ingress allow [a=b] of [] on all"],
    );
}

#[test]
fn what_holds_no_document_says_nothing() {
    check("apiVersion: v1\nkind: List\nitems: []\n", &[]);
    check("apiVersion: v1\nkind: List\n", &[]);
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n",
        "---\n---\n...\n",
        "null\n",
        "~",
    ] {
        check(text, &[]);
    }
}
