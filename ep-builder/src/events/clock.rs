//! From the clock of events, which counts from the start of the machine, to the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// What the monotonic clock shows.
pub fn monotonic() -> Option<Duration> {
    clock_gettime(ClockId::CLOCK_MONOTONIC)
        .ok()
        .map(Duration::from)
}

/// The difference of the two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Option<Duration>,
}

impl Clock {
    /// Reads both clocks.
    pub fn new() -> Self {
        let day = SystemTime::now().duration_since(UNIX_EPOCH).ok();
        let started = day
            .zip(monotonic())
            .and_then(|(day, up)| day.checked_sub(up));
        Self { started }
    }

    /// The time of day of a time of the monotonic clock; now, where that clock is hidden: events are read
    /// as soon as they are there.
    pub fn time(self, monotonic_ns: u64) -> Duration {
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
        };
        self.started.map_or_else(now, |started| {
            started.saturating_add(Duration::from_nanos(monotonic_ns))
        })
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// A time of day as RFC 3339 writes it, in UTC, with microseconds.
pub fn rfc3339(since_epoch: Duration) -> String {
    let seconds = since_epoch.as_secs();
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    let micros = since_epoch.subsec_micros();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

/// The date of a day, counted from the first of 1970. Years begin in March here, so that the leap day is
/// their last one, and months of 31 and 30 days alternate by a formula.
fn date(days: u64) -> (u64, u64, u64) {
    // To the first of March of the year 0; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (era * 400 + year + later, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, "2000-02-28T23:59:59.000000Z"),
            (951_782_400, "2000-02-29T00:00:00.000000Z"),
            (951_868_800, "2000-03-01T00:00:00.000000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000000Z"),
            (1_735_689_600, "2025-01-01T00:00:00.000000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000000Z"),
        ] {
            assert_eq!(rfc3339(Duration::from_secs(seconds)), expected);
        }
        assert!(rfc3339(Duration::from_nanos(1_500)).ends_with(":00.000001Z"));
    }

    #[test]
    fn an_event_of_now_has_the_time_of_now() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let clock = Clock::new();
        let shown = match monotonic() {
            Some(up) => clock.time(u64::try_from(up.as_nanos()).unwrap()),
            None => clock.time(0),
        };
        assert!(
            shown.abs_diff(now) < Duration::from_mins(1),
            "{shown:?} {now:?}"
        );
    }
}
