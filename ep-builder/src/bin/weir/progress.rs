//! Progress of long work, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `length` steps.
pub(crate) fn bar(length: usize) -> ProgressBar {
    let target = ProgressDrawTarget::stderr_with_hz(10);
    let bar = ProgressBar::with_draw_target(Some(length as u64), target);
    // The template is a constant of ours; a wrong one would show the default bar.
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} [{wide_bar}] {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar
}

/// A duration as a person reads it.
pub(crate) fn readable(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    if micros < 1e3 {
        format!("{micros:.1} us")
    } else if micros < 1e6 {
        format!("{:.2} ms", micros / 1e3)
    } else {
        format!("{:.2} s", micros / 1e6)
    }
}
