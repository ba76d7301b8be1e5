//! `weir identity get`

use super::{Row, joined, rows};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(super) fn run(node: &Node, id: u32, screen: &Screen) -> Result<(), Failure> {
    let row = rows(node)?.remove(&id).ok_or_else(|| {
        Failure::NotFound(format!(
            "there is no identity {id}: `weir identity list` shows those there are"
        ))
    })?;
    screen.object(&row, &lines(&row))
}

fn lines(row: &Row) -> Vec<(&'static str, String)> {
    let mut lines = vec![("id", row.id.to_string())];
    lines.extend(row.name.map(|name| ("name", name.to_owned())));
    let labels = row.label_texts().into_iter();
    lines.extend(labels.map(|label| ("label", label)));
    lines.push(("endpoints", joined(&row.endpoint_texts())));
    lines.extend(row.problem.clone().map(|problem| ("problem", problem)));
    lines
}
