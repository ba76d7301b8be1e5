//! `weir gc`: what killed processes left, and templates nobody uses.

use std::path::PathBuf;

use ep_builder::state::{Entry, Status};
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen};
use crate::template;

/// Something that was, or would be, removed.
#[derive(Serialize)]
pub(crate) struct Removed {
    what: String,
    why: &'static str,
}

impl Removed {
    pub(crate) fn new(what: String, why: &'static str) -> Self {
        Self { what, why }
    }
}

pub(crate) fn run(node: &Node, dry_run: bool, screen: &Screen) -> Result<(), Failure> {
    let mut removed = endpoints(node, dry_run)?;
    removed.extend(template::collect(
        node,
        node.settings.cache.keep_unused,
        dry_run,
    )?);
    show(&removed, screen)
}

/// Ids that were claimed by a process that died, and folders of endpoints that are gone.
fn endpoints(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let store = node.store()?;
    let mut removed = Vec::new();
    for entry in store.list()? {
        let Entry::Endpoint { id, status, .. } = entry else {
            continue;
        };
        let why = match *status {
            Status::Claimed { in_progress: false } => "claimed by a process that died",
            Status::Leftover => "left of an endpoint that is gone",
            _ => continue,
        };
        if dry_run || store.reap(id)? {
            removed.push(Removed::new(format!("endpoint {id}"), why));
        }
    }
    let temporary = |path: PathBuf| {
        Removed::new(
            path.display().to_string(),
            "left by a process that was killed",
        )
    };
    removed.extend(store.sweep(dry_run)?.into_iter().map(temporary));
    Ok(removed)
}

pub(crate) fn show(removed: &[Removed], screen: &Screen) -> Result<(), Failure> {
    let rows = removed
        .iter()
        .map(|r| vec![r.what.clone(), r.why.to_owned()])
        .collect();
    screen.list(
        removed,
        &Columns {
            headings: &["REMOVED", "WHY"],
            plain: 2,
            rows,
            empty: "nothing to remove",
        },
    )
}
