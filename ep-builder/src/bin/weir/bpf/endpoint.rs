//! `weir bpf endpoint list` and `get`

use std::net::IpAddr;

use ep_builder::endpoint::MacAddr;
use ep_builder::maps::LocalEndpoint;
use serde::Serialize;

use super::names::identity;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    address: IpAddr,
    endpoint: u16,
    ifindex: u32,
    mac: MacAddr,
    host_mac: MacAddr,
    identity: u32,
    is_host: bool,
    masquerade: bool,
}

impl Row {
    fn new(address: IpAddr, endpoint: &LocalEndpoint) -> Self {
        Self {
            address,
            endpoint: endpoint.lxc_id,
            ifindex: endpoint.ifindex,
            mac: endpoint.mac,
            host_mac: endpoint.host_mac,
            identity: endpoint.identity,
            is_host: endpoint.is_host,
            masquerade: endpoint.masquerade,
        }
    }

    fn columns(&self) -> Vec<String> {
        let endpoint = if self.is_host {
            "host".to_owned()
        } else {
            self.endpoint.to_string()
        };
        vec![
            self.address.to_string(),
            endpoint,
            self.ifindex.to_string(),
            identity(self.identity),
            self.mac.to_string(),
            self.host_mac.to_string(),
        ]
    }
}

pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let entries = maps(node).endpoints()?.entries()?;
    let rows: Vec<_> = entries
        .iter()
        .map(|(address, endpoint)| Row::new(*address, endpoint))
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "ADDRESS", "ENDPOINT", "IFINDEX", "IDENTITY", "MAC", "HOST MAC",
            ],
            plain: 6,
            rows: rows.iter().map(Row::columns).collect(),
            empty: "no local addresses: attaching an endpoint sets its own",
        },
    )
}

const NAMES: [&str; 6] = [
    "address", "endpoint", "ifindex", "identity", "mac", "host mac",
];

pub(super) fn get(node: &Node, address: IpAddr, screen: &Screen) -> Result<(), Failure> {
    let found = maps(node).endpoints()?.get(address)?;
    let endpoint = found.ok_or_else(|| {
        Failure::NotFound(format!(
            "no endpoint of this node has the address {address}: `weir bpf endpoint list` shows those there are"
        ))
    })?;
    let row = Row::new(address, &endpoint);
    let lines: Vec<_> = NAMES.into_iter().zip(row.columns()).collect();
    screen.object(&row, &lines)
}
