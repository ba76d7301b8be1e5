//! `weir policy diff`: the operator's files against what is in force.

use std::collections::BTreeMap;
use std::process::ExitCode;

use ep_builder::policy::{
    Change, Document, DocumentKind, Documents, Enforcement, Place, PolicyKind,
};
use serde::Serialize;

use super::{apply, full_name, on_disk};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen, talk};

/// How a document differs.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Difference {
    Added,
    Removed,
    Changed,
}

impl Difference {
    fn name(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

#[derive(Serialize)]
struct Row {
    difference: Difference,
    kind: DocumentKind,
    /// Null for a kind without.
    namespace: Option<String>,
    name: String,
    file: String,
    line: u32,
}

#[derive(Serialize)]
struct Report {
    documents: Vec<Row>,
    /// The endpoints whose entries would change.
    endpoints: Vec<Change>,
}

/// Exits with 1 if anything differs, as `diff` does.
pub(super) fn run(node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    let ours = on_disk(node)?;
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let in_force = enforcement.documents_in_force()?.unwrap_or_default();
    let mut endpoints = enforcement.plan(&ours)?.changes;
    endpoints.retain(Change::is_something);
    let report = Report {
        documents: rows(&in_force, &ours),
        endpoints,
    };
    let is_same = report.documents.is_empty() && report.endpoints.is_empty();
    match screen.format() {
        Format::Json | Format::Yaml => screen.value(&report)?,
        Format::Table | Format::Wide if is_same => talk("the files say what is in force"),
        Format::Table | Format::Wide => {
            documents(&report.documents, screen)?;
            apply::changes(&report.endpoints, true, screen)?;
        }
    }
    Ok(ExitCode::from(u8::from(!is_same)))
}

fn documents(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let columns = |row: &Row| {
        vec![
            row.difference.name().to_owned(),
            row.kind.to_string(),
            full_name(row.namespace.as_deref().unwrap_or_default(), &row.name),
            format!("{}:{}", row.file, row.line),
        ]
    };
    screen.list(
        rows,
        &Columns {
            headings: &["DOCUMENT", "KIND", "NAME", "FILE"],
            plain: 4,
            rows: rows.iter().map(columns).collect(),
            empty: "the documents are those in force",
        },
    )
}

type Name = (DocumentKind, String, String);

/// What a document means, wherever it stands.
#[derive(PartialEq)]
enum Meaning {
    Policy(Box<Document>),
    Labels(Option<BTreeMap<String, String>>),
}

fn rows(old: &Documents, new: &Documents) -> Vec<Row> {
    let mut before = meanings(old);
    let mut rows = Vec::new();
    for (name, (place, meaning)) in meanings(new) {
        match before.remove(&name) {
            None => rows.push(row(Difference::Added, name, &place)),
            Some((_, was)) if was != meaning => {
                rows.push(row(Difference::Changed, name, &place));
            }
            Some(_) => {}
        }
    }
    let removed = before.into_iter();
    rows.extend(removed.map(|(name, (place, _))| row(Difference::Removed, name, &place)));
    rows
}

fn row(difference: Difference, (kind, namespace, name): Name, place: &Place) -> Row {
    Row {
        difference,
        kind,
        namespace: (!namespace.is_empty()).then_some(namespace),
        name,
        file: place.file.to_string(),
        line: place.line,
    }
}

fn meanings(documents: &Documents) -> BTreeMap<Name, (Place, Meaning)> {
    let mut policies: BTreeMap<_, _> = documents
        .set
        .policies
        .iter()
        .map(|policy| {
            let key = (policy.kind, policy.namespace.clone(), policy.name.clone());
            (key, policy)
        })
        .collect();
    let mut meanings = BTreeMap::new();
    for source in &documents.sources {
        let mut policy =
            |kind| policies.remove(&(kind, source.namespace.clone(), source.name.clone()));
        let found = match source.kind {
            DocumentKind::NetworkPolicy => policy(PolicyKind::NetworkPolicy),
            DocumentKind::WeirPolicy => policy(PolicyKind::WeirPolicy),
            DocumentKind::Namespace => None,
        };
        let meaning = found.map_or_else(
            || Meaning::Labels(documents.set.namespaces.get(&source.name).cloned()),
            |policy| Meaning::Policy(Box::new(placeless(policy))),
        );
        let name = (source.kind, source.namespace.clone(), source.name.clone());
        meanings.insert(name, (source.place.clone(), meaning));
    }
    meanings
}

/// A policy without where it was written.
fn placeless(policy: &Document) -> Document {
    let nowhere = Place {
        file: "".into(),
        line: 0,
    };
    let mut policy = policy.clone();
    let rules = policy.ingress.rules.iter_mut();
    for rule in rules.chain(&mut policy.egress.rules) {
        rule.place = nowhere.clone();
    }
    policy.place = nowhere;
    policy
}
