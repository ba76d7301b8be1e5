//! How long each stage of a build took.

use std::time::{Duration, Instant};

/// Stages in the order they ran.
#[derive(Debug)]
pub struct Timeline {
    since: Instant,
    stages: Vec<(&'static str, Duration)>,
    beside: Vec<(&'static str, Duration)>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            stages: Vec::new(),
            beside: Vec::new(),
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

    /// Takes over the stages of work that ran on another thread meanwhile, and ends the stage that waited for it.
    pub fn join(&mut self, other: Self, stage: &'static str) {
        self.beside.extend(other.stages);
        self.beside.extend(other.beside);
        self.mark(stage);
    }

    /// The stages that ran beside those of [`Self::stages`].
    pub fn beside(&self) -> &[(&'static str, Duration)] {
        &self.beside
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ran_beside_counts_for_nothing() {
        let names = |stages: &[(&'static str, Duration)]| -> Vec<_> {
            stages.iter().map(|(name, _)| *name).collect()
        };
        let (mut timeline, mut other, mut third) = (
            Timeline::default(),
            Timeline::default(),
            Timeline::default(),
        );
        third.mark("c");
        other.mark("b");
        other.join(third, "waited");
        timeline.mark("a");
        let before = timeline.total();
        timeline.join(other, "joined");
        assert_eq!(names(timeline.stages()), ["a", "joined"]);
        assert_eq!(names(timeline.beside()), ["b", "waited", "c"]);
        assert!(timeline.total() >= before);
    }
}
