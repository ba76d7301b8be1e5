//! What became of numbered packets.

use serde::Serialize;

/// What a receiver has seen of packets that are numbered from 0 on.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// A bit for each number.
    seen: Vec<u64>,
    next: u64,
    arrived: u64,
    duplicated: u64,
    reordered: u64,
}

/// What became of what was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Packets that were sent.
    pub sent: u64,
    /// How many of them arrived.
    pub received: u64,
    /// How many did not.
    pub lost: u64,
    /// How many more arrived of packets that had arrived already.
    pub duplicated: u64,
    /// How many arrived after one that was sent later.
    pub reordered: u64,
}

impl Tally {
    /// Notes the arrival of a packet.
    pub(super) fn note(&mut self, number: u64) {
        let (word, bit) = (number / 64, 1_u64 << (number % 64));
        let Ok(word) = usize::try_from(word) else {
            return;
        };
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        let Some(seen) = self.seen.get_mut(word) else {
            return;
        };
        if *seen & bit != 0 {
            self.duplicated += 1;
            return;
        }
        *seen |= bit;
        self.arrived += 1;
        if number < self.next {
            self.reordered += 1;
        } else {
            self.next = number + 1;
        }
    }

    /// How many of the packets arrived.
    pub(super) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// The balance of so many packets that were sent.
    pub(super) fn of(&self, sent: u64) -> Count {
        Count {
            sent,
            received: self.arrived,
            lost: sent.saturating_sub(self.arrived),
            duplicated: self.duplicated,
            reordered: self.reordered,
        }
    }
}

impl Count {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            sent: self.sent + other.sent,
            received: self.received + other.received,
            lost: self.lost + other.lost,
            duplicated: self.duplicated + other.duplicated,
            reordered: self.reordered + other.reordered,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn count(arrivals: &[u64], sent: u64) -> Count {
        let mut tally = Tally::default();
        for number in arrivals {
            tally.note(*number);
        }
        tally.of(sent)
    }

    #[test]
    fn what_happens_to_packets_is_told_apart() {
        // Arrivals of four packets; received, lost, duplicated, reordered.
        let rows: [(&[u64], [u64; 4]); 7] = [
            (&[], [0, 4, 0, 0]),
            (&[0, 1, 2, 3], [4, 0, 0, 0]),
            (&[0, 2, 3], [3, 1, 0, 0]),
            (&[0, 2, 1, 3], [4, 0, 0, 1]),
            (&[3, 2, 1, 0], [4, 0, 0, 3]),
            (&[0, 0, 1, 2, 3, 3], [4, 0, 2, 0]),
            (&[1, 1, 0, 0], [2, 2, 2, 1]),
        ];
        for (arrivals, [received, lost, duplicated, reordered]) in rows {
            let expected = Count {
                sent: 4,
                received,
                lost,
                duplicated,
                reordered,
            };
            assert_eq!(count(arrivals, 4), expected, "{arrivals:?}");
        }
    }

    proptest! {
        #[test]
        fn the_balance_adds_up(arrivals in proptest::collection::vec(0_u64..300, 0..600)) {
            let distinct = arrivals.iter().collect::<BTreeSet<_>>().len() as u64;
            let count = count(&arrivals, 300);
            prop_assert_eq!(count.received, distinct);
            prop_assert_eq!(count.received + count.lost, 300);
            prop_assert_eq!(count.received + count.duplicated, arrivals.len() as u64);
            prop_assert!(count.reordered <= count.received);
        }
    }
}
