//! `weir node cleanup`

use ep_builder::node::{Cleaned, cleanup};
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen, talk};

/// Something that was taken away.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    name: String,
}

pub(super) fn run(node: &Node, by_force: bool, screen: &Screen) -> Result<(), Failure> {
    let cleaned = cleanup(&node.settings, &node.store()?, by_force)?;
    for notice in &cleaned.notices {
        talk(&format!("note: {notice}"));
    }
    let rows = rows(cleaned);
    screen.list(
        &rows,
        &Columns {
            headings: &["REMOVED", "NAME"],
            plain: 2,
            rows: rows
                .iter()
                .map(|row| vec![row.kind.to_owned(), row.name.clone()])
                .collect(),
            empty: "nothing was there",
        },
    )
}

fn rows(cleaned: Cleaned) -> Vec<Row> {
    let of = |kind: &'static str, names: Vec<String>| {
        names.into_iter().map(move |name| Row { kind, name })
    };
    let pair = cleaned.pair.then(|| ep_builder::node::HOST.to_owned());
    let sockets = (cleaned.sockets > 0).then(|| format!("{} of sockets", cleaned.sockets));
    of("programs", cleaned.devices)
        .chain(of("programs", sockets.into_iter().collect()))
        .chain(of("device", pair.into_iter().collect()))
        .chain(of("setting", cleaned.settings))
        .chain(of("pin", cleaned.pins))
        .collect()
}
