//! `weir identity`: the numbers of label sets, and which endpoints have them.

mod get;
mod list;

use std::collections::BTreeMap;

use ep_builder::endpoint::{Endpoint, EndpointId, Label, Labels};
use ep_builder::error::chain;
use ep_builder::identity::{FIRST, Identities, Listed, RESERVED, reserved_name};
use serde::Serialize;

use crate::cli::Identity;
use crate::failure::Failure;
use crate::node::{Node, record};
use crate::screen::Screen;

pub(crate) fn run(command: &Identity, node: &Node, screen: &Screen) -> Result<(), Failure> {
    match command {
        Identity::List { reserved } => list::run(node, *reserved, screen),
        Identity::Get { id } => get::run(node, *id, screen),
    }
}

/// The identities of this node.
pub(crate) fn identities(node: &Node) -> Result<Identities, Failure> {
    Ok(Identities::open(&node.settings.paths.state_dir)?)
}

/// One identity as `-o json` gives it.
#[derive(Serialize)]
struct Row {
    id: u32,
    /// What a reserved one is called.
    name: Option<&'static str>,
    labels: Labels,
    /// The live endpoints that have it.
    endpoints: Vec<EndpointId>,
    /// What is wrong, if anything is.
    problem: Option<String>,
}

impl Row {
    fn new(id: u32, labels: Labels, problem: Option<String>) -> Self {
        Self {
            id,
            name: reserved_name(id),
            labels,
            endpoints: Vec::new(),
            problem,
        }
    }

    fn listed(listed: Listed) -> Self {
        match listed.labels {
            Ok(labels) => Self::new(listed.number, labels, None),
            Err(error) => Self::new(listed.number, Labels::default(), Some(chain(&error))),
        }
    }

    /// One that only an endpoint knows.
    fn used(endpoint: &Endpoint) -> Self {
        let is_given = endpoint.identity >= FIRST;
        let problem = is_given.then(|| "it was not given out by this node".to_owned());
        Self::new(endpoint.identity, endpoint.labels.clone(), problem)
    }

    fn add(&mut self, endpoint: &Endpoint) {
        self.endpoints.push(endpoint.id);
        if self.problem.is_none() && self.id >= FIRST && self.labels != endpoint.labels {
            self.problem = Some(format!("endpoint {} has other labels", endpoint.id));
        }
    }

    fn label_texts(&self) -> Vec<String> {
        self.labels.iter().map(label_text).collect()
    }

    fn endpoint_texts(&self) -> Vec<String> {
        self.endpoints.iter().map(ToString::to_string).collect()
    }
}

/// All identities: those given out, those in use, and the reserved ones.
fn rows(node: &Node) -> Result<BTreeMap<u32, Row>, Failure> {
    let reserved = RESERVED.map(|(number, _)| Row::new(number, Labels::default(), None));
    let given = identities(node)?.list()?.into_iter().map(Row::listed);
    let mut rows: BTreeMap<_, _> = reserved
        .into_iter()
        .chain(given)
        .map(|row| (row.id, row))
        .collect();
    for endpoint in node.store()?.list()?.iter().filter_map(record) {
        let endpoint = &endpoint.endpoint;
        rows.entry(endpoint.identity)
            .or_insert_with(|| Row::used(endpoint))
            .add(endpoint);
    }
    Ok(rows)
}

/// A label as people write it.
pub(crate) fn label_text(label: &Label) -> String {
    let value = if label.value.is_empty() {
        String::new()
    } else {
        format!("={}", label.value)
    };
    format!("{}:{}{value}", label.source, label.key)
}

/// Texts in a row, or a dash.
fn joined(texts: &[String]) -> String {
    if texts.is_empty() {
        "-".to_owned()
    } else {
        texts.join(",")
    }
}
