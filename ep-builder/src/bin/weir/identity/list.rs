//! `weir identity list`

use super::{Row, joined, rows};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen, talk};

pub(super) fn run(node: &Node, reserved: bool, screen: &Screen) -> Result<(), Failure> {
    let shows_reserved = reserved || screen.format() == Format::Wide;
    let rows: Vec<Row> = rows(node)?
        .into_values()
        .filter(|row| shows_reserved || row.name.is_none() || !row.endpoints.is_empty())
        .collect();
    let text = rows.iter().map(columns).collect();
    screen.list(
        &rows,
        &Columns {
            headings: &["ID", "NAME", "LABELS", "ENDPOINTS", "PROBLEM"],
            plain: 4,
            rows: text,
            empty: "no identities: a pod with labels gets one",
        },
    )?;
    for row in rows {
        if let Some(problem) = row.problem {
            talk(&format!("identity {}: {problem}", row.id));
        }
    }
    Ok(())
}

fn columns(row: &Row) -> Vec<String> {
    vec![
        row.id.to_string(),
        row.name.unwrap_or("-").to_owned(),
        joined(&row.label_texts()),
        joined(&row.endpoint_texts()),
        row.problem.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
