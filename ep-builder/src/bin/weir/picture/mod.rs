//! Pictures and pages, each whole in one file: what is drawn is decided elsewhere, and nothing here looks at the node.
//! The same things give the same bytes.

mod drawing;
mod markup;
mod page;
mod plane;
mod style;
#[cfg(test)]
pub(crate) mod tests;
mod text;

pub(crate) use drawing::Drawing;
pub(crate) use page::{Cell, Fact, Page, table};
pub(crate) use plane::{Area, Edge, Face, Line, Point, Stroke};
pub(crate) use style::Tone;
