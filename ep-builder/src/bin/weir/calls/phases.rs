//! `weir calls phases`: how long each phase takes, in many calls.

use serde::Serialize;

use super::chosen::Wanted;
use super::spread::{Spread, spreads};
use super::{Call, draw, time};
use crate::failure::Failure;
use crate::screen::{Columns, Picture, Screen};

/// A phase as `-o json` gives it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    phase: &'a str,
    /// Whether it ran on another thread, beside the others.
    beside: bool,
    calls: usize,
    min_ms: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    max_ms: f64,
}

pub(super) fn show(calls: &[Call], wanted: &Wanted<'_>, screen: &Screen) -> Result<(), Failure> {
    let spreads = if calls.is_empty() {
        Vec::new()
    } else {
        spreads(calls)
    };
    let what = format!("{} calls: {}", calls.len(), wanted.text());
    match screen.picture() {
        Some(Picture::Svg) => screen.data(&draw::histogram(&spreads, &what).svg()),
        Some(Picture::Html) => screen.data(&draw::histogram_page(&spreads, &what).html()),
        None => {
            let rows: Vec<_> = spreads.iter().map(row).collect();
            let columns = Columns {
                headings: &["PHASE", "CALLS", "P50", "P95", "MAX", "MIN", "P99"],
                plain: 5,
                rows: spreads.iter().map(columns).collect(),
                empty: "the log of weir-cni tells of no such call",
            };
            screen.list(&rows, &columns)
        }
    }
}

fn row(spread: &Spread) -> Row<'_> {
    Row {
        phase: &spread.name,
        beside: spread.is_beside,
        calls: spread.count(),
        min_ms: spread.ms(0),
        p50_ms: spread.ms(50),
        p95_ms: spread.ms(95),
        p99_ms: spread.ms(99),
        max_ms: spread.ms(100),
    }
}

fn columns(spread: &Spread) -> Vec<String> {
    let name = if spread.is_beside {
        format!("{} (beside)", spread.name)
    } else {
        spread.name.clone()
    };
    let times = [50, 95, 100, 0, 99].map(|percent| time(spread.ms(percent) * 1e3));
    [name, spread.count().to_string()]
        .into_iter()
        .chain(times)
        .collect()
}
