//! `weir node cleanup`

use ep_builder::health::DEVICE;
use ep_builder::node::{Cleaned, cleanup, refuse_needed};
use serde::Serialize;

use crate::failure::Failure;
use crate::health::{self, Done};
use crate::node::Node;
use crate::screen::{Columns, Screen, talk};

/// Something that was taken away.
#[derive(Serialize)]
struct Row {
    kind: &'static str,
    name: String,
}

pub(super) fn run(node: &Node, by_force: bool, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    // Before anything goes: the health endpoint is to stay where the rest does.
    if !by_force {
        refuse_needed(&store)?;
    }
    let health = health::remove(node)?;
    let cleaned = cleanup(&node.settings, &store, by_force)?;
    for notice in &cleaned.notices {
        talk(&format!("note: {notice}"));
    }
    let rows = rows(&health, cleaned);
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

fn rows(health: &Done, cleaned: Cleaned) -> Vec<Row> {
    let of = |kind: &'static str, names: Vec<String>| {
        names.into_iter().map(move |name| Row { kind, name })
    };
    let pair = cleaned.pair.then(|| ep_builder::node::HOST.to_owned());
    let sockets = (cleaned.sockets > 0).then(|| format!("{} of sockets", cleaned.sockets));
    let health = (*health == Done::Removed).then(|| DEVICE.to_owned());
    of("health endpoint", health.into_iter().collect())
        .chain(of("programs", cleaned.devices))
        .chain(of("programs", sockets.into_iter().collect()))
        .chain(of("device", pair.into_iter().collect()))
        .chain(of("setting", cleaned.settings))
        .chain(of("pin", cleaned.pins))
        .collect()
}
