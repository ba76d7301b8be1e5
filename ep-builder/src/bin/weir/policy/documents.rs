//! `weir policy get`: the documents in force.

use ep_builder::policy::oracle::selects;
use ep_builder::policy::{
    DocumentKind, Documents, Enforcement, PodFacts, PolicyKind, Source, Target,
};
use serde::Serialize;

use super::full_name;
use crate::failure::Failure;
use crate::node::{Node, record};
use crate::screen::{Columns, Screen};

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
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    let documents = Enforcement::new(&node.settings, &store).documents_in_force()?;
    let documents = documents.unwrap_or_default();
    let pods: Vec<PodFacts> = store
        .list()?
        .iter()
        .filter_map(|entry| Some(PodFacts::of(&record(entry)?.endpoint.labels)))
        .collect();
    let rows: Vec<Row> = documents
        .sources
        .iter()
        .map(|source| row(source, &documents, &pods))
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

fn row(source: &Source, documents: &Documents, pods: &[PodFacts]) -> Row {
    let target = target(source, documents);
    let count = |target: &Target| {
        let selected = pods
            .iter()
            .filter(|facts| selects(&documents.set, target, facts));
        selected.count()
    };
    Row {
        kind: source.kind,
        namespace: (!source.namespace.is_empty()).then(|| source.namespace.clone()),
        name: source.name.clone(),
        file: source.place.file.to_string(),
        line: source.place.line,
        endpoints: target.map(count),
    }
}

/// For whom a document speaks.
fn target<'a>(source: &Source, documents: &'a Documents) -> Option<&'a Target> {
    let kind = match source.kind {
        DocumentKind::NetworkPolicy => PolicyKind::NetworkPolicy,
        DocumentKind::WeirPolicy => PolicyKind::WeirPolicy,
        DocumentKind::Namespace => return None,
    };
    let mut policies = documents.set.policies.iter();
    let policy = policies.find(|policy| {
        policy.kind == kind && policy.namespace == source.namespace && policy.name == source.name
    });
    policy.map(|policy| &policy.target)
}

fn columns(row: &Row) -> Vec<String> {
    vec![
        row.kind.to_string(),
        full_name(row.namespace.as_deref().unwrap_or_default(), &row.name),
        row.endpoints.map_or("-".to_owned(), |n| n.to_string()),
        format!("{}:{}", row.file, row.line),
    ]
}
