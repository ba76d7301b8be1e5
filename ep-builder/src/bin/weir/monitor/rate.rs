//! No more than so many events in a time.

use std::time::Instant;

use crate::cli::Limit;

/// Counts what is shown, from one beginning to the next.
pub(super) struct Rate {
    limit: Option<Limit>,
    began: Instant,
    shown: u64,
    /// Of this time, and not yet told.
    left_out: u64,
    /// Altogether.
    all_left_out: u64,
}

impl Rate {
    pub(super) fn new(limit: Option<Limit>, now: Instant) -> Self {
        Self {
            limit,
            began: now,
            shown: 0,
            left_out: 0,
            all_left_out: 0,
        }
    }

    /// Whether there is room for one more.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        if now.duration_since(self.began) >= limit.each {
            (self.began, self.shown) = (now, 0);
        }
        if self.shown < limit.events {
            self.shown += 1;
            return true;
        }
        self.left_out += 1;
        self.all_left_out += 1;
        false
    }

    /// How many were left out since this was last asked.
    pub(super) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// How many were left out altogether.
    pub(super) fn all_left_out(&self) -> u64 {
        self.all_left_out
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn so_many_pass_in_a_time_and_the_others_are_counted() {
        let start = Instant::now();
        let limit = Limit {
            events: 2,
            each: Duration::from_secs(1),
        };
        let mut rate = Rate::new(Some(limit), start);
        let mut at = |milliseconds| rate.admits(start + Duration::from_millis(milliseconds));
        let admitted = [0, 1, 2, 999, 1_000, 1_500, 1_999, 5_000].map(&mut at);
        assert_eq!(
            admitted,
            [true, true, false, false, true, true, false, true]
        );
        assert_eq!((rate.take_left_out(), rate.take_left_out()), (3, 0));
        assert_eq!(rate.all_left_out(), 3);
    }

    #[test]
    fn without_a_limit_all_pass() {
        let now = Instant::now();
        let mut rate = Rate::new(None, now);
        assert!((0..1_000).all(|_| rate.admits(now)));
        assert_eq!(rate.all_left_out(), 0);
    }
}
