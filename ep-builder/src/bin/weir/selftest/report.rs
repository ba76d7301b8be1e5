//! What was proved, and what was not.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::fault::Fault;
use super::place::Family;
use crate::failure::Failure;
use crate::progress::readable;
use crate::screen::{Columns, Format, Screen, printable, talk};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// What it says was seen to be so.
    Passed,
    /// It was seen not to be so.
    Failed,
    /// This node is not configured for it.
    Skipped,
    /// Something that it needs failed.
    NotRun,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
        }
    }
}

/// A check, as it ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) check: &'static str,
    pub(super) result: Outcome,
    /// What was proved; or why it was not.
    pub(super) said: String,
    /// What to do, where it failed.
    pub(super) fix: Option<String>,
    pub(super) us: u64,
}

impl Row {
    /// One that ended by itself.
    pub(super) fn passed(check: &'static str, said: String, time: Duration) -> Self {
        Self::new(check, Outcome::Passed, said, time)
    }

    /// One that there is no need for.
    pub(super) fn skipped(check: &'static str, why: String, time: Duration) -> Self {
        Self::new(check, Outcome::Skipped, why, time)
    }

    /// One that did not begin.
    pub(super) fn not_run(check: &'static str, needed: &str) -> Self {
        let why = format!("it needs what `{needed}` was to prove");
        Self::new(check, Outcome::NotRun, why, Duration::ZERO)
    }

    /// One that failed; `advice` is for faults without their own.
    pub(super) fn failed(check: &'static str, fault: Fault, advice: &str, time: Duration) -> Self {
        Self {
            fix: Some(fault.fix.unwrap_or_else(|| advice.to_owned())),
            ..Self::new(check, Outcome::Failed, fault.why, time)
        }
    }

    fn new(check: &'static str, result: Outcome, said: String, time: Duration) -> Self {
        Self {
            check,
            result,
            said,
            fix: None,
            us: u64::try_from(time.as_micros()).unwrap_or(u64::MAX),
        }
    }

    fn columns(&self) -> Vec<String> {
        let time = match self.us {
            0 => "-".to_owned(),
            us => readable(Duration::from_micros(us)),
        };
        let result = self.result.name().to_owned();
        vec![self.check.to_owned(), result, time, self.said.clone()]
    }
}

/// All of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    passed: bool,
    plugin: String,
    /// Where the network configuration comes from.
    configuration: String,
    families: Vec<String>,
    total_us: u64,
    checks: Vec<Row>,
}

impl Report {
    pub(super) fn new(
        plugin: &Path,
        configuration: &str,
        families: &[Family],
        checks: Vec<Row>,
        total: Duration,
    ) -> Self {
        let is_well = |row: &Row| matches!(row.result, Outcome::Passed | Outcome::Skipped);
        Self {
            passed: checks.iter().all(is_well),
            plugin: plugin.display().to_string(),
            configuration: configuration.to_owned(),
            families: families.iter().map(ToString::to_string).collect(),
            total_us: u64::try_from(total.as_micros()).unwrap_or(u64::MAX),
            checks,
        }
    }

    /// Whether nothing failed.
    pub(crate) fn is_passed(&self) -> bool {
        self.passed
    }

    /// Prints it: the checks as data, what to do as talk.
    pub(super) fn show(&self, screen: &Screen) -> Result<(), Failure> {
        match screen.format() {
            Format::Json | Format::Yaml => screen.value(self)?,
            Format::Table | Format::Wide => self.table(screen)?,
        }
        self.tell();
        Ok(())
    }

    /// Says what failed and what to do, and all of it in a line.
    pub(crate) fn tell(&self) {
        for row in &self.checks {
            if let Some(fix) = &row.fix {
                talk(&format!(
                    "{} failed: {}\nfix: {fix}",
                    row.check,
                    printable(&row.said)
                ));
            }
        }
        talk(&format!("selftest: {}", self.summary()));
    }

    fn table(&self, screen: &Screen) -> Result<(), Failure> {
        let columns = Columns {
            headings: &["CHECK", "RESULT", "TIME", "WHAT WAS SEEN"],
            plain: 4,
            rows: self.checks.iter().map(Row::columns).collect(),
            empty: "nothing was checked",
        };
        screen.list(&self.checks, &columns)
    }

    fn summary(&self) -> String {
        let count = |outcome| {
            let rows = self.checks.iter();
            rows.filter(|row| row.result == outcome).count()
        };
        let others = [Outcome::Failed, Outcome::Skipped, Outcome::NotRun].map(|outcome| {
            let number = count(outcome);
            (number > 0).then(|| format!(", {number} {}", outcome.name()))
        });
        format!(
            "{} of {} checks passed{}, in {}, with {} and the network configuration {}",
            count(Outcome::Passed),
            self.checks.len(),
            others.into_iter().flatten().collect::<String>(),
            readable(Duration::from_micros(self.total_us)),
            self.plugin,
            self.configuration,
        )
    }
}
