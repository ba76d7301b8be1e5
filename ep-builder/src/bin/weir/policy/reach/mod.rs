//! Who may reach whom on this node, and what of it is alike: from compiled entries, the pods and their addresses. Pure but
//! for [`read`].

mod actors;
mod edges;
mod rows;
#[cfg(test)]
pub(crate) mod tests;
mod traffic;

use std::path::PathBuf;

use ep_builder::endpoint::Endpoint;
use ep_builder::node::recorded;
use ep_builder::policy::documents::read_files;
use ep_builder::policy::{EnforceError, Enforcement, Origin, Whole};

pub(crate) use actors::{Actor, Kind, Surroundings, actors};
pub(crate) use edges::{Edge, Only, What, edges};
pub(crate) use rows::{Crowd, Row, rows};
pub(crate) use traffic::ports;

use crate::failure::Failure;
use crate::node::{Node, record};
use crate::screen::talk;

/// Everybody, and what each may open to each.
#[derive(Debug)]
pub(crate) struct Relations {
    /// The revision in force; none before the first one, and for documents that are not in force.
    pub(crate) revision: Option<u32>,
    /// Everybody: the pods of each identity, the node, and the world with its networks.
    pub(crate) actors: Vec<Actor>,
    /// What may pass, each kind of it once.
    pub(crate) whats: Vec<What>,
    /// From whom to whom what may pass.
    pub(crate) edges: Vec<Edge>,
    /// The rules by their numbers, from 1.
    pub(crate) origins: Vec<Origin>,
    /// Whether what policy refuses passes all the same.
    pub(crate) audits: bool,
}

impl Relations {
    /// Those of a policy for the pods that there are.
    pub(crate) fn new(whole: Whole, endpoints: &[Endpoint], around: &Surroundings) -> Self {
        let actors = actors(&whole.compiled, endpoints, around);
        let (whats, edges) = edges(&whole, &actors);
        Self {
            revision: whole.revision,
            actors,
            whats,
            edges,
            origins: whole.compiled.origins,
            audits: around.audits,
        }
    }

    /// The rule with this number.
    pub(crate) fn origin(&self, number: u32) -> Option<&Origin> {
        Origin::of_rule(&self.origins, number)
    }
}

/// The relations of this node: by the policy in force, or, where files are named, by what is in these.
pub(crate) fn read(node: &Node, files: &[PathBuf]) -> Result<Relations, Failure> {
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let whole = if files.is_empty() {
        enforcement.whole_in_force()?
    } else {
        let documents = read_files(files).map_err(EnforceError::from)?;
        enforcement.whole_with(&documents)?
    };
    let entries = store.list()?;
    let endpoints = entries.iter().filter_map(record);
    let endpoints: Vec<_> = endpoints.map(|record| record.endpoint.clone()).collect();
    tell_of_unknown(&whole, &endpoints);
    let own = recorded(&node.settings)?;
    let addresses = own.iter().flat_map(|record| &record.addresses);
    let around = Surroundings {
        families: [node.settings.node.ipv4, node.settings.node.ipv6],
        node: addresses.map(|own| own.address).collect(),
        audits: node.audits_policy(),
    };
    Ok(Relations::new(whole, &endpoints, &around))
}

/// Who is left out should not be taken for closed.
fn tell_of_unknown(whole: &Whole, endpoints: &[Endpoint]) {
    let subjects = &whole.compiled.subjects;
    let unknown = endpoints.iter();
    let unknown = unknown.filter(|endpoint| !subjects.contains_key(&endpoint.identity));
    let ids: Vec<_> = unknown.map(|endpoint| endpoint.id.to_string()).collect();
    if !ids.is_empty() {
        talk(&format!(
            "note: left out, because nothing is compiled for their identities: endpoints {}; `weir doctor` says more",
            ids.join(", ")
        ));
    }
}
