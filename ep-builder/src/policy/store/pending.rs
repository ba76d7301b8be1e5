//! A policy in force that waits to be confirmed: what to go back to, and when.
//!
//! The time is that since the machine was started, which nobody sets, with the name of that start. So whatever becomes
//! of the process that waits, whoever looks next knows what is due.

use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::this_start::this_start;
use crate::whole_file::FileError;

/// A policy that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The revision to go back to; none for no policy at all.
    pub previous: Option<u32>,
    /// Until when it can be confirmed.
    pub until: Uptime,
}

/// A moment of this start of the machine, or of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Uptime {
    /// The start.
    boot: String,
    /// How long after it.
    since: Duration,
}

impl Uptime {
    /// Now.
    pub fn now() -> Result<Self, StoreError> {
        let boot = this_start()?;
        let clock = clock_gettime(ClockId::CLOCK_BOOTTIME).map_err(|errno| {
            FileError::of("read the clock of", Path::new("this start"))(errno.into())
        })?;
        Ok(Self {
            boot,
            since: clock.into(),
        })
    }

    /// So much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self {
            since: self.since.saturating_add(span),
            ..self
        }
    }

    /// How long it is until then: nothing once it is past, or if the machine was started anew since.
    pub fn left(&self, now: &Self) -> Duration {
        if self.boot == now.boot {
            self.since.saturating_sub(now.since)
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(boot: &str, seconds: u64) -> Uptime {
        Uptime {
            boot: boot.to_owned(),
            since: Duration::from_secs(seconds),
        }
    }

    #[test]
    fn what_is_left_ends_with_the_time_or_the_start() {
        let until = moment("a", 70).after(Duration::from_secs(30));
        for (now, left) in [
            (moment("a", 70), 30),
            (moment("a", 99), 1),
            (moment("a", 100), 0),
            (moment("a", 101), 0),
            (moment("b", 70), 0),
            (moment("b", 7), 0),
        ] {
            assert_eq!(until.left(&now), Duration::from_secs(left), "{now:?}");
        }
    }

    #[test]
    fn the_clock_goes_on_and_the_start_stays() {
        let first = Uptime::now().unwrap();
        let second = Uptime::now().unwrap();
        assert_eq!(first.boot.len(), 36);
        assert!(second.since >= first.since && first.left(&second).is_zero());
        assert!(!second.after(Duration::from_hours(1)).left(&first).is_zero());
    }
}
