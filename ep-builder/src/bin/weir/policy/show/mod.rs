//! `weir policy show`: who may reach whom, as a table and as a picture.

mod boxes;
mod graph;
mod json;
mod matrix;
mod page;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use super::reach::{Relations, read, rows};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Format, Picture, Screen, talk};

pub(crate) use json::{Between, between};
pub(crate) use table::traffic;

/// What is to be known of every row where it is so.
const AUDITED: &str =
    "policy_audit_mode is on in weir.toml: what no row allows is reported, and passes all the same";

pub(super) fn run(node: &Node, files: &[PathBuf], screen: &Screen) -> Result<(), Failure> {
    let relations = read(node, files)?;
    let rows = rows(&relations);
    if relations.audits {
        talk(&format!("note: {AUDITED}"));
    }
    if relations.revision.is_none() && files.is_empty() {
        talk("note: no policy is in force, so everything passes");
    }
    match (screen.picture(), screen.format()) {
        (Some(Picture::Svg), _) => screen.data(&page::drawing(&relations, &rows).svg()),
        (Some(Picture::Html), _) => screen.data(&page::page(&relations, &rows, files).html()),
        (None, Format::Json | Format::Yaml) => screen.value(&json::report(&relations, &rows)),
        (None, format) => table::show(&relations, &rows, format == Format::Wide, screen),
    }
}

/// The files and lines of rules: of those that allow, and of those that take something out of it.
fn places(relations: &Relations, numbers: &[u32]) -> Vec<String> {
    let origins = numbers
        .iter()
        .filter_map(|number| relations.origin(*number));
    origins
        .map(|origin| format!("{}:{}", origin.place.file, origin.place.line))
        .collect()
}
