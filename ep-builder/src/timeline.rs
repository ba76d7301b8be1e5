//! How long each stage of a build took.

use std::time::{Duration, Instant};

/// Stages in the order they ran.
#[derive(Debug)]
pub struct Timeline {
    since: Instant,
    stages: Vec<(&'static str, Duration)>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            stages: Vec::new(),
        }
    }
}

impl Timeline {
    /// Ends the stage that ran since the last mark.
    pub fn mark(&mut self, stage: &'static str) {
        let now = Instant::now();
        self.stages.push((stage, now - self.since));
        self.since = now;
    }

    /// The stages so far.
    pub fn stages(&self) -> &[(&'static str, Duration)] {
        &self.stages
    }

    /// All stages together.
    pub fn total(&self) -> Duration {
        self.stages.iter().map(|(_, time)| *time).sum()
    }
}
