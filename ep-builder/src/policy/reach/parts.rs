//! The parts of all traffic that a policy may tell apart.

use std::collections::{BTreeMap, BTreeSet};

use super::Side;
use crate::maps::Traffic;
use crate::policy::Protocol;

/// A part of all traffic: some ports of a protocol, or every protocol that no other part of the same list names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Part {
    /// The number of the protocol; none for all that have no part of their own.
    pub protocol: Option<u8>,
    /// The first port.
    pub first: u16,
    /// The last one.
    pub last: u16,
}

impl Part {
    /// Whether it has every port there is.
    pub fn is_whole(self) -> bool {
        (self.first, self.last) == (0, u16::MAX)
    }

    /// Whether a packet of this protocol to this port belongs to it, of a list in which `named` have parts of their own.
    pub fn has(self, protocol: u8, port: u16, named: &BTreeSet<u8>) -> bool {
        let is_protocol = match self.protocol {
            Some(own) => own == protocol,
            None => !named.contains(&protocol),
        };
        is_protocol && (self.first..=self.last).contains(&port)
    }

    pub(super) fn is_continued_by(self, next: Self) -> bool {
        self.protocol == next.protocol && self.last.checked_add(1) == Some(next.first)
    }
}

/// Where parts begin, for each protocol.
type Cuts = BTreeMap<u8, BTreeSet<u16>>;

/// All traffic in parts within which these sides say one thing: protocol by protocol, and last all others.
pub(super) fn parts<'a>(sides: impl Iterator<Item = &'a Side<'a>>) -> Vec<Part> {
    let mut cuts: Cuts = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
        .map(|protocol| (protocol.number(), BTreeSet::new()))
        .into();
    for side in sides {
        for entry in side.entries.iter().copied().flatten() {
            match entry.rule.traffic {
                Traffic::Any => {}
                Traffic::Protocol(protocol) => cut(&mut cuts, protocol, None),
                Traffic::Ports(ports) => {
                    cut(&mut cuts, ports.protocol, Some((ports.first, ports.last())));
                }
            }
        }
        for open in &side.open {
            cut(&mut cuts, open.protocol, Some((open.port, open.port)));
        }
    }
    let mut parts: Vec<_> = cuts.iter().flat_map(|(p, at)| of(*p, at)).collect();
    parts.push(Part {
        protocol: None,
        first: 0,
        last: u16::MAX,
    });
    parts
}

fn cut(cuts: &mut Cuts, protocol: u8, ports: Option<(u16, u16)>) {
    let at = cuts.entry(protocol).or_default();
    if let Some((first, last)) = ports {
        at.insert(first);
        at.extend(last.checked_add(1));
    }
}

fn of(protocol: u8, cuts: &BTreeSet<u16>) -> impl Iterator<Item = Part> {
    let first = cuts.iter().copied().filter(|cut| *cut > 0);
    let starts = std::iter::once(0).chain(first.clone());
    let ends = first.map(|cut| cut - 1).chain(std::iter::once(u16::MAX));
    starts.zip(ends).map(move |(first, last)| Part {
        protocol: Some(protocol),
        first,
        last,
    })
}
