//! `weir map list`

use ep_builder::error::chain;
use ep_builder::maps::MapsError;

use super::{Row, maps};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen, talk};

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let maps = maps(node);
    let mut rows = Vec::new();
    for map in maps.list()? {
        match Row::of(&maps, map) {
            Ok(row) => rows.push(row),
            // Gone since the folder was read: an endpoint was detached.
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let text = rows.iter().map(columns).collect();
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "NAME", "TYPE", "KEY", "VALUE", "ENTRIES", "MAX", "ID", "FLAGS", "PINNED",
            ],
            plain: 6,
            rows: text,
            empty: "no maps: they are made when the first endpoint is attached",
        },
    )?;
    for problem in rows.iter().filter_map(|row| row.problem.as_ref()) {
        talk(&format!("note: {}", chain(problem)));
    }
    Ok(())
}

fn columns(row: &Row) -> Vec<String> {
    vec![
        row.name.clone(),
        row.map_type.clone(),
        row.key_size.to_string(),
        row.value_size.to_string(),
        row.entries(),
        row.room(),
        row.id.to_string(),
        format!("{:#x}", row.flags),
        row.pinned.clone(),
    ]
}
