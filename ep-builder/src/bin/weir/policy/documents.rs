//! `weir policy get`: the documents in force.

use ep_builder::policy::oracle::{selects, selects_node};
use ep_builder::policy::{
    DocumentKind, Documents, Enforcement, NodeFacts, PodFacts, PolicyKind, Scope, Source,
};
use serde::Serialize;

use super::full_name;
use crate::failure::Failure;
use crate::node::{Node, record};
use crate::screen::{Columns, Screen, talk};

/// A document as `-o json` gives it.
#[derive(Serialize)]
struct Row {
    kind: DocumentKind,
    /// Null for a kind without.
    namespace: Option<String>,
    name: String,
    file: String,
    line: u32,
    /// How many endpoints it speaks for; null for a kind that speaks for none.
    endpoints: Option<usize>,
    /// Whether it speaks for this node.
    node: bool,
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let documents = enforcement.documents_in_force()?.unwrap_or_default();
    let facts = enforcement.node_facts()?;
    if let Some(waiting) = enforcement.waiting()? {
        let left = waiting.left.as_secs();
        talk(&format!(
            "note: these wait to be confirmed, {left} seconds yet: `weir policy confirm` keeps them"
        ));
    }
    let pods: Vec<PodFacts> = store
        .list()?
        .iter()
        .filter_map(|entry| Some(PodFacts::of(&record(entry)?.endpoint.labels)))
        .collect();
    let rows: Vec<Row> = documents
        .sources
        .iter()
        .map(|source| row(source, &documents, &pods, &facts))
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &["KIND", "NAME", "ENDPOINTS", "FILE"],
            plain: 4,
            rows: rows.iter().map(columns).collect(),
            empty: "no policy is in force: `weir policy apply` puts the documents of policy_dir in force",
        },
    )
}

fn row(source: &Source, documents: &Documents, pods: &[PodFacts], node: &NodeFacts) -> Row {
    let scope = scope(source, documents);
    let count = |scope: &Scope| match scope {
        Scope::Pods(target) => {
            let selected = |facts: &&PodFacts| selects(&documents.set, target, facts);
            pods.iter().filter(selected).count()
        }
        Scope::Node(_) => 0,
    };
    Row {
        kind: source.kind,
        namespace: (!source.namespace.is_empty()).then(|| source.namespace.clone()),
        name: source.name.clone(),
        file: source.place.file.to_string(),
        line: source.place.line,
        endpoints: scope.map(count),
        node: matches!(scope, Some(Scope::Node(labels)) if selects_node(labels, node)),
    }
}

/// For whom a document speaks.
fn scope<'a>(source: &Source, documents: &'a Documents) -> Option<&'a Scope> {
    let kind = match source.kind {
        DocumentKind::NetworkPolicy => PolicyKind::NetworkPolicy,
        DocumentKind::WeirPolicy => PolicyKind::WeirPolicy,
        DocumentKind::Namespace => return None,
    };
    let mut policies = documents.set.policies.iter();
    let policy = policies.find(|policy| {
        policy.kind == kind && policy.namespace == source.namespace && policy.name == source.name
    });
    policy.map(|policy| &policy.scope)
}

fn columns(row: &Row) -> Vec<String> {
    vec![
        row.kind.to_string(),
        full_name(row.namespace.as_deref().unwrap_or_default(), &row.name),
        match row.endpoints {
            _ if row.node => "node".to_owned(),
            Some(count) => count.to_string(),
            None => "-".to_owned(),
        },
        format!("{}:{}", row.file, row.line),
    ]
}
