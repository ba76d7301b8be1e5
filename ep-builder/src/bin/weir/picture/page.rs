//! A page that is whole in one file: it asks nobody for anything, runs nothing, and obeys no style but ours.

use std::fmt::Display;

use super::drawing::Drawing;
use super::markup::Element;
use super::style::{STYLE, Tone, digest};

/// A page in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    title: String,
    lead: String,
    content: Vec<Element>,
    foot: String,
}

/// A number that stands at the top, and what it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// The number, or a word.
    pub(crate) value: String,
    /// What it is.
    pub(crate) name: String,
    /// Its colour.
    pub(crate) tone: Tone,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Words.
    Text(String),
    /// A name or number of the machine.
    Code(String),
    /// A number that is compared with those above and below.
    Number(String),
}

impl Cell {
    /// Words.
    pub(crate) fn text(value: impl Display) -> Self {
        Self::Text(value.to_string())
    }

    /// A name or number of the machine.
    pub(crate) fn code(value: impl Display) -> Self {
        Self::Code(value.to_string())
    }

    /// A number that is compared.
    pub(crate) fn number(value: impl Display) -> Self {
        Self::Number(value.to_string())
    }

    fn element(&self) -> Element {
        match self {
            Self::Text(text) => Element::new("td").text(text),
            Self::Code(text) => Element::class("td", "code").text(text),
            Self::Number(text) => Element::class("td", "number").text(text),
        }
    }
}

impl Page {
    /// An empty page with its heading, a line below it, and one at the foot.
    pub(crate) fn new(
        title: impl Into<String>,
        lead: impl Into<String>,
        foot: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            lead: lead.into(),
            content: Vec::new(),
            foot: foot.into(),
        }
    }

    /// Puts something below what is there.
    pub(crate) fn add(&mut self, element: Element) {
        self.content.push(element);
    }

    /// A heading of a part.
    pub(crate) fn heading(&mut self, text: &str) {
        self.add(Element::new("h2").text(text));
    }

    /// A line of small words.
    pub(crate) fn note(&mut self, text: &str) {
        self.add(Element::class("p", "note").text(text));
    }

    /// Numbers that answer first.
    pub(crate) fn facts(&mut self, facts: &[Fact]) {
        let items = facts.iter().map(|fact| {
            Element::class("li", fact.tone.class())
                .child(Element::new("b").text(&fact.value))
                .child(Element::new("span").text(&fact.name))
        });
        self.add(Element::class("ul", "facts").children(items));
    }

    /// What is wrong, a line for each.
    pub(crate) fn wrong(&mut self, lines: &[String]) {
        let items = lines.iter().map(|line| Element::new("li").text(line));
        self.add(Element::class("ul", "wrong").children(items));
    }

    /// A picture, which is scrolled where it is wider than the page.
    pub(crate) fn picture(&mut self, drawing: &Drawing) {
        let figure = Element::new("figure")
            .with("tabindex", 0)
            .child(drawing.figure());
        self.add(figure);
    }

    /// Something behind a line that opens it.
    pub(crate) fn details(&mut self, summary: &str, is_open: bool, content: Element) {
        let details = Element::new("details");
        let details = if is_open {
            details.with("open", "")
        } else {
            details
        };
        let summary = Element::new("summary").text(summary);
        self.add(details.child(summary).child(content));
    }

    /// The whole file.
    pub(crate) fn html(&self) -> String {
        let policy = format!(
            "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'",
            digest()
        );
        let meta = |name, content: &str| {
            Element::void("meta")
                .with("name", name)
                .with("content", content)
        };
        let head = Element::new("head")
            .child(Element::void("meta").with("charset", "utf-8"))
            .child(
                Element::void("meta")
                    .with("http-equiv", "Content-Security-Policy")
                    .with("content", policy),
            )
            .child(meta("viewport", "width=device-width, initial-scale=1"))
            .child(meta("color-scheme", "light dark"))
            .child(Element::new("title").text(&self.title))
            .child(Element::verbatim("style", STYLE));
        let header = Element::new("header")
            .child(Element::new("h1").text(&self.title))
            .child(Element::new("p").text(&self.lead));
        let body = Element::new("body")
            .child(header)
            .child(Element::new("main").children(self.content.iter().cloned()))
            .child(Element::new("footer").child(Element::new("p").text(&self.foot)));
        let html = Element::new("html").with("lang", "en");
        format!(
            "<!doctype html>\n{}\n",
            html.child(head).child(body).markup()
        )
    }
}

/// A table in a frame that scrolls.
pub(crate) fn table(name: &str, headings: &[&str], rows: &[Vec<Cell>]) -> Element {
    let is_number = |column: usize| {
        matches!(
            rows.first().and_then(|row| row.get(column)),
            Some(Cell::Number(_))
        )
    };
    let heading = |(column, text): (usize, &&str)| {
        let class = if is_number(column) { "number" } else { "text" };
        Element::class("th", class).with("scope", "col").text(text)
    };
    let headings = headings.iter().enumerate().map(heading);
    let head = Element::new("tr").children(headings);
    let row = |cells: &Vec<Cell>| Element::new("tr").children(cells.iter().map(Cell::element));
    let table = Element::new("table")
        .with("aria-label", name)
        .child(Element::new("thead").child(head))
        .child(Element::new("tbody").children(rows.iter().map(row)));
    Element::class("div", "scroll")
        .with("tabindex", 0)
        .child(table)
}
