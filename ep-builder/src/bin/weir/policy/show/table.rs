//! The table: a row for all who may open the same to all others.

use super::super::reach::{Only, Relations, Row, What, ports};
use super::places;
use crate::failure::Failure;
use crate::screen::{Columns, Screen};

/// Names in a cell of the plain table.
const MOST: usize = 3;

pub(super) fn show(
    relations: &Relations,
    rows: &[Row],
    is_wide: bool,
    screen: &Screen,
) -> Result<(), Failure> {
    let most = if is_wide { usize::MAX } else { MOST };
    let mut lines: Vec<_> = rows
        .iter()
        .filter_map(|row| columns(relations, row, most))
        .collect();
    lines.extend(shut(relations, rows, most));
    screen.list::<()>(
        &[],
        &Columns {
            headings: &["FROM", "TO", "TRAFFIC", "RULES", "LESS"],
            plain: 4,
            rows: lines,
            empty: "nobody reaches anybody",
        },
    )
}

fn columns(relations: &Relations, row: &Row, most: usize) -> Option<Vec<String>> {
    let what = relations.whats.get(row.what)?;
    let or_dash = |texts: Vec<String>| {
        if texts.is_empty() {
            "-".to_owned()
        } else {
            listed(&texts, most)
        }
    };
    Some(vec![
        listed(&relations.senders(row), most),
        listed(&relations.names(&row.to), most),
        traffic(what),
        or_dash(places(relations, &what.rules)),
        or_dash(places(relations, &what.against)),
    ])
}

/// Pods that have no row of their own: those that nobody reaches, and those that reach nobody.
fn shut(relations: &Relations, rows: &[Row], most: usize) -> Vec<Vec<String>> {
    let [unreached, unreaching] = relations
        .shut(rows)
        .map(|places| (!places.is_empty()).then(|| listed(&relations.names(&places), most)));
    let nobody = || "nobody".to_owned();
    let ends = [
        unreached.map(|names| [nobody(), names]),
        unreaching.map(|names| [names, nobody()]),
    ];
    let rows = ends.into_iter().flatten();
    rows.map(|ends| {
        ends.into_iter()
            .chain(["-"; 3].map(str::to_owned))
            .collect()
    })
    .collect()
}

/// What passes, and between which addresses where not between all.
pub(crate) fn traffic(what: &What) -> String {
    let ports = ports(&what.traffic);
    match only(&what.only) {
        Some(only) => format!("{ports} ({only})"),
        None => ports,
    }
}

/// Some of the addresses, in words, each once.
fn only(ways: &[Only]) -> Option<String> {
    let mut words: Vec<_> = ways.iter().map(|way| way.words.as_str()).collect();
    words.dedup();
    (!words.is_empty()).then(|| words.join(" and "))
}

/// Some of these, and how many more.
pub(super) fn listed(texts: &[String], most: usize) -> String {
    // "and 1 more" is no shorter than the one.
    let shown = if texts.len() <= most.saturating_add(1) {
        texts.len()
    } else {
        most
    };
    let text = texts.get(..shown).unwrap_or(texts).join(", ");
    match texts.len() - shown {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}
