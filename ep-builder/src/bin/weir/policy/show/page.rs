//! The picture, and the page around it.

use std::path::PathBuf;

use super::super::reach::{Kind, Relations, Row};
use super::table::{listed, traffic};
use super::{graph, matrix, places};
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
    let closed = relations.closed(rows);
    page.facts(&facts(relations, rows, &closed));
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
    let everybody = everybody(relations, &closed);
    page.details(
        "Everybody",
        false,
        table("everybody", &headings, &everybody),
    );
    page
}

fn facts(
    relations: &Relations,
    rows: &[Row],
    [unreached, unreaching]: &[Vec<usize>; 2],
) -> Vec<Fact> {
    let pods = relations
        .actors
        .iter()
        .map(|actor| actor.endpoints.len())
        .sum();
    let ruled = rows.iter().filter_map(|row| relations.whats.get(row.what));
    let free = ruled
        .filter(|what| what.rules.is_empty() && what.traffic.is_all())
        .count();
    let fact = |value: usize, name: &str, tone| Fact {
        value: value.to_string(),
        name: name.to_owned(),
        tone,
    };
    let if_any = |count: usize, tone| if count == 0 { Tone::Slate } else { tone };
    vec![
        fact(pods, "pods", Tone::Blue),
        fact(
            rows.len() - free,
            "ways by a rule",
            if_any(rows.len() - free, Tone::Green),
        ),
        fact(free, "ways without one", if_any(free, Tone::Amber)),
        fact(
            unreached.len(),
            "that only the node may reach",
            if_any(unreached.len(), Tone::Red),
        ),
        fact(
            unreaching.len(),
            "that may reach only the node",
            if_any(unreaching.len(), Tone::Red),
        ),
    ]
}

fn line(relations: &Relations, row: &Row) -> Option<Vec<Cell>> {
    let what = relations.whats.get(row.what)?;
    let all = |texts: &[String]| listed(texts, usize::MAX);
    Some(vec![
        Cell::text(all(&relations.names(&row.from))),
        Cell::text(all(&relations.names(&row.to))),
        Cell::code(traffic(what)),
        Cell::code(all(&places(relations, &what.rules))),
        Cell::code(all(&places(relations, &what.against))),
    ])
}

fn everybody(relations: &Relations, [unreached, unreaching]: &[Vec<usize>; 2]) -> Vec<Vec<Cell>> {
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
        let closed = match (unreached.contains(&place), unreaching.contains(&place)) {
            (true, true) => "neither reached nor reaching",
            (true, false) => "not reached",
            (false, true) => "reaching nobody",
            (false, false) => "",
        };
        vec![
            Cell::text(actor.full_name()),
            Cell::number(actor.identity),
            Cell::code(labels.join(", ")),
            Cell::code(ids.join(", ")),
            Cell::text(isolated),
            Cell::text(closed),
        ]
    });
    lines.collect()
}
