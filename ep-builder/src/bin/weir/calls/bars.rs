//! Phases as bars of text, each where the one before it ends.

use std::time::Duration;

use crate::progress::readable;
use crate::screen::printable;

const WIDTH: f64 = 50.0;

/// A line for each phase with its microseconds, on a scale that ends with `whole_us`.
pub(crate) fn bars<'a>(
    phases: impl Iterator<Item = (&'a str, f64)> + Clone,
    whole_us: f64,
) -> String {
    let width = longest(phases.clone());
    let column = |us: f64| column(us, whole_us);
    let (mut text, mut before) = (String::new(), 0.0);
    for (name, us) in phases {
        let (from, to) = (column(before), column(before + us));
        before += us;
        text += &line(name, width, us, from, to);
    }
    text
}

/// The same for what ran at times that nobody knows: all begin at the left.
pub(crate) fn lengths<'a>(
    phases: impl Iterator<Item = (&'a str, f64)> + Clone,
    whole_us: f64,
) -> String {
    let width = longest(phases.clone());
    phases
        .map(|(name, us)| line(name, width, us, 0, column(us, whole_us)))
        .collect()
}

fn longest<'a>(phases: impl Iterator<Item = (&'a str, f64)>) -> usize {
    phases.map(|(name, _)| name.len()).max().unwrap_or(0)
}

fn line(name: &str, width: usize, us: f64, from: usize, to: usize) -> String {
    let bar = if from == to {
        "|".to_owned()
    } else {
        "#".repeat(to - from)
    };
    let (name, time) = (printable(name), time(us));
    format!("{name:width$}  {time:>9}  {}{bar}\n", " ".repeat(from))
}

/// A time as a person reads it.
pub(crate) fn time(us: f64) -> String {
    readable(Duration::try_from_secs_f64(us / 1e6).unwrap_or_default())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a small width"
)]
fn column(us: f64, whole_us: f64) -> usize {
    (us / whole_us.max(1.0) * WIDTH).round().clamp(0.0, WIDTH) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_begins_where_the_one_before_it_ends() {
        let phases = [("one", 1_000.0), ("second", 3_000.0), ("none", 0.0)];
        assert_eq!(
            bars(phases.into_iter(), 4_000.0),
            "one       1.00 ms  #############\n\
             second    3.00 ms               #####################################\n\
             none       0.0 us                                                    |\n"
        );
        assert_eq!(
            lengths(phases.into_iter(), 50_000.0),
            "one       1.00 ms  #\nsecond    3.00 ms  ###\nnone       0.0 us  |\n"
        );
    }

    #[test]
    fn no_number_of_a_log_is_too_much() {
        for us in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            assert!(bars([("a", us)].into_iter(), us).ends_with('\n'), "{us}");
        }
    }
}
