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
    identity: u32,
    tunnel_endpoint: Option<IpAddr>,
    encrypt_key: u8,
}

impl Row {
    fn new((prefix, peer): (Prefix, Peer)) -> Self {
        Self {
            prefix: prefix.to_string(),
            identity: peer.identity,
            tunnel_endpoint: peer.tunnel_endpoint,
            encrypt_key: peer.encrypt_key,
        }
    }
}

pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let entries = maps(node).ipcache()?.entries()?;
    let rows: Vec<_> = entries.into_iter().map(Row::new).collect();
    let column = |row: &Row| {
        vec![
            row.prefix.clone(),
            identity(row.identity),
            or_dash(row.tunnel_endpoint),
            row.encrypt_key.to_string(),
        ]
    };
    screen.list(
        &rows,
        &Columns {
            headings: &["PREFIX", "IDENTITY", "NODE", "KEY"],
            plain: 3,
            rows: rows.iter().map(column).collect(),
            empty: "no identities: attaching an endpoint and applying a policy with `ipBlock` set them; until then everybody is the world",
        },
    )
}

/// Who the datapath takes the addresses for.
pub(super) fn get(node: &Node, prefix: Prefix, screen: &Screen) -> Result<(), Failure> {
    let found = maps(node).ipcache()?.covering(prefix)?;
    let row = Row::new(found.ok_or_else(|| {
        Failure::NotFound(format!(
            "nobody is known at {prefix}: the datapath takes it for the world"
        ))
    })?);
    let lines = [
        ("prefix", row.prefix.clone()),
        ("identity", identity(row.identity)),
        ("node", or_dash(row.tunnel_endpoint)),
        ("key", row.encrypt_key.to_string()),
    ];
    screen.object(&row, &lines)
}
