//! `weir bpf ipcache list` and `get`

use std::net::IpAddr;

use ep_builder::maps::{Peer, Prefix};
use serde::Serialize;

use super::names::{identity, or_dash};
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    prefix: String,
    /// The revision of the policy that has named the network; 0 where it is about who is there.
    revision: u32,
    /// Who is there, or the number of the network.
    identity: u32,
    tunnel_endpoint: Option<IpAddr>,
    encrypt_key: u8,
}

impl Row {
    fn new(revision: u32, (prefix, peer): (Prefix, Peer)) -> Self {
        Self {
            prefix: prefix.to_string(),
            revision,
            identity: peer.identity,
            tunnel_endpoint: peer.tunnel_endpoint,
            encrypt_key: peer.encrypt_key,
        }
    }
}

pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let ipcache = maps(node).ipcache()?;
    let entries = ipcache.entries()?.into_iter();
    let mut rows: Vec<_> = entries.map(|entry| Row::new(0, entry)).collect();
    for revision in ipcache.revisions()? {
        let networks = ipcache.networks(revision)?.into_iter();
        let network = |(prefix, number)| Row::new(revision, (prefix, Peer::with_identity(number)));
        rows.extend(networks.map(network));
    }
    let column = |row: &Row| {
        vec![
            row.prefix.clone(),
            identity(row.identity),
            row.revision.to_string(),
            or_dash(row.tunnel_endpoint),
            row.encrypt_key.to_string(),
        ]
    };
    screen.list(
        &rows,
        &Columns {
            headings: &["PREFIX", "IDENTITY", "REVISION", "NODE", "KEY"],
            plain: 4,
            rows: rows.iter().map(column).collect(),
            empty: "no identities: attaching an endpoint and applying a policy with `ipBlock` set them; until then everybody is the world",
        },
    )
}

/// Who the datapath takes the addresses for.
pub(super) fn get(node: &Node, prefix: Prefix, screen: &Screen) -> Result<(), Failure> {
    let found = maps(node).ipcache()?.covering(prefix)?;
    let found = found.ok_or_else(|| {
        Failure::NotFound(format!(
            "nobody is known at {prefix}: the datapath takes it for the world"
        ))
    })?;
    let row = Row::new(0, found);
    let lines = [
        ("prefix", row.prefix.clone()),
        ("identity", identity(row.identity)),
        ("node", or_dash(row.tunnel_endpoint)),
        ("key", row.encrypt_key.to_string()),
    ];
    screen.object(&row, &lines)
}
