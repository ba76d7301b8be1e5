//! The picture, and the page around it.

use std::path::PathBuf;

use super::super::reach::{Kind, Relations, Row};
use super::boxes::closed_words;
use super::table::{listed, traffic};
use super::{AUDITED, graph, matrix, places};
use crate::picture::{Cell, Drawing, Fact, Page, Tone, table};

/// What a graph has at most, so that its edges can be followed.
const MOST_ROWS: usize = 40;
/// Boxes on one side.
const MOST_BOXES: usize = 60;

/// A graph, and where that would be a thicket a matrix.
pub(super) fn drawing(relations: &Relations, rows: &[Row]) -> Drawing {
    let graph = graph::Graph::new(relations, rows);
    if rows.len() <= MOST_ROWS && graph.boxes() <= MOST_BOXES {
        graph.drawing()
    } else {
        matrix::drawing(relations)
    }
}

pub(super) fn page(relations: &Relations, rows: &[Row], files: &[PathBuf]) -> Page {
    let source = match (files, relations.revision) {
        ([], Some(revision)) => format!("Revision {revision} of the policy, which is in force"),
        ([], None) => "No policy is in force: everything passes".to_owned(),
        (files, _) => {
            let files: Vec<_> = files
                .iter()
                .map(|file| file.display().to_string())
                .collect();
            format!("As it would be with {}", files.join(", "))
        }
    };
    let mut page = Page::new(
        "Who may reach whom",
        source,
        "Connections are opened from left to right; what answers passes. What is not drawn is dropped.",
    );
    page.facts(&facts(relations, rows));
    if relations.audits {
        page.note(AUDITED);
    }
    page.heading("Picture");
    page.picture(&drawing(relations, rows));
    page.heading("What is drawn, in words");
    let lines: Vec<_> = rows.iter().filter_map(|row| line(relations, row)).collect();
    page.add(table(
        "who may reach whom",
        &["FROM", "TO", "TRAFFIC", "RULES", "LESS"],
        &lines,
    ));
    let headings = [
        "WHO",
        "IDENTITY",
        "LABELS",
        "ENDPOINTS",
        "ISOLATED",
        "CLOSED",
    ];
    let everybody = everybody(relations, rows);
    page.details(
        "Everybody",
        false,
        table("everybody", &headings, &everybody),
    );
    page
}

pub(super) fn facts(relations: &Relations, rows: &[Row]) -> Vec<Fact> {
    let (closed, shut) = (relations.closed(rows), relations.shut(rows));
    let pods = relations
        .actors
        .iter()
        .map(|actor| actor.endpoints.len())
        .sum();
    let ruled = rows.iter().filter_map(|row| relations.whats.get(row.what));
    let free = ruled.filter(|what| what.rules.is_empty()).count();
    let fact = |value: usize, name: &str, tone| Fact {
        value: value.to_string(),
        name: name.to_owned(),
        tone,
    };
    let if_any = |count: usize, tone| if count == 0 { Tone::Slate } else { tone };
    let mut facts = vec![
        fact(pods, "pods", Tone::Blue),
        fact(
            rows.len() - free,
            "ways by a rule",
            if_any(rows.len() - free, Tone::Green),
        ),
        fact(free, "ways without one", if_any(free, Tone::Amber)),
    ];
    let names = [
        ["that only the node may reach", "that nobody may reach"],
        ["that may reach only the node", "that may reach nobody"],
    ];
    for ((closed, shut), names) in closed.iter().zip(&shut).zip(names) {
        let counts = [closed.len() - shut.len(), shut.len()].into_iter();
        let counted = counts.zip(names);
        facts.extend(counted.map(|(count, name)| fact(count, name, if_any(count, Tone::Red))));
    }
    facts
}

fn line(relations: &Relations, row: &Row) -> Option<Vec<Cell>> {
    let what = relations.whats.get(row.what)?;
    let all = |texts: &[String]| listed(texts, usize::MAX);
    Some(vec![
        Cell::text(all(&relations.senders(row))),
        Cell::text(all(&relations.names(&row.to))),
        Cell::code(traffic(what)),
        Cell::code(all(&places(relations, &what.rules))),
        Cell::code(all(&places(relations, &what.against))),
    ])
}

fn everybody(relations: &Relations, rows: &[Row]) -> Vec<Vec<Cell>> {
    let (closed, shut) = (relations.closed(rows), relations.shut(rows));
    let lines = relations.actors.iter().enumerate().map(|(place, actor)| {
        let labels: Vec<_> = actor
            .labels
            .iter()
            .map(crate::identity::label_text)
            .collect();
        let ids: Vec<_> = actor.endpoints.iter().map(ToString::to_string).collect();
        let isolated = match (actor.kind, actor.isolates) {
            (Kind::World | Kind::Network(_), _) => "",
            (_, [true, true]) => "both ways",
            (_, [true, false]) => "ingress",
            (_, [false, true]) => "egress",
            (_, [false, false]) => "no",
        };
        let ways = closed.iter().enumerate();
        let ways = ways.filter(|(_, closed)| closed.contains(&place));
        let closed: Vec<_> = ways
            .map(|(way, _)| closed_words(way, &shut, place))
            .collect();
        vec![
            Cell::text(actor.full_name()),
            Cell::number(actor.identity),
            Cell::code(labels.join(", ")),
            Cell::code(ids.join(", ")),
            Cell::text(isolated),
            Cell::text(closed.join(", ")),
        ]
    });
    lines.collect()
}
