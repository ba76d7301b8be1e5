//! `conf/weirpolicy.schema.json` and the parser say the same of every field.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{read, weir_policy};
use crate::policy::documents::scalar::Scalar;
use crate::policy::documents::tree::{self, Node};
use crate::policy::documents::{labels, networks, objects, policies, rules};

fn schema() -> Value {
    let text = include_str!("../../../../../conf/weirpolicy.schema.json");
    serde_json::from_str(text).unwrap()
}

/// Whether a schema accepts a value: the keywords that ours uses, and no others.
fn accepts(root: &Value, schema: &Value, value: &Value) -> bool {
    let keywords = schema.as_object().unwrap();
    keywords.iter().all(|(keyword, of)| match keyword.as_str() {
        "$schema" | "$id" | "title" | "description" | "definitions" | "default" | "then"
        | "else" => true,
        "$ref" => {
            let pointer = of.as_str().unwrap().trim_start_matches('#');
            accepts(root, root.pointer(pointer).unwrap(), value)
        }
        "type" => has_type(of.as_str().unwrap(), value),
        "const" => value == of,
        "enum" => of.as_array().unwrap().contains(value),
        "not" => !accepts(root, of, value),
        "anyOf" => accepting(root, of, value) > 0,
        "oneOf" => accepting(root, of, value) == 1,
        "if" => {
            let branch = if accepts(root, of, value) {
                "then"
            } else {
                "else"
            };
            schema
                .get(branch)
                .is_none_or(|branch| accepts(root, branch, value))
        }
        "items" => value
            .as_array()
            .is_none_or(|items| items.iter().all(|item| accepts(root, of, item))),
        _ => accepts_fields(root, schema, keyword, value)
            .unwrap_or_else(|| within(keyword, of, value)),
    })
}

/// How many of these schemas accept a value.
fn accepting(root: &Value, schemas: &Value, value: &Value) -> usize {
    let schemas = schemas.as_array().unwrap().iter();
    schemas
        .filter(|schema| accepts(root, schema, value))
        .count()
}

/// What a keyword about fields says; nothing if it is another one.
fn accepts_fields(root: &Value, schema: &Value, keyword: &str, value: &Value) -> Option<bool> {
    let none = Map::new();
    let fields = value.as_object().unwrap_or(&none);
    let known = schema
        .get("properties")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    let of = &schema[keyword];
    Some(match keyword {
        "required" => {
            let mut names = of
                .as_array()
                .unwrap()
                .iter()
                .map(|name| name.as_str().unwrap());
            !value.is_object() || names.all(|name| fields.contains_key(name))
        }
        "properties" => known.iter().all(|(name, of)| {
            fields
                .get(name)
                .is_none_or(|value| accepts(root, of, value))
        }),
        "additionalProperties" => {
            let mut others = fields.iter().filter(|(name, _)| !known.contains_key(*name));
            others.all(|(_, value)| of.as_bool().unwrap_or_else(|| accepts(root, of, value)))
        }
        _ => return None,
    })
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("the type {other} is not known here"),
    }
}

/// What is of another type has no size, and is the business of `type`.
fn within(keyword: &str, bound: &Value, value: &Value) -> bool {
    let size = match keyword {
        "minLength" | "maxLength" => value.as_str().map(|text| text.chars().count()),
        "minItems" | "maxItems" => value.as_array().map(Vec::len),
        "minimum" | "maximum" => value
            .as_u64()
            .map(|number| usize::try_from(number).unwrap()),
        other => panic!("the keyword {other} is not known here"),
    };
    let bound = usize::try_from(bound.as_u64().unwrap()).unwrap();
    let is_least = keyword.starts_with("min");
    size.is_none_or(|size| {
        if is_least {
            size >= bound
        } else {
            size <= bound
        }
    })
}

fn json_of(node: &Node) -> Value {
    match (Scalar::of(node), &node.value) {
        (Scalar::Bool(value), _) => json!(value),
        (Scalar::Int(number), _) => json!(number),
        (Scalar::Float, _) => json!(0.5),
        (Scalar::Text(text), _) => json!(text),
        (_, tree::Value::List(items, _)) => items.iter().map(|item| json_of(item)).collect(),
        (_, tree::Value::Map(entries)) => {
            let fields = entries
                .iter()
                .map(|entry| (entry.key.clone(), json_of(&entry.value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        _ => Value::Null,
    }
}

/// Whether the schema accepts each document of a text.
pub(super) fn schema_accepts(text: &str) -> bool {
    let root = schema();
    let parsed = tree::parse(text);
    assert!(parsed.flaws.is_empty(), "{text}");
    parsed
        .trees
        .iter()
        .all(|tree| accepts(&root, &root, &json_of(&tree.root)))
}

#[test]
fn both_know_the_same_fields() {
    let root = schema();
    let check = |pointer: &str, fields: &[&str]| {
        let properties = root.pointer(pointer).unwrap()["properties"]
            .as_object()
            .unwrap();
        let known: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(known, fields.iter().copied().collect(), "{pointer}");
        assert_eq!(
            root.pointer(pointer).unwrap()["additionalProperties"],
            json!(false),
            "{pointer}"
        );
    };
    let tables = [
        ("/definitions/metadata", objects::METADATA),
        ("/definitions/spec", policies::WEIR_SPEC),
        ("/definitions/ingressRule", policies::WEIR_INGRESS),
        ("/definitions/egressRule", policies::WEIR_EGRESS),
        ("/definitions/peer", rules::WEIR_PEER),
        ("/definitions/ipBlock", networks::IP_BLOCK),
        ("/definitions/port", rules::PORT_FIELDS),
        ("/definitions/selector", labels::SELECTOR),
        ("/definitions/expression", labels::EXPRESSION),
    ];
    check("", objects::OBJECT);
    for (pointer, fields) in tables {
        check(pointer, fields);
    }
    let definitions = root["definitions"].as_object().unwrap();
    let with_fields = definitions
        .values()
        .filter(|one| one.get("properties").is_some());
    assert_eq!(
        with_fields.count(),
        tables.len(),
        "a definition has no row here"
    );
    let words = |pointer: &str, words: &[&str]| {
        assert_eq!(root.pointer(pointer), Some(&json!(words)), "{pointer}");
    };
    words(
        "/definitions/spec/properties/policyTypes/items/enum",
        policies::POLICY_TYPES,
    );
    words("/definitions/action/enum", rules::ACTIONS);
    words("/definitions/entities/items/enum", rules::ENTITIES);
    words(
        "/definitions/port/properties/protocol/enum",
        rules::PROTOCOLS,
    );
    words(
        "/definitions/expression/properties/operator/enum",
        labels::OPERATORS,
    );
}

/// What both take below `spec`.
const GOOD: &[&str] = &[
    "",
    "podSelector: {}, namespaceSelector: {matchLabels: {a: b}}",
    "policyTypes: [Ingress, Egress], ingress: [], egress: [{}]",
    "ingress: [{action: deny, from: [{entities: [host, world, all]}], ports: [{port: 22}, {protocol: UDP}]}]",
    "egress: [{action: allow, to: [{podSelector: {}, namespaceSelector: {}}, {ipBlock: {cidr: 10.0.0.0/8, except: []}}]}]",
    "egress: [{to: [{ipBlock: {cidr: '::/0', except: ['fd00::/8']}}], ports: [{port: http}, {port: 1, endPort: 65535}]}]",
    "podSelector: {matchExpressions: [{key: a, operator: In, values: [b]}, {key: a, operator: Exists, values: []}]}",
    "podSelector: {matchExpressions: [{key: a, operator: DoesNotExist}, {key: a, operator: NotIn, values: ['']}]}",
    "nodeSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 22}]}]",
    "nodeSelector: {matchLabels: {kubernetes.io/hostname: a}}, egress: [{action: deny}]",
];

/// What both refuse there.
const BAD: &[&str] = &[
    "pods: {}",
    "podSelector: []",
    "podSelector: {matchLabels: {a: 1}}",
    "podSelector: {matchExpressions: [{key: a, operator: In}]}",
    "podSelector: {matchExpressions: [{key: a, operator: In, values: []}]}",
    "podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}",
    "podSelector: {matchExpressions: [{operator: Exists}]}",
    "podSelector: {matchExpressions: [{key: a}]}",
    "podSelector: {matchExpressions: [{key: a, operator: Gt}]}",
    "nodeSelector: []",
    "nodeSelector: {}, podSelector: {}",
    "nodeSelector: {}, namespaceSelector: {}",
    "policyTypes: Ingress",
    "policyTypes: [ingress]",
    "policyTypes: [Ingress, Egress, Ingress]",
    "ingress: {}",
    "ingress: [null]",
    "ingress: [{to: []}]",
    "egress: [{from: []}]",
    "ingress: [{action: Drop}]",
    "ingress: [{from: [{}]}]",
    "ingress: [{from: [{entities: []}]}]",
    "ingress: [{from: [{entities: [cluster]}]}]",
    "ingress: [{from: [{entities: [host], ipBlock: {cidr: '::/0'}}]}]",
    "ingress: [{from: [{podSelector: {}, ipBlock: {cidr: '::/0'}}]}]",
    "ingress: [{from: [{ipBlock: {}}]}]",
    "ingress: [{ports: [{port: 0}]}]",
    "ingress: [{ports: [{port: 65536}]}]",
    "ingress: [{ports: [{port: 1.5}]}]",
    "ingress: [{ports: [{port: a-name-that-is-too-long}]}]",
    "ingress: [{ports: [{protocol: ICMP}]}]",
    "ingress: [{ports: [{endPort: 80}]}]",
    "ingress: [{ports: [{port: http, endPort: 80}]}]",
];

#[test]
fn both_take_the_same_documents() {
    let check = |text: &str, expected: bool| {
        let found = read(&[("a.yaml", text)]);
        assert_eq!(found.is_ok(), expected, "the parser: {text}\n{found:?}");
        assert_eq!(schema_accepts(text), expected, "the schema: {text}");
    };
    for spec in GOOD {
        check(&weir_policy(spec), true);
    }
    for spec in BAD {
        check(&weir_policy(spec), false);
    }
    let whole = weir_policy("");
    check(&whole, true);
    check(
        &whole.replace(
            "{name: p}",
            "{name: p, uid: x, labels: {a: b}, annotations: {a: b}}",
        ),
        true,
    );
    for (from, to) in [
        ("{name: p}", "{}"),
        ("{name: p}", "{name: p, namespace: a}"),
        ("{name: p}", "{name: p, other: a}"),
        ("v1alpha1", "v1"),
        ("kind: WeirPolicy", "kind: Policy"),
        ("kind: WeirPolicy\n", ""),
        ("spec: {}\n", ""),
        ("spec: {}\n", "spec: []\n"),
    ] {
        check(&whole.replace(from, to), false);
    }
}
