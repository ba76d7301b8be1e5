//! One number of the whole table: what `weir bench all` prints, keeps and compares.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::progress::readable;

/// The less the better, all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Figure {
    /// The benchmark it comes from.
    pub(super) part: String,
    pub(super) what: String,
    pub(super) value: f64,
    pub(super) unit: Unit,
    /// What it should not exceed: shown beside it, and judged by nobody here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Unit {
    Microseconds,
    Ratio,
    Bytes,
    Count,
}

impl Figure {
    pub(super) fn ratio(part: &str, what: &str, value: f64) -> Self {
        Self::new(part, what, value, Unit::Ratio)
    }

    pub(super) fn bytes(part: &str, what: &str, value: u64) -> Self {
        Self::new(part, what, as_number(value), Unit::Bytes)
    }

    pub(super) fn count(part: &str, what: &str, value: u64) -> Self {
        Self::new(part, what, as_number(value), Unit::Count)
    }

    fn new(part: &str, what: &str, value: f64, unit: Unit) -> Self {
        Self {
            part: part.to_owned(),
            what: what.to_owned(),
            value,
            unit,
            target: None,
        }
    }

    pub(super) fn with_target(self, target: Option<f64>) -> Self {
        Self { target, ..self }
    }

    /// Whether another figure is of the same thing.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (&self.part, &self.what, self.unit) == (&other.part, &other.what, other.unit)
    }

    /// A number of its unit, as a person reads it.
    pub(super) fn text(&self, value: f64) -> String {
        match self.unit {
            Unit::Microseconds => readable(Duration::from_secs_f64(value.max(0.0) / 1e6)),
            Unit::Ratio => format!("{value:.2} x"),
            Unit::Bytes if value >= 1e6 => format!("{:.2} MB", value / 1e6),
            Unit::Bytes => format!("{:.1} KiB", value / 1024.0),
            Unit::Count => format!("{value:.0}"),
        }
    }
}

/// Bytes as thousands of them.
pub(super) fn as_kib(bytes: u64) -> f64 {
    as_number(bytes) / 1024.0
}

/// Exact below 2^32, which none of these comes near.
fn as_number(value: u64) -> f64 {
    u32::try_from(value).unwrap_or(u32::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_told_in_their_units() {
        for (unit, value, want) in [
            (Unit::Microseconds, 7_430.0, "7.43 ms"),
            (Unit::Ratio, 0.868, "0.87 x"),
            (Unit::Bytes, 5_933_952.0, "5.93 MB"),
            (Unit::Bytes, 30_720.0, "30.0 KiB"),
            (Unit::Count, 882.0, "882"),
        ] {
            let figure = Figure::new("part", "what", value, unit);
            assert_eq!(figure.text(value), want);
            let kept = serde_json::to_string(&figure).unwrap();
            assert_eq!(serde_json::from_str::<Figure>(&kept).unwrap(), figure);
        }
    }
}
