//! The two kinds of policy.

use super::cursor::{Cursor, Fields, Read, Reader, each};
use super::error::Problem;
use super::labels::selector;
use super::rules::{Dialect, Owner, PEER, WEIR_PEER, rules, target};
use crate::policy::{Namespaces, Rules, Scope, Selector, Target};

/// The fields of the `spec` of a `NetworkPolicy`.
pub(super) const NETWORK_SPEC: &[&str] = &["podSelector", "policyTypes", "ingress", "egress"];
/// The fields of the `spec` of a `WeirPolicy`.
pub(super) const WEIR_SPEC: &[&str] = &[
    "nodeSelector",
    "namespaceSelector",
    "podSelector",
    "policyTypes",
    "ingress",
    "egress",
];
/// The fields of a rule, by kind and direction.
pub(super) const INGRESS: &[&str] = &["from", "ports"];
/// See [`INGRESS`].
pub(super) const EGRESS: &[&str] = &["to", "ports"];
/// See [`INGRESS`].
pub(super) const WEIR_INGRESS: &[&str] = &["action", "from", "ports"];
/// See [`INGRESS`].
pub(super) const WEIR_EGRESS: &[&str] = &["action", "to", "ports"];
/// The directions.
pub(super) const POLICY_TYPES: &[&str] = &["Ingress", "Egress"];

/// What a policy says.
#[derive(Clone, Debug)]
pub(super) struct Spec {
    pub(super) scope: Scope,
    pub(super) ingress: Rules,
    pub(super) egress: Rules,
}

/// Which directions a list names, in the order of [`POLICY_TYPES`].
type Directions = [bool; 2];

/// The `spec` of a `NetworkPolicy`.
pub(super) fn network_policy(reader: &mut Reader, at: &Cursor<'_>, namespace: &str) -> Read<Spec> {
    let fields = reader.fields(at, NETWORK_SPEC)?;
    let pods = match fields.get("podSelector") {
        Some(at) => selector(reader, &at),
        None => Err(reader.refuse_absent(
            at,
            "podSelector",
            "a selector; {} selects every pod of the namespace",
        )),
    };
    let home = Namespaces::Named(namespace.to_owned());
    let types = policy_types(reader, &fields);
    let dialect = |rule, peers| Dialect {
        rule,
        peer: PEER,
        peers,
        home: home.clone(),
        owner: Owner::Pods,
    };
    let ingress = direction(reader, &fields, "ingress", &dialect(INGRESS, "from"));
    let egress = direction(reader, &fields, "egress", &dialect(EGRESS, "to"));
    let (mut ingress, mut egress) = (ingress?, egress?);
    // Named by none, a policy is about ingress, and about egress if it has a rule for it.
    let named = match types? {
        [false, false] => [true, !egress.rules.is_empty()],
        named => named,
    };
    for (index, rules) in [&mut ingress, &mut egress].into_iter().enumerate() {
        rules.isolates = named[index];
        if !rules.isolates && !rules.rules.is_empty() {
            rules.rules.clear();
            if let Some(at) = fields.get(["ingress", "egress"][index]) {
                reader.notice(
                    &at,
                    "these rules say nothing: policyTypes leaves their direction out",
                );
            }
        }
    }
    Ok(Spec {
        scope: Scope::Pods(Target {
            namespaces: home,
            pods: pods?,
        }),
        ingress,
        egress,
    })
}

/// The `spec` of a `WeirPolicy`.
pub(super) fn weir_policy(reader: &mut Reader, at: &Cursor<'_>) -> Read<Spec> {
    let fields = reader.fields(at, WEIR_SPEC)?;
    let home = Namespaces::Labelled(Selector::default());
    let (owner, scope) = weir_scope(reader, &fields, &home);
    let types = policy_types(reader, &fields);
    let dialect = |rule, peers| Dialect {
        rule,
        peer: WEIR_PEER,
        peers,
        home: home.clone(),
        owner,
    };
    let ingress = direction(reader, &fields, "ingress", &dialect(WEIR_INGRESS, "from"));
    let egress = direction(reader, &fields, "egress", &dialect(WEIR_EGRESS, "to"));
    let (mut ingress, mut egress) = (ingress?, egress?);
    [ingress.isolates, egress.isolates] = types?;
    Ok(Spec {
        scope: scope?,
        ingress,
        egress,
    })
}

/// Whom a `WeirPolicy` is about: the node, or pods. Its rules are read whatever is wrong with this.
fn weir_scope(reader: &mut Reader, fields: &Fields<'_>, home: &Namespaces) -> (Owner, Read<Scope>) {
    let namespaces = fields
        .get("namespaceSelector")
        .map(|at| selector(reader, &at));
    let pods = fields.get("podSelector").map(|at| selector(reader, &at));
    let (namespaces, pods) = (namespaces.transpose(), pods.transpose());
    let Some(at) = fields.get("nodeSelector") else {
        let scope = pods.and_then(|pods| Ok(target(pods, namespaces?, home.clone())));
        return (Owner::Pods, scope.map(Scope::Pods));
    };
    let labels = selector(reader, &at);
    let others = ["podSelector", "namespaceSelector"];
    let scope = match others.iter().find(|name| fields.get(name).is_some()) {
        Some(name) => {
            let text = format!(
                "a policy is about the node or about pods: leave this or `{name}` out, and write two policies for both"
            );
            Err(reader.refuse(&at, Problem::Contradiction(text)))
        }
        None => labels.map(Scope::Node),
    };
    (Owner::Node, scope)
}

fn direction(
    reader: &mut Reader,
    fields: &Fields<'_>,
    name: &str,
    dialect: &Dialect,
) -> Read<Rules> {
    let rules = rules(reader, fields.get(name).as_ref(), dialect)?;
    Ok(Rules {
        isolates: false,
        rules,
    })
}

fn policy_types(reader: &mut Reader, fields: &Fields<'_>) -> Read<Directions> {
    let mut named = [false; 2];
    let Some(at) = fields.get("policyTypes") else {
        return Ok(named);
    };
    let items = reader.items(&at)?;
    if items.len() > POLICY_TYPES.len() {
        let text = "there are no more than the two, Ingress and Egress".to_owned();
        return Err(reader.refuse(&at, Problem::Contradiction(text)));
    }
    for index in each(items, |item| reader.word(&item, POLICY_TYPES))? {
        named[index] = true;
    }
    Ok(named)
}
