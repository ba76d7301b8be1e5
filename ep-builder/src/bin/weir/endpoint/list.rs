//! `weir endpoint list`, and what it says of one endpoint

use ep_builder::endpoint::{Bandwidth, EndpointId, HostPort, Labels, MacAddr, Pod};
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::maps::Maps;
use ep_builder::policy::state_of;
use ep_builder::state::{EndpointRecord, EndpointState, Entry, PolicyState, Status};
use serde::Serialize;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::failure::Failure;
use crate::map::maps;
use crate::node::{Node, record};
use crate::screen::{Columns, Screen, talk};

/// One endpoint as `-o json` gives it: every field always there, null where it is not known.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) id: EndpointId,
    pub(crate) state: &'static str,
    pub(crate) container_id: Option<String>,
    pub(crate) ifname: Option<String>,
    pub(crate) host_ifname: Option<String>,
    pub(crate) host_ifindex: Option<u32>,
    pub(crate) mac: Option<MacAddr>,
    pub(crate) host_mac: Option<MacAddr>,
    pub(crate) ipv4: Option<Ipv4Addr>,
    pub(crate) ipv6: Option<Ipv6Addr>,
    pub(crate) identity: Option<u32>,
    pub(crate) labels: Labels,
    pub(crate) policy: Option<PolicyState>,
    pub(crate) generation: Option<u64>,
    pub(crate) template: Option<TemplateKey>,
    pub(crate) pod: Option<Pod>,
    pub(crate) host_ports: Vec<HostPort>,
    pub(crate) bandwidth: Option<Bandwidth>,
    /// What is wrong, if anything is.
    pub(crate) problem: Option<String>,
}

impl Row {
    /// `maps` say what policy is in force; a record says what was when it was written.
    pub(crate) fn new(
        id: EndpointId,
        status: &Status,
        record: Option<&EndpointRecord>,
        maps: &Maps,
    ) -> Self {
        let (state, problem) = match status {
            Status::Ok(record) => (state_name(record.state), None),
            Status::Restored { reason, .. } => ("restored", Some(chain(reason))),
            Status::Damaged { reason, .. } => ("damaged", Some(chain(reason))),
            Status::Claimed { in_progress: true } => ("building", None),
            Status::Claimed { in_progress: false } => (
                "abandoned",
                Some("claimed by a process that died: `weir gc` frees the id".to_owned()),
            ),
            Status::Leftover => ("leftover", Some("`weir gc` removes it".to_owned())),
        };
        let endpoint = record.map(|r| &r.endpoint);
        Self {
            id,
            state,
            container_id: endpoint.map(|e| e.container_id.clone()),
            ifname: endpoint.map(|e| e.ifname.clone()),
            host_ifname: endpoint.map(|e| e.host_ifname.clone()),
            host_ifindex: endpoint.map(|e| e.host_ifindex),
            mac: endpoint.map(|e| e.mac),
            host_mac: endpoint.map(|e| e.host_mac),
            ipv4: endpoint.and_then(|e| e.ipv4),
            ipv6: endpoint.and_then(|e| e.ipv6),
            identity: endpoint.map(|e| e.identity),
            labels: endpoint.map(|e| e.labels.clone()).unwrap_or_default(),
            policy: state_of(maps, id).ok().or(record.map(|r| r.policy)),
            generation: record.map(|r| r.generation),
            template: record.and_then(|r| r.template),
            pod: endpoint.and_then(|e| e.pod.clone()),
            host_ports: endpoint.map(|e| e.host_ports.clone()).unwrap_or_default(),
            bandwidth: endpoint.map(|e| e.bandwidth),
            problem,
        }
    }

    pub(super) fn columns(&self) -> Vec<String> {
        let policy = self
            .policy
            .map(|p| format!("{}/{}", on(p.ingress), on(p.egress)));
        let pod = self
            .pod
            .as_ref()
            .map(|p| format!("{}/{}", p.namespace, p.name));
        vec![
            self.id.to_string(),
            self.state.to_owned(),
            text(self.ipv4),
            text(self.ipv6),
            text(self.identity),
            text(policy),
            text(self.generation),
            text(self.host_ifname.as_ref()),
            text(self.template.map(TemplateKey::short)),
            text(pod),
            text(self.mac),
            text(self.host_mac),
            text(self.host_ifindex),
            text(self.ifname.as_ref().filter(|name| !name.is_empty())),
            text(self.container_id.as_ref()),
            text(self.bandwidth.filter(|limits| !limits.is_unlimited())),
        ]
    }
}

fn state_name(state: EndpointState) -> &'static str {
    match state {
        EndpointState::Ready => "ready",
        EndpointState::Failed => "failed",
        EndpointState::Restored => "restored",
    }
}

fn on(enforced: bool) -> &'static str {
    if enforced { "on" } else { "off" }
}

fn text<T: ToString>(value: Option<T>) -> String {
    value.map_or("-".to_owned(), |value| value.to_string())
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let entries = node.store()?.list()?;
    let maps = maps(node);
    let rows: Vec<Row> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Endpoint { id, status, .. } => Some(Row::new(*id, status, record(entry), &maps)),
            Entry::Stranger(_) => None,
        })
        .collect();
    let table = rows.iter().map(Row::columns).collect();
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "ID", "STATE", "IPV4", "IPV6", "IDENTITY", "POLICY(in/eg)", "GEN", "IFACE", "TEMPLATE",
                "POD", "MAC", "HOST MAC", "IFINDEX", "IFNAME", "CONTAINER",
                "BANDWIDTH",
            ],
            plain: 10,
            rows: table,
            empty: "no endpoints: an ADD of weir-cni makes one, or `weir endpoint compile FILE --save`",
        },
    )?;
    for row in rows {
        if let Some(problem) = row.problem {
            talk(&format!("endpoint {}: {problem}", row.id));
        }
    }
    for entry in entries {
        if let Entry::Stranger(name) = entry {
            talk(&format!(
                "note: {} in the state folder is not ours",
                name.to_string_lossy()
            ));
        }
    }
    Ok(())
}
