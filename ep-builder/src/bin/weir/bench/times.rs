//! Measured times: their order statistics, and how they are shown.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::Serialize;

use super::figures::{Figure, Unit};
use crate::failure::Failure;
use crate::progress::readable;
use crate::screen::{Columns, Screen};

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) what: String,
    pub(super) rounds: usize,
    min_us: f64,
    p50_us: f64,
    p95_us: f64,
    /// What the middle one should not exceed: shown beside it, and judged by nobody here.
    #[serde(skip_serializing_if = "Option::is_none")]
    target_us: Option<f64>,
}

impl Row {
    pub(super) fn of(what: &str, times: Vec<Duration>) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let sorted = sorted(times.into_iter().map(micros).collect());
        Self {
            what: what.to_owned(),
            rounds: sorted.len(),
            min_us: at(&sorted, 0),
            p50_us: at(&sorted, 50),
            p95_us: at(&sorted, 95),
            target_us: None,
        }
    }

    pub(super) fn with_target(self, target: Duration) -> Self {
        Self {
            target_us: Some(target.as_secs_f64() * 1e6),
            ..self
        }
    }

    /// The middle one, as a figure of the whole table.
    pub(super) fn figure(&self, part: &str) -> Figure {
        Figure {
            part: part.to_owned(),
            what: self.what.trim().to_owned(),
            value: self.p50_us,
            unit: Unit::Microseconds,
            target: self.target_us,
        }
    }

    /// Its name and middle.
    pub(super) fn brief(&self) -> String {
        let middle = Duration::from_secs_f64(self.p50_us / 1e6);
        format!("{} {}", self.what, readable(middle))
    }

    fn columns(&self) -> Vec<String> {
        let time = |us: f64| readable(Duration::from_secs_f64(us / 1e6));
        vec![
            self.what.clone(),
            self.rounds.to_string(),
            time(self.min_us),
            time(self.p50_us),
            time(self.p95_us),
            self.target_us.map(time).unwrap_or_default(),
        ]
    }
}

/// The time this thread has had a processor: what others do there meanwhile does not count. Exact to a tick
/// of the kernel, so good for many things together.
pub(super) fn processor_time() -> Result<Duration, Failure> {
    time_of(UsageWho::RUSAGE_THREAD)
}

/// Likewise of all processes that we started and that ended.
pub(super) fn children_time() -> Result<Duration, Failure> {
    time_of(UsageWho::RUSAGE_CHILDREN)
}

fn time_of(who: UsageWho) -> Result<Duration, Failure> {
    let usage = getrusage(who);
    let usage =
        usage.map_err(|e| Failure::Input(format!("cannot read the processor time: {e}")))?;
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Ok(Duration::from_micros(micros.unsigned_abs()))
}

/// The numbers in ascending order.
pub(crate) fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The number below which `percent` of `sorted` lie; 0 of none.
pub(crate) fn at(sorted: &[f64], percent: usize) -> f64 {
    let index = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or_default()
}

/// Shows the rows; a column of targets is there if one has a target.
pub(super) fn show(rows: &[Row], screen: &Screen) -> Result<(), Failure> {
    let has_targets = rows.iter().any(|row| row.target_us.is_some());
    let headings = &["WHAT", "ROUNDS", "MIN", "P50", "P95", "TARGET P50"];
    screen.list(
        rows,
        &Columns {
            headings,
            plain: if has_targets { 6 } else { 5 },
            rows: rows.iter().map(Row::columns).collect(),
            empty: "nothing measured",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_an_order() {
        let numbers = sorted((1..=100).rev().map(f64::from).collect());
        for (percent, want) in [(0, 1.0), (50, 51.0), (95, 96.0), (100, 100.0)] {
            assert!((at(&numbers, percent) - want).abs() < 0.5, "{percent}");
        }
        assert!((at(&[7.0], 95) - 7.0).abs() < 0.5);
        assert!(at(&[], 50).abs() < 0.5);
    }
}
