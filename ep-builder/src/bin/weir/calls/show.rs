//! `weir calls show`: one call, phase by phase.

use super::bars::{bars, lengths};
use super::chosen::Wanted;
use super::list::{Report, who};
use super::{Call, Phases, draw, time};
use crate::failure::Failure;
use crate::screen::{Format, Picture, Screen, printable};

pub(super) fn show(calls: &[Call], wanted: &Wanted<'_>, screen: &Screen) -> Result<(), Failure> {
    let Some(call) = calls.last() else {
        let text = format!(
            "the log of weir-cni tells of no {}: `weir calls list` shows what it has",
            wanted.text()
        );
        return Err(Failure::NotFound(text));
    };
    match (screen.picture(), screen.format()) {
        (Some(Picture::Svg), _) => screen.data(&draw::waterfall(call).svg()),
        (Some(Picture::Html), _) => screen.data(&draw::page(call).html()),
        (None, Format::Json | Format::Yaml) => screen.value(&Report::new(call)),
        (None, Format::Table | Format::Wide) => screen.data(&text(call)),
    }
}

/// The call in a line, what went wrong, and its phases as bars.
fn text(call: &Call) -> String {
    let mut text = headline(call) + "\n";
    for said in call.error.iter().chain(&call.notices) {
        text = text + "  " + &printable(said) + "\n";
    }
    text += "\n";
    let whole_us = call.total_ms * 1e3;
    text += &bars(in_us(&call.phases_ms), whole_us);
    if !call.beside_ms.0.is_empty() {
        text = text + "\n" + BESIDE + "\n" + &lengths(in_us(&call.beside_ms), whole_us);
    }
    text
}

/// What the log does not say.
pub(super) const BESIDE: &str = "on other threads meanwhile; when each began is not logged:";

/// What it was, of whom, when, how long and how it ended.
pub(super) fn headline(call: &Call) -> String {
    let command = call.command.as_deref().unwrap_or("a call");
    let when = call
        .time
        .as_deref()
        .map_or_else(String::new, |time| format!(", ended {time}"));
    let result = if call.is_ok() {
        "ok".to_owned()
    } else {
        format!("error {}", call.code.unwrap_or_default())
    };
    let text = format!(
        "{command} of {}: {}, {result}{when}",
        who(call),
        time(call.total_ms * 1e3)
    );
    printable(&text)
}

/// Names and microseconds.
pub(super) fn in_us(phases: &Phases) -> impl Iterator<Item = (&str, f64)> + Clone {
    phases.0.iter().map(|(name, ms)| (name.as_str(), ms * 1e3))
}
