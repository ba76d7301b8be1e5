//! Boxes, edges, bars and words on a plane that grows with what is put on it.

use super::markup::Element;
use super::plane::{Area, Edge, Face, Line, Point, Stroke};
use super::style::{STYLE, Tone};
use super::text::{BODY, cut, shown, width};

/// Room around what was drawn.
const MARGIN: i32 = 16;
/// From one line of a box to the next.
const LINE: i32 = 18;
/// Between the sides of a box and its words.
const INSET: i32 = 11;
/// Above the first line of a box and below the last together.
const PADDING: i32 = 12;
const ARROW: i32 = 7;
/// How far arcs go to the left.
const ROOM_OF_ARCS: i32 = 78;

/// A picture in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Drawing {
    title: String,
    description: String,
    elements: Vec<Element>,
    width: i32,
    height: i32,
}

impl Drawing {
    /// An empty one. What it is called and what it shows is read to those who do not see it.
    pub(crate) fn new(title: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            description: description.into(),
            elements: Vec::new(),
            width: 0,
            height: 0,
        }
    }

    /// Puts something on the plane, which must lie within the area.
    pub(crate) fn add(&mut self, area: Area, element: Element) {
        self.width = self.width.max(area.x + area.width);
        self.height = self.height.max(area.y + area.height);
        self.elements.push(element);
    }

    /// The height of a box with so many lines.
    pub(crate) fn box_height(lines: usize) -> i32 {
        let lines = i32::try_from(lines).unwrap_or(i32::MAX / (2 * LINE));
        lines * LINE + PADDING
    }

    /// A box with lines of words, each cut to its room. The title says what was cut, and more if there is more to say.
    pub(crate) fn boxed(&mut self, area: Area, tone: Tone, lines: &[Line], title: &str) {
        let room = area.width - 2 * INSET;
        let top = area.y + (area.height - Self::box_height(lines.len())) / 2 + PADDING / 2;
        let words = (0..).zip(lines).map(|(index, line)| {
            let at = Point {
                x: area.x + INSET,
                y: top + LINE * index + LINE / 2,
            };
            words(at, line.face, &cut(&line.text, line.face.size(), room))
        });
        let group = toned("box", tone)
            .child(Element::new("title").text(title))
            .child(rect(area, 7))
            .children(words);
        self.add(area, group);
    }

    /// A ground behind what belongs together, with its name at the top.
    pub(crate) fn panel(&mut self, area: Area, heading: &str) {
        let at = Point {
            x: area.x + INSET,
            y: area.y + INSET + LINE / 2,
        };
        let heading = cut(heading, BODY, area.width - 2 * INSET);
        let group = Element::class("g", "panel")
            .child(rect(area, 10))
            .child(words(at, Face::Strong, &heading));
        self.add(area, group);
    }

    /// Words that begin at a place, cut to their room.
    pub(crate) fn words(&mut self, at: Point, room: i32, line: &Line) {
        let size = line.face.size();
        let text = cut(&line.text, size, room);
        let area = Area {
            x: at.x,
            y: at.y - size,
            width: width(&text, size),
            height: 2 * size,
        };
        self.add(area, words(at, line.face, &text));
    }

    /// Words that end at a place, cut to their room.
    pub(crate) fn words_before(&mut self, at: Point, room: i32, line: &Line) {
        let text = cut(&line.text, line.face.size(), room);
        let area = Area {
            x: at.x,
            y: at.y,
            width: 0,
            height: line.face.size(),
        };
        let words = anchored(at, line.face, &text, "end");
        self.add(area, words);
    }

    /// A track, full for so many thousandths.
    pub(crate) fn bar(&mut self, area: Area, tone: Tone, thousandths: u32, title: &str) {
        let part = i64::from(thousandths.min(1000));
        let reach = i64::from(area.width) * part / 1000;
        // What is there at all is seen.
        let width = i32::try_from(reach)
            .unwrap_or(0)
            .max(i32::from(part > 0) * 2);
        let fill = Area { width, ..area };
        let group = toned("bar", tone)
            .child(Element::new("title").text(title))
            .child(rect(area, 3).with("class", "track"))
            .child(rect(fill, 3).with("class", "fill"));
        self.add(area, group);
    }

    /// A straight line.
    pub(crate) fn rule(&mut self, from: Point, to: Point) {
        let line = Element::class("line", "rule")
            .with("x1", from.x)
            .with("y1", from.y)
            .with("x2", to.x)
            .with("y2", to.y);
        self.add(between(from, to), line);
    }

    /// An edge. It leaves and arrives level, so that many of them can be followed.
    pub(crate) fn edge(&mut self, edge: &Edge) {
        let Edge { from, to, .. } = *edge;
        let direction = if to.x < from.x { -1 } else { 1 };
        let tip = match edge.stroke {
            Stroke::Line => 0,
            Stroke::Arrow => ARROW * direction,
        };
        let end = to.x - tip;
        let reach = ((end - from.x).abs() / 2).max(24) * direction;
        let path = format!(
            "M{} {}C{} {} {} {} {end} {}",
            from.x,
            from.y,
            from.x + reach,
            from.y,
            end - reach,
            to.y,
            to.y
        );
        let mut group = toned("edge", edge.tone)
            .child(Element::new("title").text(&edge.title))
            .child(Element::new("path").with("d", path));
        if tip != 0 {
            let (x, y, half) = (to.x, to.y, ARROW / 2);
            let points = format!("{x},{y} {end},{} {end},{}", y - half, y + half);
            group = group.child(Element::new("polygon").with("points", points));
        }
        if !edge.label.is_empty() {
            let middle = Point {
                x: i32::midpoint(from.x, to.x),
                y: i32::midpoint(from.y, to.y),
            };
            group = group.child(anchored(middle, Face::Toned, &shown(&edge.label), "middle"));
        }
        self.add(between(from, to), group);
    }

    /// An edge between two places on the left side of a column, around what stands between them.
    pub(crate) fn arc(&mut self, from: Point, to: Point, tone: Tone, title: &str) {
        let depth = (24 + (from.y - to.y).abs() / 12).min(ROOM_OF_ARCS);
        let left = from.x.min(to.x) - depth;
        let end = to.x - ARROW;
        let path = format!(
            "M{} {}C{left} {} {left} {} {end} {}",
            from.x, from.y, from.y, to.y, to.y
        );
        let (x, y, half) = (to.x, to.y, ARROW / 2);
        let points = format!("{x},{y} {end},{} {end},{}", y - half, y + half);
        let group = toned("edge", tone)
            .child(Element::new("title").text(title))
            .child(Element::new("path").with("d", path))
            .child(Element::new("polygon").with("points", points));
        self.add(between(from, to), group);
    }

    /// The picture for a page, which has the style already.
    pub(crate) fn figure(&self) -> Element {
        self.root().children(self.elements.iter().cloned())
    }

    /// The picture as a file of its own.
    pub(crate) fn svg(&self) -> String {
        let ground = Area {
            x: 0,
            y: 0,
            width: self.width + MARGIN,
            height: self.height + MARGIN,
        };
        let root = self
            .root()
            .with("xmlns", "http://www.w3.org/2000/svg")
            .child(Element::verbatim("style", STYLE))
            .child(rect(ground, 0).with("fill", "var(--surface)"))
            .children(self.elements.iter().cloned());
        root.markup() + "\n"
    }

    fn root(&self) -> Element {
        let (width, height) = (self.width + MARGIN, self.height + MARGIN);
        Element::new("svg")
            .with("viewBox", format!("0 0 {width} {height}"))
            .with("width", width)
            .with("height", height)
            .with("role", "img")
            .with("aria-label", &self.title)
            .child(Element::new("title").text(&self.title))
            .child(Element::new("desc").text(&self.description))
    }
}

fn toned(class: &str, tone: Tone) -> Element {
    Element::new("g").with("class", format!("{class} {}", tone.class()))
}

fn rect(area: Area, radius: i32) -> Element {
    Element::new("rect")
        .with("x", area.x)
        .with("y", area.y)
        .with("width", area.width)
        .with("height", area.height)
        .with("rx", radius)
}

fn words(at: Point, face: Face, text: &str) -> Element {
    anchored(at, face, text, "")
}

fn anchored(at: Point, face: Face, text: &str, anchor: &str) -> Element {
    let class = format!("{} {anchor}", face.class());
    Element::new("text")
        .with("class", class.trim_end())
        .with("x", at.x)
        .with("y", at.y)
        .text(text)
}

fn between(from: Point, to: Point) -> Area {
    Area {
        x: from.x.min(to.x),
        y: from.y.min(to.y),
        width: (from.x - to.x).abs(),
        height: (from.y - to.y).abs(),
    }
}
