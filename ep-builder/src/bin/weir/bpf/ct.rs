//! `weir bpf ct list`

use std::net::{IpAddr, SocketAddr};

use ep_builder::events::clock;
use ep_builder::events::packet::{TcpFlags, protocol};
use ep_builder::maps::{Conntrack, Direction, MapName, MapsError, Tracked};
use serde::Serialize;

use super::names::identity;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;
use crate::screen::{Columns, Screen};

const TCP: u8 = 6;
const SYN: u8 = 0x02;
const FIN: u8 = 0x01;
const RST: u8 = 0x04;

/// One connection; tx is the direction from `from` to `to`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    map: String,
    protocol: String,
    from: IpAddr,
    from_port: u16,
    to: IpAddr,
    to_port: u16,
    /// As the pod of the entry sees it.
    direction: Direction,
    state: &'static str,
    tx_packets: u64,
    tx_bytes: u64,
    rx_packets: u64,
    rx_bytes: u64,
    /// Seconds of the monotonic clock.
    lifetime: u32,
    /// Seconds until then; null where that clock is hidden.
    expires_in: Option<i64>,
    source_identity: u32,
    policy_revision: u32,
    policy_rule: u32,
    audited: bool,
    tx_flags: Vec<&'static str>,
    rx_flags: Vec<&'static str>,
}

impl Row {
    fn new(map: &str, tracked: &Tracked, now: Option<u32>) -> Self {
        let value = &tracked.value;
        let (from, to) = (tracked.from(), tracked.to());
        let is_tcp = tracked.connection.protocol == TCP;
        // Other protocols have no flags; the bytes say only that the side was seen.
        let flags = |flags| TcpFlags(if is_tcp { flags } else { 0 }).names().collect();
        Self {
            map: map.to_owned(),
            protocol: protocol(tracked.connection.protocol),
            from: from.ip(),
            from_port: from.port(),
            to: to.ip(),
            to_port: to.port(),
            direction: tracked.direction(),
            state: state(is_tcp, value.tx_tcp_flags, value.rx_tcp_flags),
            tx_packets: value.tx_packets,
            tx_bytes: value.tx_bytes,
            rx_packets: value.rx_packets,
            rx_bytes: value.rx_bytes,
            lifetime: value.lifetime,
            expires_in: now.map(|now| i64::from(value.lifetime) - i64::from(now)),
            source_identity: value.source_identity,
            policy_revision: value.policy_revision,
            policy_rule: value.policy_rule,
            audited: tracked.is_audited(),
            tx_flags: flags(value.tx_tcp_flags),
            rx_flags: flags(value.rx_tcp_flags),
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
            SocketAddr::new(self.from, self.from_port).to_string(),
            SocketAddr::new(self.to, self.to_port).to_string(),
            self.direction.to_string(),
            self.state.to_owned(),
            expires,
            format!("{}/{}", self.tx_packets, self.rx_packets),
            format!("{}/{}", self.tx_bytes, self.rx_bytes),
            identity(self.source_identity),
            self.policy_rule.to_string(),
            self.policy_revision.to_string(),
            if self.audited { "yes" } else { "no" }.to_owned(),
            format!("{}/{}", self.tx_flags.join("|"), self.rx_flags.join("|")),
            self.map.clone(),
        ]
    }
}

/// What the two sides have sent, in a word.
fn state(is_tcp: bool, tx: u8, rx: u8) -> &'static str {
    match (is_tcp, tx, rx) {
        (true, tx, rx) if (tx | rx) & RST != 0 => "reset",
        (true, tx, rx) if tx & rx & FIN != 0 => "closed",
        (true, tx, rx) if (tx | rx) & FIN != 0 => "closing",
        (true, _, rx) if rx & SYN == 0 => "opening",
        (false, _, 0) => "unreplied",
        _ => "established",
    }
}

pub(super) fn list(
    node: &Node,
    from: Option<IpAddr>,
    to: Option<IpAddr>,
    screen: &Screen,
) -> Result<(), Failure> {
    let now = clock::monotonic().and_then(|now| u32::try_from(now.as_secs()).ok());
    let mut rows: Vec<Row> = connections(node)?
        .iter()
        .map(|(map, tracked)| Row::new(map, tracked, now))
        .collect();
    rows.retain(|row| from.is_none_or(|a| row.from == a) && to.is_none_or(|a| row.to == a));
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "PROTOCOL",
                "FROM",
                "TO",
                "DIRECTION",
                "STATE",
                "EXPIRES",
                "PACKETS(tx/rx)",
                "BYTES(tx/rx)",
                "IDENTITY",
                "RULE",
                "REVISION",
                "AUDITED",
                "FLAGS(tx/rx)",
                "MAP",
            ],
            plain: 8,
            rows: rows.iter().map(Row::columns).collect(),
            empty: "no such connections: the first packet of one that is allowed makes its entry",
        },
    )
}

/// Every connection, with the name of its map: of the maps that all share, and of endpoints' own.
fn connections(node: &Node) -> Result<Vec<(String, Tracked)>, Failure> {
    let maps = maps(node);
    let conntrack = |map| match map {
        MapName::Conntrack(map) => Some(map),
        _ => None,
    };
    let names: Vec<_> = maps.list()?.into_iter().filter_map(conntrack).collect();
    if names.is_empty() {
        let [tcp4, ..] = Conntrack::all(None);
        maps.conntrack(tcp4)?;
    }
    let mut all = Vec::new();
    for map in names {
        let name = maps.name(MapName::Conntrack(map));
        match maps.conntrack(map).and_then(|map| map.entries()) {
            Ok(entries) => all.extend(entries.into_iter().map(|tracked| (name.clone(), tracked))),
            // Gone since the folder was read.
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_in_the_state_that_its_flags_say() {
        const ACK: u8 = 0x10;
        for (tx, rx, expected) in [
            (SYN, 0, "opening"),
            (SYN, RST | ACK, "reset"),
            (SYN | ACK, SYN | ACK, "established"),
            (SYN | ACK | FIN, SYN | ACK, "closing"),
            (SYN | ACK | FIN, SYN | ACK | FIN, "closed"),
        ] {
            assert_eq!(state(true, tx, rx), expected, "{tx:#x} {rx:#x}");
        }
        assert_eq!(
            (state(false, 1, 0), state(false, 1, 1)),
            ("unreplied", "established")
        );
    }
}
