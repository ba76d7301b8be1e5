//! How long phases take in many calls: order statistics, and how the times spread over a scale of tens.

use std::collections::BTreeMap;

use super::Call;
use crate::bench::times::{at, sorted};

/// Steps of the scale in which a time becomes ten times as long.
const STEPS: i32 = 8;
/// What a spread covers at most: from a hundredth of a microsecond on.
const MOST_STEPS: usize = 12 * STEPS as usize;

/// The times of one phase, or of whole calls.
pub(super) struct Spread {
    /// Its name.
    pub(super) name: String,
    /// Whether it ran beside the others.
    pub(super) is_beside: bool,
    /// Milliseconds in ascending order.
    sorted: Vec<f64>,
}

impl Spread {
    /// Of so many calls.
    pub(super) fn count(&self) -> usize {
        self.sorted.len()
    }

    /// The time that so many of a hundred calls do not exceed.
    pub(super) fn ms(&self, percent: usize) -> f64 {
        at(&self.sorted, percent)
    }

    /// How many times lie in each step of the scale, from this step on.
    pub(super) fn steps(&self, first: i32, count: usize) -> Vec<usize> {
        let mut steps = vec![0; count];
        for ms in &self.sorted {
            let place = usize::try_from(step(*ms) - first).unwrap_or(0);
            if let Some(step) = steps.get_mut(place.min(count.saturating_sub(1))) {
                *step += 1;
            }
        }
        steps
    }
}

/// The whole calls, then each phase in the order in which they run, then what runs beside.
pub(super) fn spreads(calls: &[Call]) -> Vec<Spread> {
    let mut spreads = vec![Spread {
        name: "whole call".to_owned(),
        is_beside: false,
        sorted: sorted(calls.iter().map(|call| call.total_ms).collect()),
    }];
    for is_beside in [false, true] {
        // The place of a phase is where it stands on the average: not every call has all of them.
        let mut phases: BTreeMap<&str, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
        for call in calls {
            let own = if is_beside {
                &call.beside_ms
            } else {
                &call.phases_ms
            };
            let mut before = 0.0;
            for (name, ms) in &own.0 {
                let (times, places) = phases.entry(name).or_default();
                times.push(*ms);
                places.push(before);
                before += 1.0;
            }
        }
        let mut found: Vec<_> = phases.into_iter().collect();
        found.sort_by(|(_, (_, one)), (_, (_, other))| mean(one).total_cmp(&mean(other)));
        spreads.extend(found.into_iter().map(|(name, (times, _))| Spread {
            name: name.to_owned(),
            is_beside,
            sorted: sorted(times),
        }));
    }
    spreads
}

#[expect(clippy::cast_precision_loss, reason = "a few million at most")]
fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len().max(1) as f64
}

/// The first step that one of them needs, and how many.
pub(super) fn scale(spreads: &[Spread]) -> (i32, usize) {
    let all = spreads.iter().filter(|spread| spread.count() > 0);
    let ends = all.map(|spread| (step(spread.ms(0)), step(spread.ms(100))));
    let (first, last) = ends.fold((i32::MAX, i32::MIN), |(first, last), (low, high)| {
        (first.min(low), last.max(high))
    });
    let (first, last) = if first > last { (0, 0) } else { (first, last) };
    // From a power of ten to the next, so that the scale has marks.
    let first = first.div_euclid(STEPS) * STEPS;
    let last = (last.div_euclid(STEPS) + 1) * STEPS;
    let count = usize::try_from(last - first).unwrap_or(0);
    (first, count.clamp(1, MOST_STEPS))
}

/// The step of the scale in which a time lies; below a hundredth of a microsecond there is none.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a logarithm of a number is small"
)]
fn step(ms: f64) -> i32 {
    let ms = ms.clamp(1e-5, 1e6);
    (ms.log10() * f64::from(STEPS)).floor() as i32
}

/// The powers of ten on a scale: steps from its begin, and milliseconds.
pub(super) fn marks(first: i32, count: usize) -> impl Iterator<Item = (usize, f64)> {
    let decades = (0..=count).step_by(usize::try_from(STEPS).unwrap_or(1));
    decades
        .zip(first / STEPS..)
        .map(|(step, power)| (step, 10_f64.powi(power)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        Call::parse(line.as_bytes()).unwrap()
    }

    #[test]
    fn phases_stand_in_the_order_in_which_they_run() {
        let calls = [
            call(r#"{"totalMs":9,"phasesMs":{"node":1,"claim":3,"up":5},"besideMs":{"find":2}}"#),
            call(r#"{"totalMs":7,"phasesMs":{"node":3,"up":4}}"#),
        ];
        let spreads = spreads(&calls);
        let names: Vec<_> = spreads
            .iter()
            .map(|it| (it.name.as_str(), it.is_beside, it.count()))
            .collect();
        let expected = [
            ("whole call", false, 2),
            ("node", false, 2),
            ("claim", false, 1),
            ("up", false, 2),
            ("find", true, 1),
        ];
        assert_eq!(names, expected);
        assert!((spreads[1].ms(50) - 3.0).abs() < 1e-9);
        assert!((spreads[0].ms(100) - 9.0).abs() < 1e-9);
    }

    #[test]
    fn every_time_is_in_one_step_of_the_scale() {
        for times in [
            &[0.0, 1e9][..],
            &[0.001, 0.5, 17.0, 900.0],
            &[1.0],
            &[f64::MIN_POSITIVE, 10.0],
        ] {
            let lines = times
                .iter()
                .map(|ms| call(&format!(r#"{{"totalMs":{ms}}}"#)));
            let spreads = spreads(&lines.collect::<Vec<_>>());
            let (first, count) = scale(&spreads);
            let steps = spreads[0].steps(first, count);
            assert_eq!(steps.iter().sum::<usize>(), times.len(), "{times:?}");
            assert_eq!(marks(first, count).count(), count / 8 + 1, "{times:?}");
        }
        let one = spreads(&[call(r#"{"totalMs":1}"#)]);
        assert_eq!(scale(&one), (0, 8));
        assert_eq!(one[0].steps(0, 8), [1, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(scale(&spreads(&[])), (0, 8));
    }
}
