//! `weir bpf ports list`

use std::net::IpAddr;

use ep_builder::maps::{Lead, NodePort};
use serde::Serialize;

use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    /// Where the node is called; the unspecified address stands for every one that it has of the family.
    #[serde(rename = "hostIP")]
    host_ip: IpAddr,
    host_port: u16,
    protocol: u8,
    address: IpAddr,
    port: u16,
    endpoint: u16,
}

impl Row {
    fn new(port: &NodePort, lead: &Lead) -> Self {
        Self {
            host_ip: port.host.ip(),
            host_port: port.host.port(),
            protocol: port.protocol,
            address: lead.pod.ip(),
            port: lead.pod.port(),
            endpoint: lead.id,
        }
    }
}

/// The ports of the node that lead to pods.
pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let entries = maps(node).host_ports()?.entries()?;
    let rows: Vec<_> = entries
        .iter()
        .map(|(port, lead)| Row::new(port, lead))
        .collect();
    let column = |(port, lead): &(NodePort, Lead)| {
        vec![port.to_string(), lead.pod.to_string(), lead.id.to_string()]
    };
    screen.list(
        &rows,
        &Columns {
            headings: &["HOST PORT", "POD", "ENDPOINT"],
            plain: 3,
            rows: entries.iter().map(column).collect(),
            empty: "no host ports: a pod that asks for one (`portMappings`) sets it",
        },
    )
}
