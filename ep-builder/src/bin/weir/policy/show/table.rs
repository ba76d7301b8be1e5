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
    lines.extend(unreached(relations, rows, most));
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
        listed(&relations.names(&row.from), most),
        listed(&relations.names(&row.to), most),
        traffic(what),
        or_dash(places(relations, &what.rules)),
        or_dash(places(relations, &what.against)),
    ])
}

/// Pods that have no row of their own: not even the node reaches them.
fn unreached(relations: &Relations, rows: &[Row], most: usize) -> Option<Vec<String>> {
    let has_row = |place: &usize| rows.iter().any(|row| row.to.contains(place));
    let [closed, _] = relations.closed(rows);
    let closed: Vec<_> = closed.into_iter().filter(|place| !has_row(place)).collect();
    (!closed.is_empty()).then(|| {
        let mut columns = vec!["nobody".to_owned(), listed(&relations.names(&closed), most)];
        columns.extend(["-"; 3].map(str::to_owned));
        columns
    })
}

/// What passes, and between which addresses where not between all.
pub(super) fn traffic(what: &What) -> String {
    let ports = ports(&what.traffic);
    match only(&what.only) {
        Some(only) => format!("{ports} ({only})"),
        None => ports,
    }
}

/// Some of the addresses, in words: the family says enough where it is one, and no network says more.
fn only(ways: &[Only]) -> Option<String> {
    let family = |way: &Only| if way.is_v6 { "IPv6" } else { "IPv4" };
    let network = |way: &Only| {
        let end = |word: &str, network: Option<_>| {
            network.map_or_else(String::new, |it| format!(" {word} {it}"))
        };
        end("from", way.from) + &end("to", way.to)
    };
    let mut words: Vec<_> = ways
        .iter()
        .map(|way| family(way).to_owned() + &network(way))
        .collect();
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
