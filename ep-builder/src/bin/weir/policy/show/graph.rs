//! The graph: who reaches out on the left, what may pass in the middle, who is reached on the right.

use std::collections::{BTreeMap, BTreeSet};

use super::super::reach::{Actor, Crowd, Kind, Relations, Row, What};
use crate::picture::{Area, Drawing, Edge, Face, Line, Point, Stroke, Tone};

/// Pods of one row that get boxes of their own; of more there is one box for all of them.
const FOLD: usize = 6;
/// The width of a box, and of a way in the middle.
const WIDTH: i32 = 210;
const WAY: i32 = 250;
/// Between the columns, where edges run.
const GAP: i32 = 110;
const PAD: i32 = 12;
const HEADING: i32 = 36;
const BETWEEN: i32 = 10;
const MARGIN: i32 = 16;

/// Somebody with a box.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Everybody but these.
    Anybody(Vec<usize>),
    /// Every pod but these.
    AnyPod(Vec<usize>),
    /// The actor in this place.
    One(usize),
    /// Those in these places: pods, or node and outside.
    Many(Vec<usize>),
}

/// A group of boxes: its order, and its heading.
type Group = (u8, String);

/// Boxes of one side, and where each is.
#[derive(Default)]
struct Side {
    groups: BTreeMap<Group, Vec<End>>,
    areas: BTreeMap<End, Area>,
}

/// What will be drawn.
pub(super) struct Graph<'a> {
    pub(super) relations: &'a Relations,
    rows: &'a [Row],
    pub(super) closed: [Vec<usize>; 2],
    /// Those of them that do not even meet the node.
    pub(super) shut: [Vec<usize>; 2],
    sides: [Side; 2],
}

impl<'a> Graph<'a> {
    pub(super) fn new(relations: &'a Relations, rows: &'a [Row]) -> Self {
        let closed = relations.closed(rows);
        let mut graph = Self {
            relations,
            rows,
            closed,
            shut: relations.shut(rows),
            sides: Default::default(),
        };
        for row in rows {
            for side in [0, 1] {
                for end in graph.ends(row, side) {
                    graph.put(side, end);
                }
            }
        }
        // Who has no edge at all is what a reader looks for.
        for (side, places) in [|row: &Row| row.from.clone(), |row: &Row| row.to.clone()]
            .into_iter()
            .enumerate()
        {
            let drawn: BTreeSet<usize> = rows.iter().flat_map(places).collect();
            let closed = graph.closed[1 - side].iter().copied();
            let missing: Vec<_> = closed.filter(|place| !drawn.contains(place)).collect();
            for end in Self::boxes_for(relations.crowds(&missing)) {
                graph.put(side, end);
            }
        }
        graph
    }

    /// How many boxes the longer side has.
    pub(super) fn boxes(&self) -> usize {
        let count = |side: &Side| side.groups.values().map(Vec::len).sum();
        self.sides.iter().map(count).max().unwrap_or(0)
    }

    /// The boxes of a row on one side.
    fn ends(&self, row: &Row, side: usize) -> Vec<End> {
        Self::boxes_for(match side {
            0 => self.relations.sending(row),
            _ => self.relations.crowds(&row.to),
        })
    }

    fn boxes_for(crowds: Vec<Crowd>) -> Vec<End> {
        let ends = crowds.into_iter().flat_map(|crowd| match crowd {
            Crowd::Anybody(missing) => vec![End::Anybody(missing)],
            Crowd::AnyPod(missing) => vec![End::AnyPod(missing)],
            Crowd::These(places) if places.len() > FOLD => vec![End::Many(places)],
            Crowd::These(places) => places.into_iter().map(End::One).collect(),
        });
        ends.collect()
    }

    fn put(&mut self, side: usize, end: End) {
        let group = self.group(&end);
        let Some(side) = self.sides.get_mut(side) else {
            return;
        };
        let ends = side.groups.entry(group).or_default();
        if !ends.contains(&end) {
            ends.push(end);
            ends.sort();
        }
    }

    /// Pods never share a box with others.
    pub(super) fn are_pods(&self, places: &[usize]) -> bool {
        let mut places = places.iter();
        places.next().is_some_and(|it| self.relations.is_pod(*it))
    }

    fn group(&self, end: &End) -> Group {
        match end {
            End::Anybody(_) | End::AnyPod(_) => (0, "everybody".to_owned()),
            End::Many(places) if self.are_pods(places) => (2, "many pods".to_owned()),
            End::Many(_) => (3, "node and outside".to_owned()),
            End::One(place) => match self.relations.actors.get(*place) {
                Some(Actor {
                    kind: Kind::Pods,
                    namespace,
                    ..
                }) if namespace.is_empty() => (1, "in no namespace".to_owned()),
                Some(Actor {
                    kind: Kind::Pods,
                    namespace,
                    ..
                }) => (1, namespace.clone()),
                _ => (3, "node and outside".to_owned()),
            },
        }
    }

    pub(super) fn drawing(mut self) -> Drawing {
        let mut drawing = Drawing::new(
            "Who may reach whom",
            "On the left those who open connections, in the middle what may pass and by which rules, on the right those who are reached. The same is told in words by `weir policy show`.",
        );
        let heights = [0, 1].map(|side| self.sides[side].height());
        let ways: i32 = self
            .rows
            .iter()
            .map(|row| self.way_height(row) + BETWEEN)
            .sum();
        let tallest = heights[0].max(heights[1]).max(ways);
        let right = MARGIN + WIDTH + 2 * PAD + GAP + WAY + GAP;
        for (side, x) in [(0, MARGIN), (1, right)] {
            let top = MARGIN + HEADING + (tallest - heights[side]) / 2;
            self.sides[side].lay_out(x, top);
        }
        let heads = [
            ("who reaches out", MARGIN),
            ("what may pass", MARGIN + WIDTH + 2 * PAD + GAP),
            ("who is reached", right),
        ];
        for (head, x) in heads {
            let at = Point { x, y: MARGIN + 8 };
            drawing.words(at, WIDTH, &Line::new(Face::Muted, head));
        }
        for side in [0, 1] {
            self.boxes_of(side, &mut drawing);
        }
        self.ways(&mut drawing, MARGIN + HEADING + (tallest - ways) / 2);
        drawing
    }

    fn boxes_of(&self, side: usize, drawing: &mut Drawing) {
        let Some(this) = self.sides.get(side) else {
            return;
        };
        for ((_, heading), ends) in &this.groups {
            let areas = ends.iter().filter_map(|end| this.areas.get(end).copied());
            let areas: Vec<_> = areas.collect();
            if let (Some(first), Some(last)) = (areas.first(), areas.last()) {
                let panel = Area {
                    x: first.x - PAD,
                    y: first.y - HEADING,
                    width: WIDTH + 2 * PAD,
                    height: last.y + last.height - first.y + HEADING + PAD,
                };
                drawing.panel(panel, heading);
            }
            for (end, area) in ends.iter().zip(areas) {
                let (tone, lines, title) = self.shown(end, side);
                drawing.boxed(area, tone, &lines, &title);
            }
        }
    }

    fn way_height(&self, row: &Row) -> i32 {
        Drawing::box_height(self.way(row).map_or(0, |(_, lines)| lines.len()))
    }

    /// The middle: in the order in which the right ends of the edges stand, so that few of them cross.
    fn ways(&self, drawing: &mut Drawing, top: i32) {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by_key(|row| self.middle(row));
        let (mut y, mut drawn) = (top, Vec::new());
        for row in rows {
            let Some((what, lines)) = self.way(row) else {
                continue;
            };
            let area = Area {
                x: MARGIN + WIDTH + 2 * PAD + GAP,
                y,
                width: WAY,
                height: Drawing::box_height(lines.len()),
            };
            y += area.height + BETWEEN;
            let tone = match what {
                What { against, .. } if !against.is_empty() => Tone::Amber,
                What { rules, .. } if rules.is_empty() => Tone::Slate,
                _ => Tone::Green,
            };
            self.edges(row, area, tone, drawing);
            drawn.push((area, tone, lines, self.sentence(row, what)));
        }
        // Above the edges.
        for (area, tone, lines, title) in drawn {
            drawing.boxed(area, tone, &lines, &title);
        }
    }

    /// Where its ends are on the average, in halves of a pixel.
    fn middle(&self, row: &Row) -> i32 {
        let of = |side: usize| {
            let ends = self.ends(row, side).into_iter();
            let areas = ends.filter_map(|end| self.sides.get(side)?.areas.get(&end).copied());
            let middles: Vec<_> = areas.map(|area| area.left().y).collect();
            let count = i32::try_from(middles.len()).unwrap_or(i32::MAX).max(1);
            middles.iter().sum::<i32>() / count
        };
        of(0) + of(1)
    }

    fn edges(&self, row: &Row, way: Area, tone: Tone, drawing: &mut Drawing) {
        let title = self
            .relations
            .whats
            .get(row.what)
            .map(|what| self.sentence(row, what));
        let title = title.unwrap_or_default();
        let mut edge = |from: Point, to: Point, stroke| {
            drawing.edge(&Edge {
                from,
                to,
                tone,
                stroke,
                label: String::new(),
                title: title.clone(),
            });
        };
        for side in [0, 1] {
            for end in self.ends(row, side) {
                let area = self.sides.get(side).and_then(|side| side.areas.get(&end));
                match area {
                    Some(area) if side == 0 => edge(area.right(), way.left(), Stroke::Line),
                    Some(area) => edge(way.right(), area.left(), Stroke::Arrow),
                    None => {}
                }
            }
        }
    }
}

impl Side {
    fn height(&self) -> i32 {
        let groups = self.groups.values();
        groups.map(|ends| Self::group_height(ends.len())).sum()
    }

    fn group_height(ends: usize) -> i32 {
        let ends = i32::try_from(ends).unwrap_or(i32::MAX);
        HEADING + ends * (Drawing::box_height(2) + BETWEEN) - BETWEEN + 2 * PAD
    }

    fn lay_out(&mut self, x: i32, top: i32) {
        let mut y = top;
        for ends in self.groups.values() {
            let mut at = y + HEADING;
            for end in ends {
                let area = Area {
                    x: x + PAD,
                    y: at,
                    width: WIDTH,
                    height: Drawing::box_height(2),
                };
                at += area.height + BETWEEN;
                self.areas.insert(end.clone(), area);
            }
            y += Self::group_height(ends.len());
        }
    }
}
