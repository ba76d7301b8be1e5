//! `weir bpf nat`

use std::net::{IpAddr, SocketAddr};

use ep_builder::events::clock;
use ep_builder::events::packet::protocol;
use ep_builder::maps::{Family, MapsError, NatHalf, NatMap};
use serde::Serialize;

use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

/// One half of a translated connection.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    protocol: String,
    /// `out` for the half that packets to outside find, `in` for that of packets from outside.
    half: &'static str,
    pod: SocketAddr,
    node: SocketAddr,
    peer: SocketAddr,
    /// Seconds of the monotonic clock.
    lifetime: u32,
    created: u32,
    /// Seconds until the lifetime is over; null where that clock is hidden.
    expires_in: Option<i64>,
}

impl Row {
    fn new(half: &NatHalf, now: Option<u32>) -> Self {
        Self {
            protocol: protocol(half.protocol),
            half: if half.is_in { "in" } else { "out" },
            pod: half.pod,
            node: half.node,
            peer: half.peer,
            lifetime: half.lifetime,
            created: half.created,
            expires_in: now.map(|now| i64::from(half.lifetime) - i64::from(now)),
        }
    }

    fn columns(&self) -> Vec<String> {
        let expires = match self.expires_in {
            None => "-".to_owned(),
            Some(seconds) if seconds <= 0 => "over".to_owned(),
            Some(seconds) => format!("{seconds}s"),
        };
        vec![
            self.protocol.clone(),
            self.pod.to_string(),
            self.node.to_string(),
            self.peer.to_string(),
            self.half.to_owned(),
            expires,
        ]
    }
}

/// The connections whose address the node translates.
pub(super) fn list(node: &Node, pod: Option<IpAddr>, screen: &Screen) -> Result<(), Failure> {
    let now = clock::monotonic().and_then(|now| u32::try_from(now.as_secs()).ok());
    let mut rows = Vec::new();
    for map in open(node)? {
        let halves = map.entries()?;
        let chosen = halves
            .iter()
            .filter(|half| pod.is_none_or(|pod| half.is_of(pod)));
        rows.extend(chosen.map(|half| Row::new(half, now)));
    }
    screen.list(
        &rows,
        &Columns {
            headings: &["PROTOCOL", "POD", "NODE", "PEER", "HALF", "EXPIRES"],
            plain: 6,
            rows: rows.iter().map(Row::columns).collect(),
            empty: "no translated connections: the first packet of one makes its two halves",
        },
    )
}

/// What was forgotten.
#[derive(Serialize)]
struct Flushed {
    halves: usize,
}

/// Forgets translated connections: all of them, or those of one pod.
pub(super) fn flush(node: &Node, pod: Option<IpAddr>, screen: &Screen) -> Result<(), Failure> {
    let mut halves = 0;
    for mut map in open(node)? {
        halves += map.remove_where(|half| pod.is_none_or(|pod| half.is_of(pod)))?;
    }
    screen.object(&Flushed { halves }, &[("halves", halves.to_string())])
}

/// The maps of both families; an error where there is none.
fn open(node: &Node) -> Result<Vec<NatMap>, Failure> {
    let maps = maps(node);
    let mut found = Vec::new();
    let mut missing = None;
    for family in [Family::Ipv4, Family::Ipv6] {
        match maps.nat(family) {
            Ok(map) => found.push(map),
            Err(error @ MapsError::Missing { .. }) => missing = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if found.is_empty() => Err(error.into()),
        _ => Ok(found),
    }
}
