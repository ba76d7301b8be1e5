//! The datapath's look-ups, on entries that are in no map.

use std::net::IpAddr;

use crate::maps::{Direction, Prefix, Traffic};
use crate::policy::{Compiled, PolicyEntry};

/// The identity of entries that count for anybody.
pub(in crate::policy) const ANYBODY: u32 = 0;

/// What the datapath asks about a connection.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The identity of the end whose policy it is.
    pub subject: u32,
    /// Whether it is reached, or reaches out.
    pub direction: Direction,
    /// The identity of the other end.
    pub identity: u32,
    /// The address of the other end.
    pub address: IpAddr,
    /// The number of the protocol.
    pub protocol: u8,
    /// The port of the side that answers; for ICMP the type of the message, else 0.
    pub port: u16,
}

/// The entry that decides; without one the datapath drops.
pub fn look_up<'a>(compiled: &'a Compiled, asked: &Asked) -> Option<&'a PolicyEntry> {
    let entries = &compiled.subjects.get(&asked.subject)?.entries;
    let network = network_of(&compiled.networks, asked.address);
    let peers = [Some(asked.identity), network, Some(ANYBODY)];
    let answers = peers.into_iter().flatten().filter_map(|peer| {
        let of_peer = entries.iter().filter(|PolicyEntry { rule, .. }| {
            (rule.identity, rule.direction) == (peer, asked.direction)
        });
        finest(of_peer, Some(asked.protocol), asked.port)
    });
    decisive(answers)
}

/// The number of the longest network that has this address.
pub fn network_of(networks: &[(Prefix, u32)], address: IpAddr) -> Option<u32> {
    let address = Prefix::of(address);
    let holding = networks
        .iter()
        .filter(|(network, _)| network.contains(address));
    let longest = holding.max_by_key(|(network, _)| network.bits());
    longest.map(|(_, number)| *number)
}

/// Of the finest ones for the peer's identity, for its network and for anybody, in this order, the entry that
/// decides: one that denies wins, then the finer one, then the first of these.
pub(in crate::policy) fn decisive<'a>(
    answers: impl Iterator<Item = &'a PolicyEntry>,
) -> Option<&'a PolicyEntry> {
    answers.reduce(|best, next| {
        let stronger = (next.decision.deny, next.rule.traffic.match_bits())
            > (best.decision.deny, best.rule.traffic.match_bits());
        if stronger { next } else { best }
    })
}

/// The finest of one peer's entries that fits; without a protocol, one that no entry names.
pub(in crate::policy) fn finest<'a>(
    of_peer: impl Iterator<Item = &'a PolicyEntry>,
    protocol: Option<u8>,
    port: u16,
) -> Option<&'a PolicyEntry> {
    let fitting = of_peer.filter(|entry| is_meant(entry.rule.traffic, protocol, port));
    fitting.max_by_key(|entry| entry.rule.traffic.match_bits())
}

fn is_meant(traffic: Traffic, protocol: Option<u8>, port: u16) -> bool {
    match traffic {
        Traffic::Any => true,
        Traffic::Protocol(number) => Some(number) == protocol,
        Traffic::Ports(ports) => {
            Some(ports.protocol) == protocol && (ports.first..=ports.last()).contains(&port)
        }
    }
}
