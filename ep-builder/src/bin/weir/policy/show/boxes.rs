//! What stands in the boxes of the graph.

use std::path::Path;

use ep_builder::policy::NAMESPACE_LABEL;

use super::super::reach::{Kind, Relations, Row, What};
use super::graph::{End, Graph};
use super::table::{listed, traffic};
use crate::picture::{Face, Line, Tone};

/// Names that a title tells.
const TOLD: usize = 40;

impl Graph<'_> {
    /// The colour of a box, its words, and what is told of it.
    pub(super) fn shown(&self, end: &End, side: usize) -> (Tone, Vec<Line>, String) {
        let strong = |text: &str| Line::new(Face::Strong, text);
        let muted = |text: String| Line::new(Face::Muted, text);
        match end {
            End::Anybody(missing) => self.crowd("anybody", "pods, node and outside", missing),
            End::AnyPod(missing) => self.crowd("any pod", "of this node", missing),
            End::Many(places) => {
                let names = self.relations.names(places);
                let lines = vec![
                    strong(&if self.are_pods(places) {
                        format!("{} kinds of pods", places.len())
                    } else {
                        format!("{} of node and outside", places.len())
                    }),
                    muted(listed(&names, 2)),
                ];
                (self.tone(places, side), lines, listed(&names, TOLD))
            }
            End::One(place) => self.one(*place, side),
        }
    }

    fn crowd(&self, name: &str, who: &str, missing: &[usize]) -> (Tone, Vec<Line>, String) {
        let below = match missing {
            [] => who.to_owned(),
            missing => format!("but {}", self.relations.names(missing).join(", ")),
        };
        let title = format!("{name}, {below}");
        let lines = vec![Line::new(Face::Strong, name), Line::new(Face::Muted, below)];
        (Tone::Slate, lines, title)
    }

    fn one(&self, place: usize, side: usize) -> (Tone, Vec<Line>, String) {
        let Some(actor) = self.relations.actors.get(place) else {
            return (Tone::Slate, Vec::new(), String::new());
        };
        let tone = self.tone(&[place], side);
        let is_closed = tone == Tone::Red;
        let below = match (actor.kind, is_closed) {
            (Kind::Pods, true) => closed_words(1 - side, &self.shut, place).to_owned(),
            (Kind::Pods, false) => {
                let labels = actor.labels.iter();
                let labels = labels.filter(|label| label.key != NAMESPACE_LABEL);
                let labels: Vec<_> = labels
                    .map(|it| format!("{}={}", it.key, it.value))
                    .collect();
                format!("identity {} {}", actor.identity, labels.join(" "))
            }
            (Kind::Node, ..) if actor.isolates == [false; 2] => "no policy judges it".to_owned(),
            (Kind::Node, ..) => "judged by policy".to_owned(),
            (Kind::World, ..) => "everybody outside".to_owned(),
            (Kind::Network(_), ..) => "outside".to_owned(),
        };
        let ids: Vec<_> = actor.endpoints.iter().map(ToString::to_string).collect();
        let title = match actor.kind {
            Kind::Pods => format!(
                "{}: endpoints {}; {below}",
                actor.full_name(),
                listed(&ids, TOLD)
            ),
            _ => format!("{}: {below}", actor.name),
        };
        let lines = vec![
            Line::new(Face::Strong, &actor.name),
            Line::new(Face::Muted, below),
        ];
        (tone, lines, title)
    }

    fn tone(&self, places: &[usize], side: usize) -> Tone {
        let kind = |place: &usize| self.relations.actors.get(*place).map(|actor| actor.kind);
        let closed = self.closed.get(1 - side);
        let is_closed = closed.is_some_and(|closed| places.iter().all(|it| closed.contains(it)));
        match places.first().and_then(kind) {
            Some(Kind::Pods) if is_closed => Tone::Red,
            Some(Kind::Pods) => Tone::Blue,
            Some(Kind::Node) => Tone::Violet,
            Some(Kind::World | Kind::Network(_)) => Tone::Teal,
            None => Tone::Slate,
        }
    }

    /// What may pass in a row, and its words.
    pub(super) fn way(&self, row: &Row) -> Option<(&What, Vec<Line>)> {
        let what = self.relations.whats.get(row.what)?;
        let rules = short_places(self.relations, &what.rules);
        let less = short_places(self.relations, &what.against);
        let mut lines = vec![Line::new(Face::Strong, traffic(what))];
        lines.push(Line::new(
            Face::Code,
            if rules.is_empty() {
                "no rule needed".to_owned()
            } else {
                listed(&rules, 2)
            },
        ));
        if !less.is_empty() {
            lines.push(Line::new(Face::Code, format!("less {}", listed(&less, 2))));
        }
        Some((what, lines))
    }

    /// The row in words.
    pub(super) fn sentence(&self, row: &Row, what: &What) -> String {
        format!(
            "{} to {}: {}",
            listed(&self.relations.senders(row), TOLD),
            listed(&self.relations.names(&row.to), TOLD),
            traffic(what)
        )
    }
}

/// Of somebody who is closed at ingress (0) or egress (1), what is left.
pub(super) fn closed_words(way: usize, shut: &[Vec<usize>; 2], place: usize) -> &'static str {
    let is_shut = shut.get(way).is_some_and(|shut| shut.contains(&place));
    match (way, is_shut) {
        (0, true) => "nobody reaches it",
        (0, false) => "only the node reaches it",
        (_, true) => "it reaches nobody",
        (_, false) => "it reaches only the node",
    }
}

/// Lines of rules with the names of their files alone: a box has no room for folders.
fn short_places(relations: &Relations, numbers: &[u32]) -> Vec<String> {
    let origins = numbers
        .iter()
        .filter_map(|number| relations.origin(*number));
    origins
        .map(|origin| {
            let file: &str = &origin.place.file;
            let name = Path::new(file).file_name();
            let name = name.map_or(file.into(), |name| name.to_string_lossy());
            format!("{name}:{}", origin.place.line)
        })
        .collect()
}
