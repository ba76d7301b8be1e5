//! `weir policy get ID`: what an endpoint enforces, and why.

use std::collections::BTreeMap;

use ep_builder::endpoint::Labels;
use ep_builder::events::packet::protocol;
use ep_builder::maps::{Direction, Ports, Traffic};
use ep_builder::policy::{Enforcement, Holder, InForceEntry, Origin, PeerName};
use serde::Serialize;

use super::full_name;
use crate::failure::Failure;
use crate::identity::{identities, label_text};
use crate::node::Node;
use crate::screen::{Columns, Screen};

/// An entry as `-o json` gives it. What it does not fix is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    direction: Direction,
    /// The peer's identity, or the number of its network; null for anybody.
    identity: Option<u32>,
    /// The labels of the peer's identity.
    labels: Labels,
    /// The peer's network.
    network: Option<String>,
    protocol: Option<String>,
    /// The first and the last port.
    dport: Option<u16>,
    dport_last: Option<u16>,
    deny: bool,
    packets: u64,
    bytes: u64,
    /// The rule; null for what a pod may do that nothing isolates, and for the node's way to its pods.
    rule: Option<Origin>,
    #[serde(skip)]
    peer: String,
}

impl Row {
    fn new(entry: InForceEntry, names: &BTreeMap<u32, Labels>) -> Self {
        let (number, ports) = match entry.traffic {
            Traffic::Any => (None, None),
            Traffic::Protocol(number) => (Some(number), None),
            Traffic::Ports(ports) => (Some(ports.protocol), Some(ports)),
        };
        let identity = match entry.peer {
            PeerName::Identity(number) | PeerName::UnknownNetwork(number) => Some(number),
            PeerName::Anybody | PeerName::Network(_) => None,
        };
        let labels = identity.and_then(|number| names.get(&number)).cloned();
        let labels = labels.unwrap_or_default();
        Self {
            direction: entry.direction,
            identity,
            peer: peer(entry.peer, &labels),
            labels,
            network: match entry.peer {
                PeerName::Network(network) => Some(network.to_string()),
                _ => None,
            },
            protocol: number.map(protocol),
            dport: ports.map(|ports| ports.first),
            dport_last: ports.map(Ports::last),
            deny: entry.decision.deny,
            packets: entry.counters.packets,
            bytes: entry.counters.bytes,
            rule: entry.origin,
        }
    }

    fn columns(&self) -> Vec<String> {
        let ports = match (self.dport, self.dport_last) {
            (Some(first), Some(last)) if first != last => format!(" {first}-{last}"),
            (Some(port), _) => format!(" {port}"),
            (None, _) => String::new(),
        };
        let protocol = self.protocol.as_deref().unwrap_or("any");
        let (rule, place) = match &self.rule {
            None => ("-".to_owned(), "-".to_owned()),
            Some(origin) => (
                format!(
                    "{:?} {}",
                    origin.kind,
                    full_name(&origin.namespace, &origin.name)
                ),
                format!("{}:{}", origin.place.file, origin.place.line),
            ),
        };
        vec![
            self.direction.to_string(),
            self.peer.clone(),
            format!("{protocol}{ports}"),
            if self.deny { "deny" } else { "allow" }.to_owned(),
            self.packets.to_string(),
            self.bytes.to_string(),
            rule,
            place,
        ]
    }
}

fn peer(peer: PeerName, labels: &Labels) -> String {
    match peer {
        PeerName::Anybody => "any".to_owned(),
        PeerName::Network(network) => network.to_string(),
        PeerName::Identity(number) | PeerName::UnknownNetwork(number) => {
            let labels: Vec<_> = labels.iter().map(label_text).collect();
            let name = crate::bpf::names::identity(number);
            format!("{name} {}", labels.join(",")).trim_end().to_owned()
        }
    }
}

pub(super) fn run(node: &Node, holder: Holder, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let entries = enforcement.entries_of(holder)?;
    let is_judged = holder != Holder::Node || enforcement.revision_of(holder)? != 0;
    let names = labels_by_identity(node)?;
    let rows: Vec<_> = entries
        .into_iter()
        .map(|entry| Row::new(entry, &names))
        .collect();
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "DIRECTION",
                "PEER",
                "TRAFFIC",
                "ACTION",
                "PACKETS",
                "BYTES",
                "RULE",
                "FILE",
            ],
            plain: 8,
            rows: rows.iter().map(Row::columns).collect(),
            empty: if is_judged {
                "it is isolated, and no rule allows anything"
            } else {
                "nothing judges the node: no WeirPolicy in force has a nodeSelector that selects it"
            },
        },
    )
}

/// The labels of the identities that this node gave out.
pub(crate) fn labels_by_identity(node: &Node) -> Result<BTreeMap<u32, Labels>, Failure> {
    let listed = identities(node)?.list()?.into_iter();
    Ok(listed
        .filter_map(|listed| Some((listed.number, listed.labels.ok()?)))
        .collect())
}
