//! What the log of weir-cni says of its calls.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::exposition::{Exposition, Histogram};
use super::table;
use crate::calls::{Call, Log};

/// The log is weir-cni's, but a series for whatever stands in it would be a way to fill a memory.
const MOST_NAMES: usize = 64;
const LONGEST_NAME: usize = 32;

/// Counts of calls, since the oldest line that was there.
#[derive(Debug)]
pub(super) struct Calls {
    log: Log,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    by_code: BTreeMap<(String, i64), u64>,
    durations: BTreeMap<String, Histogram>,
    phases: BTreeMap<String, Histogram>,
    found: u64,
    compiled: u64,
    skipped: u64,
}

impl Calls {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            log: Log::new(path),
            counts: Counts::default(),
        }
    }

    /// Reads what is new.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let counts = &mut self.counts;
        self.log.read(|line| counts.line(line))
    }

    pub(super) fn show(&self, to: &mut Exposition) {
        let counts = &self.counts;
        for ((command, code), count) in &counts.by_code {
            to.set(&table::CALLS, &[command, &code.to_string()], *count);
        }
        for (command, histogram) in &counts.durations {
            to.set(&table::CALL_DURATION, &[command], histogram.clone());
        }
        for (phase, histogram) in &counts.phases {
            to.set(&table::ADD_PHASES, &[phase], histogram.clone());
        }
        to.set(&table::ADD_TEMPLATES, &["found"], counts.found);
        to.set(&table::ADD_TEMPLATES, &["compiled"], counts.compiled);
        to.set(&table::LOG_SKIPPED, &[], counts.skipped);
    }
}

impl Counts {
    fn line(&mut self, line: &[u8]) {
        match Call::parse(line) {
            Some(call) => self.call(&call),
            None => self.skipped += 1,
        }
    }

    fn call(&mut self, call: &Call) {
        // A call that failed before its command was known.
        let command = call.command.as_deref().unwrap_or("unknown");
        let code = call.code.unwrap_or_default();
        let is_known = self.by_code.contains_key(&(command.to_owned(), code));
        if !is_known && (self.by_code.len() >= MOST_NAMES || command.len() > LONGEST_NAME) {
            self.skipped += 1;
            return;
        }
        *self.by_code.entry((command.to_owned(), code)).or_default() += 1;
        // Of one that failed the times say where it failed, and not how long it takes.
        if code == 0 {
            observe(&mut self.durations, command, call.total_ms);
            if command == "ADD" {
                self.add(call);
            }
        }
    }

    fn add(&mut self, call: &Call) {
        for (phase, time) in &call.phases_ms.0 {
            observe(&mut self.phases, phase, *time);
        }
        let has = |phase: &str| call.phases_ms.has(phase) || call.beside_ms.has(phase);
        if has("compile") {
            self.compiled += 1;
        } else if has("find") {
            self.found += 1;
        }
    }
}

fn observe(histograms: &mut BTreeMap<String, Histogram>, name: &str, milliseconds: f64) {
    let has_room = histograms.len() < MOST_NAMES && name.len() <= LONGEST_NAME;
    if !has_room && !histograms.contains_key(name) {
        return;
    }
    let time = Duration::try_from_secs_f64(milliseconds / 1e3).unwrap_or_default();
    histograms.entry(name.to_owned()).or_default().observe(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: &[&str]) -> String {
        let mut counts = Counts::default();
        for line in lines {
            counts.line(line.as_bytes());
        }
        let mut calls = Calls::new(Path::new("/nowhere/log"));
        calls.counts = counts;
        calls.read().unwrap();
        let mut to = Exposition::default();
        calls.show(&mut to);
        to.text()
    }

    const ADD: &str = r#"{"command":"ADD","code":0,"totalMs":12.5,"phasesMs":{"render":0.2,"find":0.4,"pair":3}}"#;

    #[test]
    fn calls_are_counted_by_command_and_code() {
        let text = text(&[
            ADD,
            ADD,
            r#"{"command":"ADD","code":11,"error":"x","totalMs":1,"phasesMs":{"pair":1}}"#,
            r#"{"command":"DEL","code":0,"totalMs":5,"phasesMs":{"link":1}}"#,
            r#"{"code":4,"totalMs":0.1,"phasesMs":{}}"#,
            r#"{"command":"ADD","code":0,"totalMs":900,"phasesMs":{"find":1},"besideMs":{"compile":800}}"#,
            "no json",
        ]);
        for line in [
            "weir_cni_calls_total{command=\"ADD\",code=\"0\"} 3",
            "weir_cni_calls_total{command=\"ADD\",code=\"11\"} 1",
            "weir_cni_calls_total{command=\"DEL\",code=\"0\"} 1",
            "weir_cni_calls_total{command=\"unknown\",code=\"4\"} 1",
            "weir_cni_call_duration_seconds_count{command=\"ADD\"} 3",
            "weir_cni_call_duration_seconds_bucket{command=\"ADD\",le=\"0.02\"} 2",
            "weir_cni_add_phase_duration_seconds_count{phase=\"pair\"} 2",
            "weir_cni_add_templates_total{source=\"found\"} 2",
            "weir_cni_add_templates_total{source=\"compiled\"} 1",
            "weir_cni_log_lines_skipped_total 1",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
        assert!(!text.contains("phase=\"link\""), "{text}");
    }

    #[test]
    fn a_log_of_nonsense_makes_no_more_than_so_many_series() {
        let lines: Vec<_> = (0..1_000)
            .map(|n| {
                format!(
                    r#"{{"command":"C{n}","code":{n},"totalMs":1e300,"phasesMs":{{"p{n}":-1}}}}"#
                )
            })
            .collect();
        let text = text(&lines.iter().map(String::as_str).collect::<Vec<_>>());
        let series = text
            .lines()
            .filter(|line| line.starts_with("weir_cni_calls_total"));
        assert_eq!(series.count(), MOST_NAMES);
        assert!(text.contains("\nweir_cni_log_lines_skipped_total 936\n"));
    }
}
