//! What was measured, side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::call::Verb;
use super::waterfall::Waterfall;
use super::{Alone, Batches, NAMES, Turn};
use crate::bench::figures::{Figure, Unit};
use crate::bench::times::{at, sorted};
use crate::cli::BenchCni;
use crate::failure::Failure;
use crate::progress::readable;
use crate::screen::{Columns, Format, Screen};

/// Of `ptp`'s time.
const ADD: f64 = 0.6;
const DEL: f64 = 1.0;

/// What is known of one plugin in one situation.
#[derive(Default)]
struct Series {
    each: Vec<Duration>,
    together: Vec<Duration>,
    processor: Duration,
}

/// Pods that are there, calls at once, and what is asked.
type Situation = (u16, u16, Verb);

/// All that was measured.
#[derive(Default)]
pub(super) struct Results {
    series: BTreeMap<Situation, [Series; NAMES.len()]>,
    /// Our ADDs that had no others beside them.
    pub(super) alone: Vec<Alone>,
}

impl Results {
    pub(super) fn add(&mut self, pods: u16, turn: Turn, batches: Batches) {
        for (verb, batch) in batches.calls {
            if (verb, turn.who, turn.at_once) == (Verb::Add, 0, 1) {
                let took = batch.each.iter().copied();
                let alone = batches.containers.iter().cloned().zip(took);
                self.alone
                    .extend(alone.map(|(container, took)| Alone { container, took }));
            }
            let all = self.series.entry((pods, turn.at_once, verb)).or_default();
            let series = &mut all[turn.who];
            series.each.extend(batch.each);
            series.together.push(batch.together);
            series.processor += batch.processor;
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    rounds: u32,
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waterfall: Option<Waterfall>,
}

/// One situation, by call or by batch.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    what: &'static str,
    /// From the first call's begin to the last one's end, not of one call.
    together: bool,
    pods: u16,
    at_once: u16,
    samples: usize,
    weir: Times,
    ptp: Times,
    bridge: Times,
    /// Of the middle ones.
    to_ptp: f64,
    to_bridge: f64,
    /// Of the means.
    processor_to_ptp: f64,
    target_to_ptp: f64,
}

/// Microseconds.
#[derive(Serialize)]
struct Times {
    #[serde(rename = "p50Us")]
    p50: f64,
    #[serde(rename = "p95Us")]
    p95: f64,
    /// What one call takes of the processors, in the mean.
    #[serde(rename = "processorUs")]
    processor: f64,
}

impl Times {
    fn new(series: &Series, together: bool) -> Self {
        let times = if together {
            &series.together
        } else {
            &series.each
        };
        let times = sorted(times.iter().map(|time| micros(*time)).collect());
        let calls = u32::try_from(series.each.len()).unwrap_or(u32::MAX).max(1);
        Self {
            p50: at(&times, 50),
            p95: at(&times, 95),
            processor: micros(series.processor / calls),
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

impl Row {
    fn new(situation: Situation, all: &[Series; NAMES.len()], together: bool) -> Self {
        let (pods, at_once, verb) = situation;
        let [weir, ptp, bridge] = all.each_ref().map(|series| Times::new(series, together));
        let [series, ..] = all;
        Self {
            what: verb.name(),
            together,
            pods,
            at_once,
            samples: if together {
                series.together.len()
            } else {
                series.each.len()
            },
            to_ptp: weir.p50 / ptp.p50,
            to_bridge: weir.p50 / bridge.p50,
            processor_to_ptp: weir.processor / ptp.processor,
            target_to_ptp: match verb {
                Verb::Add => ADD,
                Verb::Del => DEL,
            },
            weir,
            ptp,
            bridge,
        }
    }

    fn columns(&self) -> Vec<String> {
        let time = |us: f64| readable(Duration::from_secs_f64(us / 1e6));
        let ratio = |ratio: f64| format!("{ratio:.2} x");
        let of = if self.together { "all of them" } else { "each" };
        let mut columns = vec![
            self.what.to_owned(),
            of.to_owned(),
            self.at_once.to_string(),
            self.pods.to_string(),
        ];
        for times in [&self.weir, &self.ptp, &self.bridge] {
            columns.extend([time(times.p50), time(times.p95)]);
        }
        columns.extend([
            ratio(self.to_bridge),
            ratio(self.to_ptp),
            ratio(self.target_to_ptp),
            ratio(self.processor_to_ptp),
        ]);
        for times in [&self.weir, &self.ptp, &self.bridge] {
            columns.push(time(times.processor));
        }
        columns.push(self.samples.to_string());
        columns
    }
}

const HEADINGS: [&str; 18] = [
    "WHAT",
    "OF",
    "AT ONCE",
    "PODS",
    "WEIR P50",
    "P95",
    "PTP P50",
    "P95",
    "BRIDGE P50",
    "P95",
    "TO BRIDGE",
    "TO PTP",
    "TARGET",
    "CPU TO PTP",
    "WEIR CPU",
    "PTP CPU",
    "BRIDGE CPU",
    "SAMPLES",
];

impl Report {
    pub(super) fn new(asked: &BenchCni, results: &Results, waterfall: Option<Waterfall>) -> Self {
        let mut rows = Vec::new();
        for (situation, all) in &results.series {
            rows.push(Row::new(*situation, all, false));
            if situation.1 > 1 {
                rows.push(Row::new(*situation, all, true));
            }
        }
        Self {
            rounds: asked.rounds,
            rows,
            waterfall,
        }
    }

    /// For each situation our time, and its ratio to that of `ptp`.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let figures = self.rows.iter().flat_map(|row| {
            let of = if row.together { "all of them" } else { "each" };
            let what = format!(
                "{}, {of}, {} at once, {} pods",
                row.what, row.at_once, row.pods
            );
            let time = Figure {
                part: "cni".to_owned(),
                what: what.clone(),
                value: row.weir.p50,
                unit: Unit::Microseconds,
                target: None,
            };
            let to_ptp = Figure::ratio("cni", &format!("{what}, to ptp"), row.to_ptp);
            let to_bridge = Figure::ratio("cni", &format!("{what}, to bridge"), row.to_bridge);
            [time, to_ptp.with_target(Some(row.target_to_ptp)), to_bridge]
        });
        figures.collect()
    }

    pub(super) fn show(&self, screen: &Screen) -> Result<(), Failure> {
        if matches!(screen.format(), Format::Json | Format::Yaml) {
            return screen.value(self);
        }
        let columns = Columns {
            headings: &HEADINGS,
            plain: 14,
            rows: self.rows.iter().map(Row::columns).collect(),
            empty: "nothing measured",
        };
        screen.list(&self.rows, &columns)?;
        match &self.waterfall {
            Some(waterfall) => screen.data(&waterfall.text()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::contender::Batch;
    use super::*;

    #[test]
    fn what_is_beside_one_another_was_measured_in_one_situation() {
        let mut results = Results::default();
        for (who, ms) in [(0, 3), (1, 6), (2, 12)] {
            for _ in 0..4 {
                let batch = |factor: u32| Batch {
                    each: vec![Duration::from_millis(ms) * factor; 2],
                    together: Duration::from_millis(2 * ms) * factor,
                    processor: Duration::from_millis(ms) * factor,
                };
                let batches = Batches {
                    containers: vec!["a".to_owned(), "b".to_owned()],
                    calls: [(Verb::Add, batch(1)), (Verb::Del, batch(2))],
                };
                results.add(5, Turn { who, at_once: 2 }, batches);
            }
        }
        assert!(results.alone.is_empty());
        let asked = BenchCni::default();
        let report = Report::new(&asked, &results, None);
        let what: Vec<_> = report
            .rows
            .iter()
            .map(|row| (row.what, row.together))
            .collect();
        assert_eq!(
            what,
            [("ADD", false), ("ADD", true), ("DEL", false), ("DEL", true)]
        );
        for row in &report.rows {
            assert_eq!(row.columns().len(), HEADINGS.len());
            assert_eq!((row.pods, row.at_once), (5, 2));
            assert_eq!(row.samples, if row.together { 4 } else { 8 });
            for (ratio, want) in [
                (row.to_ptp, 0.5),
                (row.to_bridge, 0.25),
                (row.processor_to_ptp, 0.5),
            ] {
                assert!((ratio - want).abs() < 1e-9, "{want}");
            }
        }
        assert!((report.rows[3].weir.p50 - 12_000.0).abs() < 1e-6);
        assert!((report.rows[3].weir.processor - 3_000.0).abs() < 1e-6);
    }
}
