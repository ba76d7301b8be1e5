//! What the monitor says at its end, and of losses at once.

use ep_builder::error::chain;
use ep_builder::events::Kind;
use ep_builder::maps::Maps;

use super::rate::Rate;
use crate::screen::talk;

/// Counts.
pub(super) struct Totals {
    maps: Maps,
    /// How many were shown of each of [`Kind::ALL`].
    shown: [u64; Kind::ALL.len()],
    /// How many were no events of this version.
    broken: u64,
    /// What the counter of lost events showed at the beginning, and when it was told of last; none if it cannot be
    /// read.
    lost: Option<Lost>,
}

#[derive(Clone, Copy)]
struct Lost {
    before: u64,
    told: u64,
}

impl Totals {
    pub(super) fn begin(maps: Maps) -> Self {
        let lost = lost(&maps);
        if let Err(error) = &lost {
            talk(&format!("note: lost events are not counted: {error}"));
        }
        Self {
            maps,
            shown: [0; Kind::ALL.len()],
            broken: 0,
            lost: lost.ok().map(|before| Lost {
                before,
                told: before,
            }),
        }
    }

    pub(super) fn not_understood(&mut self) {
        self.broken += 1;
    }

    /// Counts one, and says how many there are.
    pub(super) fn shown(&mut self, kind: Kind) -> u64 {
        for (of, shown) in Kind::ALL.into_iter().zip(&mut self.shown) {
            *shown += u64::from(of == kind);
        }
        self.shown.iter().sum()
    }

    /// Says how many events were lost since it was said last, if any were.
    pub(super) fn tell_lost(&mut self) {
        let Some((known, now)) = self.lost.as_mut().zip(lost(&self.maps).ok()) else {
            return;
        };
        let more = now.wrapping_sub(known.told);
        if more > 0 {
            known.told = now;
            talk(&format!("note: {more} events were lost: the ring was full"));
        }
    }

    pub(super) fn text(&self, rate: &Rate, fell_behind: u64) -> String {
        let kinds = Kind::ALL.into_iter().zip(self.shown);
        let each: Vec<_> = kinds
            .filter(|(_, shown)| *shown > 0)
            .map(|(kind, shown)| format!("{shown} {}", kind.name()))
            .collect();
        let mut text = format!("{} events", self.shown.iter().sum::<u64>());
        if !each.is_empty() {
            text = format!("{text}: {}", each.join(", "));
        }
        for (count, what) in [
            (self.broken, "not understood"),
            (rate.all_left_out(), "left out by --limit"),
            (fell_behind, "times overwritten before they were read"),
        ] {
            if count > 0 {
                text = format!("{text}; {count} {what}");
            }
        }
        let now = lost(&self.maps).ok();
        match self
            .lost
            .zip(now)
            .map(|(lost, now)| now.wrapping_sub(lost.before))
        {
            None => text + "; lost events unknown",
            Some(0) => text + "; 0 lost",
            Some(lost) => format!(
                "{text}; {lost} lost: the ring was full, a larger one is made with `events` in [maps]"
            ),
        }
    }
}

/// How many events have been lost since the map of the counters was made.
fn lost(maps: &Maps) -> Result<u64, String> {
    let lost = maps.metrics().and_then(|metrics| metrics.lost_events());
    lost.map_err(|error| chain(&error))
}
