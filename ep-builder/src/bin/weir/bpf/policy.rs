//! `weir bpf policy list` and `get`

use ep_builder::abi::{PolicyKey, PolicyValue};
use ep_builder::events::packet::protocol;
use ep_builder::maps::{Direction, MapName, MapsError, Ports, Traffic};
use ep_builder::policy::Holder;
use serde::Serialize;

use super::names::{identity, or_dash};
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::policy::holder_name;
use crate::screen::{Columns, Screen};

/// One rule. What it does not fix is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    /// 0 for the node.
    endpoint: Holder,
    direction: Option<Direction>,
    identity: u32,
    protocol: Option<String>,
    /// The first and the last port.
    dport: Option<u16>,
    dport_last: Option<u16>,
    deny: bool,
    rule: u32,
    packets: u64,
    bytes: u64,
    prefixlen: u32,
    match_bits: u8,
    revision: u32,
    /// Whether it is of the revision by which the endpoint is judged.
    in_force: bool,
}

impl Row {
    fn new(endpoint: Holder, revision: u32, key: &PolicyKey, value: &PolicyValue) -> Self {
        let (number, ports) = match Traffic::of(key) {
            Some(Traffic::Any) | None => (None, None),
            Some(Traffic::Protocol(number)) => (Some(number), None),
            Some(Traffic::Ports(ports)) => (Some(ports.protocol), Some(ports)),
        };
        Self {
            endpoint,
            direction: Direction::of(key.direction),
            identity: key.identity,
            protocol: number.map(protocol),
            dport: ports.map(|ports| ports.first),
            dport_last: ports.map(Ports::last),
            deny: value.deny != 0,
            rule: value.rule,
            packets: value.packets,
            bytes: value.bytes,
            prefixlen: key.prefixlen,
            match_bits: value.match_bits,
            revision: key.revision,
            in_force: key.revision == revision,
        }
    }

    /// As the table has them.
    pub(crate) fn columns(&self) -> Vec<String> {
        let ports = match (self.dport, self.dport_last) {
            (Some(first), Some(last)) if first != last => format!("{first}-{last}"),
            (Some(port), _) => port.to_string(),
            (None, _) => "any".to_owned(),
        };
        vec![
            holder_name(self.endpoint),
            or_dash(self.direction),
            identity(self.identity),
            self.protocol.clone().unwrap_or_else(|| "any".to_owned()),
            ports,
            if self.deny { "deny" } else { "allow" }.to_owned(),
            self.rule.to_string(),
            self.packets.to_string(),
            self.bytes.to_string(),
            self.prefixlen.to_string(),
            self.match_bits.to_string(),
            self.revision.to_string(),
            if self.in_force { "yes" } else { "no" }.to_owned(),
        ]
    }
}

pub(super) fn list(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for map in maps(node).list()? {
        let holder = match map {
            MapName::Policy(id) => Holder::Endpoint(id),
            MapName::NodePolicy => Holder::Node,
            _ => continue,
        };
        match of(node, holder) {
            Ok(rules) => rows.extend(rules),
            // Gone since the folder was read.
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    show(
        &rows,
        "no policy: no endpoint is attached, or none has a rule",
        screen,
    )
}

pub(super) fn get(node: &Node, holder: Holder, screen: &Screen) -> Result<(), Failure> {
    show(
        &of(node, holder)?,
        "it has no rules: applying a policy that selects it sets them",
        screen,
    )
}

/// The rules of an endpoint, or of the node.
pub(crate) fn of(node: &Node, holder: Holder) -> Result<Vec<Row>, MapsError> {
    let maps = maps(node);
    let policy = match holder {
        Holder::Node => maps.node_policy()?,
        Holder::Endpoint(id) => maps.policy(id)?,
    };
    let revisions = maps.policy_revisions()?;
    let revision = match holder {
        Holder::Node => revisions.of_node()?,
        Holder::Endpoint(id) => revisions.get(id)?,
    };
    let entries = policy.entries()?;
    let mut rows: Vec<_> = entries
        .iter()
        .map(|(key, value)| Row::new(holder, revision, key, value))
        .collect();
    rows.sort_by_key(|row| {
        let traffic = (row.direction, row.identity, row.prefixlen, row.dport);
        (!row.in_force, row.revision, traffic)
    });
    Ok(rows)
}

fn show(rows: &[Row], empty: &'static str, screen: &Screen) -> Result<(), Failure> {
    screen.list(
        rows,
        &Columns {
            headings: &[
                "ENDPOINT",
                "DIRECTION",
                "PEER",
                "PROTOCOL",
                "PORT",
                "ACTION",
                "RULE",
                "PACKETS",
                "BYTES",
                "PREFIX",
                "MATCH BITS",
                "REVISION",
                "IN FORCE",
            ],
            plain: 9,
            rows: rows.iter().map(Row::columns).collect(),
            empty,
        },
    )
}
