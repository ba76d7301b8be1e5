//! The networks of a set: a number for each, and which of them a block means.

use std::collections::BTreeSet;

use crate::maps::Prefix;
use crate::policy::{FIRST_NETWORK, Peer, PolicySet};

/// All networks and exceptions that rules name, sorted: one that holds others stands right before them.
pub(super) struct Networks(Vec<Prefix>);

impl Networks {
    /// Those of all rules, whoever they are for: numbers depend on the documents alone.
    pub(super) fn of(set: &PolicySet) -> Self {
        let directions = set
            .policies
            .iter()
            .flat_map(|document| [&document.ingress, &document.egress]);
        let rules = directions.flat_map(|direction| &direction.rules);
        let mut found = BTreeSet::new();
        for peer in rules.flat_map(|rule| rule.peers.iter().flatten()) {
            if let Peer::Network { network, except } = peer {
                found.insert(*network);
                found.extend(except);
            }
        }
        Self(found.into_iter().collect())
    }

    /// Each with its number.
    pub(super) fn numbered(&self) -> Vec<(Prefix, u32)> {
        self.0.iter().copied().zip(FIRST_NETWORK..).collect()
    }

    /// The numbers of those inside a block and inside none of its exceptions. An address belongs to the
    /// longest network alone, so the block's own number is not enough.
    pub(super) fn inside(&self, network: Prefix, except: &[Prefix]) -> Vec<u32> {
        let from = self.0.partition_point(|other| *other < network);
        let numbered = self.0.iter().zip(FIRST_NETWORK..).skip(from);
        let inside = numbered.take_while(|(other, _)| network.contains(**other));
        let meant = inside.filter(|(other, _)| !except.iter().any(|out| out.contains(**other)));
        meant.map(|(_, number)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_itself_and_what_lies_in_it() {
        let prefix = |text: &str| text.parse::<Prefix>().unwrap();
        let all = [
            "0.0.0.0/0",
            "10.0.0.0/8",
            "10.0.0.0/16",
            "10.0.1.0/24",
            "10.0.2.0/24",
            "10.1.0.0/16",
            "11.0.0.0/8",
            "::/0",
            "fd00::/8",
            "fd00::/64",
        ];
        let networks = Networks(all.map(prefix).to_vec());
        let rows: [(&str, &[&str], &[u32]); 6] = [
            ("0.0.0.0/0", &[], &[0, 1, 2, 3, 4, 5, 6]),
            ("10.0.0.0/8", &["10.0.0.0/16"], &[1, 5]),
            ("10.0.0.0/16", &["10.0.1.0/24"], &[2, 4]),
            ("10.0.1.0/24", &[], &[3]),
            ("::/0", &["fd00::/64"], &[7, 8]),
            ("fd00::/64", &[], &[9]),
        ];
        for (network, except, expected) in rows {
            let except: Vec<_> = except.iter().map(|text| prefix(text)).collect();
            let found = networks.inside(prefix(network), &except);
            let expected: Vec<_> = expected.iter().map(|at| FIRST_NETWORK + at).collect();
            assert_eq!(found, expected, "{network}");
        }
    }
}
