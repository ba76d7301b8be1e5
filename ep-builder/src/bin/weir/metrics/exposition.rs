//! Values by metric and labels, and their text: the exposition format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::table::{ALL, Metric};

/// The upper bounds of the buckets of every histogram, in seconds.
pub(super) const BOUNDS: [f64; 15] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.5, 10.0,
];

/// How often something took up to so long.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Histogram {
    /// Those up to each bound that are above the one before it.
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    pub(super) fn observe(&mut self, time: Duration) {
        let seconds = time.as_secs_f64();
        let mut bounds = BOUNDS.iter().zip(&mut self.buckets);
        if let Some((_, bucket)) = bounds.find(|(bound, _)| seconds <= **bound) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum += seconds;
    }
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Whole(u64),
    Real(f64),
    Histogram(Histogram),
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Whole(number as u64)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Whole(is_so.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<Histogram> for Value {
    fn from(histogram: Histogram) -> Self {
        Self::Histogram(histogram)
    }
}

/// What one look has found. A series is there once, by construction.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    series: BTreeMap<&'static str, BTreeMap<Vec<String>, Value>>,
}

/// A value as `-o json` gives it.
#[derive(Serialize)]
pub(super) struct Sample {
    name: String,
    labels: BTreeMap<&'static str, String>,
    value: f64,
}

impl Exposition {
    /// Sets a value; the labels in the order of the table.
    pub(super) fn set(&mut self, metric: &Metric, labels: &[&str], value: impl Into<Value>) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let series = self.series.entry(metric.name).or_default();
        series.insert(labels, value.into());
    }

    /// Adds to a value.
    pub(super) fn add(&mut self, metric: &Metric, labels: &[&str], more: u64) {
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let series = self.series.entry(metric.name).or_default();
        match series.entry(labels).or_insert(Value::Whole(0)) {
            Value::Whole(number) => *number = number.wrapping_add(more),
            other => *other = Value::Whole(more),
        }
    }

    /// The text that Prometheus reads. A metric that has no value is left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for metric in ALL {
            let Some(series) = self.series.get(metric.name) else {
                continue;
            };
            let (name, kind) = (metric.name, metric.kind.name());
            put(&mut text, &format!("# HELP {name} {}", metric.help));
            put(&mut text, &format!("# TYPE {name} {kind}"));
            for (labels, value) in series {
                for (name, labels, value) in samples(metric, labels, value) {
                    put(&mut text, &format!("{name}{} {value}", braces(&labels)));
                }
            }
        }
        text
    }

    /// The same as a list.
    pub(super) fn samples(&self) -> Vec<Sample> {
        let mut all = Vec::new();
        for metric in ALL {
            for (labels, value) in self.series.get(metric.name).into_iter().flatten() {
                let lines = samples(metric, labels, value).into_iter();
                all.extend(lines.map(|(name, labels, value)| Sample {
                    name,
                    labels: labels.into_iter().collect(),
                    value: value.parse().unwrap_or(f64::NAN),
                }));
            }
        }
        all
    }
}

type Line = (String, Vec<(&'static str, String)>, String);

/// The lines of a series: one, or those of a histogram.
fn samples(metric: &Metric, labels: &[String], value: &Value) -> Vec<Line> {
    let labels: Vec<_> = metric
        .labels
        .iter()
        .copied()
        .zip(labels.iter().cloned())
        .collect();
    let one = |value| vec![(metric.name.to_owned(), labels.clone(), value)];
    match value {
        Value::Whole(number) => one(number.to_string()),
        Value::Real(number) => one(number.to_string()),
        Value::Histogram(histogram) => lines(metric.name, &labels, histogram),
    }
}

fn lines(name: &str, labels: &[(&'static str, String)], histogram: &Histogram) -> Vec<Line> {
    let bucket = |bound: String, count: u64| {
        let labels = labels.iter().cloned().chain([("le", bound)]).collect();
        (format!("{name}_bucket"), labels, count.to_string())
    };
    let mut below = 0;
    let mut lines: Vec<Line> = BOUNDS
        .iter()
        .zip(histogram.buckets)
        .map(|(bound, count)| {
            below += count;
            bucket(bound.to_string(), below)
        })
        .collect();
    lines.push(bucket("+Inf".to_owned(), histogram.count));
    let plain = |ending: &str, value| (format!("{name}{ending}"), labels.to_vec(), value);
    lines.push(plain("_sum", histogram.sum.to_string()));
    lines.push(plain("_count", histogram.count.to_string()));
    lines
}

fn put(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    writeln!(text, "{line}").unwrap_or_default();
}

fn braces(labels: &[(&'static str, String)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let each = labels.iter();
    let each: Vec<_> = each
        .map(|(name, value)| format!("{name}=\"{}\"", escaped(value)))
        .collect();
    format!("{{{}}}", each.join(","))
}

/// What the format asks for in the value of a label.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::table;
    use super::*;

    #[test]
    fn a_series_is_there_once_and_below_its_metric() {
        let mut it = Exposition::default();
        it.set(&table::ENDPOINTS, &["ready"], 3_u64);
        it.set(&table::ENDPOINTS, &["ready"], 4_u64);
        it.add(&table::FORWARDED_PACKETS, &["ingress"], 5);
        it.add(&table::FORWARDED_PACKETS, &["ingress"], 6);
        it.set(&table::SCRAPE_DURATION, &[], 0.25);
        let text = it.text();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                "weir_datapath_forwarded_packets_total{direction=\"ingress\"} 11",
                "weir_endpoints{state=\"ready\"} 4",
                "weir_scrape_duration_seconds 0.25",
            ]
        );
        assert!(text.starts_with("# HELP weir_datapath_forwarded_packets_total Packets"));
        assert!(text.contains("\n# TYPE weir_endpoints gauge\nweir_endpoints{"));
        assert_eq!(it.samples().len(), 3);
    }

    #[test]
    fn labels_are_escaped() {
        for (value, expected) in [
            ("plain", "plain"),
            ("a\"b", "a\\\"b"),
            ("a\\b\n", "a\\\\b\\n"),
            ("é{}", "é{}"),
        ] {
            assert_eq!(escaped(value), expected);
        }
    }

    #[test]
    fn a_histogram_counts_what_is_below() {
        let mut histogram = Histogram::default();
        for micros in [50, 100, 101, 4_000, 20_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let mut it = Exposition::default();
        it.set(&table::ADD_PHASES, &["pair"], histogram);
        let text = it.text();
        let name = "weir_cni_add_phase_duration_seconds";
        for line in [
            "_bucket{phase=\"pair\",le=\"0.0001\"} 2",
            "_bucket{phase=\"pair\",le=\"0.0002\"} 3",
            "_bucket{phase=\"pair\",le=\"0.002\"} 3",
            "_bucket{phase=\"pair\",le=\"0.005\"} 4",
            "_bucket{phase=\"pair\",le=\"10\"} 4",
            "_bucket{phase=\"pair\",le=\"+Inf\"} 5",
            "_sum{phase=\"pair\"} 20.004251",
            "_count{phase=\"pair\"} 5",
        ] {
            assert!(
                text.contains(&format!("\n{name}{line}\n")),
                "{line}: {text}"
            );
        }
        assert!(BOUNDS.is_sorted());
    }
}
