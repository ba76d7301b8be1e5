//! `weir ip`: whose address is whose.

use std::collections::BTreeMap;

use ep_builder::endpoint::{EndpointId, Labels};
use ep_builder::maps::{MapsError, Prefix};
use serde::Serialize;

use crate::bpf::names::identity;
use crate::cli::Ip;
use crate::failure::Failure;
use crate::identity::label_text;
use crate::map::maps;
use crate::node::Node;
use crate::policy::labels_by_identity;
use crate::screen::{Columns, Screen};

/// An address or a network as `-o json` gives it.
#[derive(Serialize)]
struct Row {
    prefix: String,
    /// The identity of who is there; of a network of a policy its number.
    identity: u32,
    labels: Labels,
    /// The endpoint of this node that has it.
    endpoint: Option<u16>,
    /// The revision of the policy that names the network; null for who is there.
    revision: Option<u32>,
}

pub(crate) fn run(command: &Ip, node: &Node, screen: &Screen) -> Result<(), Failure> {
    let Ip::List = command;
    let rows = rows(node)?;
    screen.list(
        &rows,
        &Columns {
            headings: &["ADDRESS", "IDENTITY", "LABELS", "ENDPOINT", "REVISION"],
            plain: 5,
            rows: rows.iter().map(columns).collect(),
            empty: "no address is known: an endpoint has the first one",
        },
    )
}

fn rows(node: &Node) -> Result<Vec<Row>, Failure> {
    let maps = maps(node);
    let ipcache = match maps.ipcache() {
        Ok(ipcache) => ipcache,
        Err(MapsError::Missing { .. }) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let labels = labels_by_identity(node)?;
    let owners: BTreeMap<Prefix, u16> = maps
        .endpoints()?
        .entries()?
        .into_iter()
        .filter(|(_, endpoint)| EndpointId::new(endpoint.lxc_id).is_ok())
        .map(|(address, endpoint)| (Prefix::of(address), endpoint.lxc_id))
        .collect();
    let who = ipcache.entries()?.into_iter().map(|(prefix, peer)| Row {
        prefix: prefix.to_string(),
        identity: peer.identity,
        labels: labels.get(&peer.identity).cloned().unwrap_or_default(),
        endpoint: owners.get(&prefix).copied(),
        revision: None,
    });
    let mut rows: Vec<_> = who.collect();
    for revision in ipcache.revisions()? {
        let networks = ipcache.networks(revision)?.into_iter();
        rows.extend(networks.map(|(prefix, number)| Row {
            prefix: prefix.to_string(),
            identity: number,
            labels: Labels::default(),
            endpoint: None,
            revision: Some(revision),
        }));
    }
    Ok(rows)
}

fn columns(row: &Row) -> Vec<String> {
    let or_dash = |text: String| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text
        }
    };
    let labels: Vec<_> = row.labels.iter().map(label_text).collect();
    let number = if row.revision.is_some() {
        row.identity.to_string()
    } else {
        identity(row.identity)
    };
    let text = |number: Option<String>| number.unwrap_or_else(|| "-".to_owned());
    vec![
        row.prefix.clone(),
        number,
        or_dash(labels.join(",")),
        text(row.endpoint.map(|id| id.to_string())),
        text(row.revision.map(|revision| revision.to_string())),
    ]
}
