//! The matrix: a line for each who reaches out, a column for each who is reached. Those who may do the same, and may be
//! done the same to, are one.

use std::collections::BTreeMap;

use super::super::reach::{Relations, What};
use super::table::{listed, traffic};
use crate::picture::{Area, Drawing, Face, Line, Point, Tone};

/// Lines and columns that are drawn; the table has all.
const MOST: usize = 60;
const CELL: i32 = 22;
const LABEL: i32 = 300;
const TOP: i32 = 64;
const LEFT: i32 = 16;
/// Names that a label and a title tell.
const NAMED: usize = 2;
const TOLD: usize = 40;

/// Actors that are alike.
struct Class {
    places: Vec<usize>,
}

pub(super) fn drawing(relations: &Relations) -> Drawing {
    let classes = classes(relations);
    let shown = classes.get(..MOST).unwrap_or(&classes);
    let mut drawing = Drawing::new(
        "Who may reach whom",
        "A line for each who reaches out, a column of the same number for each who is reached. Green is everything, amber some traffic, no mark nothing. The same is told in words by `weir policy show`.",
    );
    let at = Point { x: LEFT, y: 20 };
    let key = "who reaches out down, who is reached across, by the same numbers; green: everything, amber: some, none: nothing";
    drawing.words(at, 900, &Line::new(Face::Muted, key));
    let by_pair = by_pair(relations);
    for (row, from) in (0..).zip(shown) {
        label(&mut drawing, relations, from, row);
        for (column, to) in (0..).zip(shown) {
            let pair = from.places.first().copied().zip(to.places.last().copied());
            let whats = pair.and_then(|pair| by_pair.get(&pair));
            cell(
                &mut drawing,
                relations,
                [from, to],
                (row, column),
                whats.map_or(&[], Vec::as_slice),
            );
        }
    }
    let count = i32::try_from(shown.len()).unwrap_or(0);
    let left_out = classes.len() - shown.len();
    if left_out > 0 {
        let at = Point {
            x: LEFT,
            y: TOP + count * CELL + 18,
        };
        let text = format!("{left_out} more are told by the table alone");
        drawing.words(at, 900, &Line::new(Face::Muted, text));
    }
    drawing
}

/// What may pass between two: several where their addresses are not treated alike.
fn by_pair(relations: &Relations) -> BTreeMap<(usize, usize), Vec<&What>> {
    let mut by_pair: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for edge in &relations.edges {
        let whats = by_pair.entry((edge.from, edge.to)).or_default();
        whats.extend(relations.whats.get(edge.what));
    }
    by_pair
}

/// Actors in the order of the first of each class.
fn classes(relations: &Relations) -> Vec<Class> {
    let mut edges: BTreeMap<usize, [Vec<(usize, usize)>; 2]> = BTreeMap::new();
    for edge in &relations.edges {
        edges.entry(edge.from).or_default()[0].push((edge.to, edge.what));
        edges.entry(edge.to).or_default()[1].push((edge.from, edge.what));
    }
    let mut by_edges: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for place in 0..relations.actors.len() {
        let key = (
            relations.is_pod(place),
            edges.remove(&place).unwrap_or_default(),
        );
        by_edges.entry(key).or_default().push(place);
    }
    let mut classes: Vec<_> = by_edges
        .into_values()
        .map(|places| Class { places })
        .collect();
    classes.sort_by(|one, other| one.places.cmp(&other.places));
    classes
}

fn label(drawing: &mut Drawing, relations: &Relations, class: &Class, row: i32) {
    let name = listed(&relations.names(&class.places), NAMED);
    let y = TOP + row * CELL + CELL / 2;
    let number = (row + 1).to_string();
    drawing.words(
        Point { x: LEFT, y },
        LABEL - 34,
        &Line::new(Face::Plain, name),
    );
    let number = Line::new(Face::Muted, number);
    drawing.words_before(
        Point {
            x: LEFT + LABEL - 8,
            y,
        },
        26,
        &number,
    );
    let above = Point {
        x: LEFT + LABEL + row * CELL + CELL - 5,
        y: TOP - 10,
    };
    drawing.words_before(above, CELL, &number);
}

fn cell(
    drawing: &mut Drawing,
    relations: &Relations,
    [from, to]: [&Class; 2],
    (row, column): (i32, i32),
    whats: &[&What],
) {
    if whats.is_empty() {
        return;
    }
    let area = Area {
        x: LEFT + LABEL + column * CELL + 2,
        y: TOP + row * CELL + 2,
        width: CELL - 4,
        height: CELL - 4,
    };
    let is_whole = |what: &&What| what.traffic.is_all() && what.only.is_empty();
    let is_all = whats.iter().any(is_whole);
    let tone = if is_all { Tone::Green } else { Tone::Amber };
    let names = |class: &Class| listed(&relations.names(&class.places), TOLD);
    let texts: Vec<_> = whats.iter().map(|what| traffic(what)).collect();
    let title = format!("{} to {}: {}", names(from), names(to), texts.join("; "));
    drawing.boxed(area, tone, &[], &title);
}
