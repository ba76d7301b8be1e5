//! `weir template list`

use std::path::PathBuf;

use ep_builder::cache::{Entry, Manifest, Poison};
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::unit::Unit;
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen};

/// A template that is somewhere.
pub(super) struct Found {
    pub(super) key: TemplateKey,
    pub(super) place: &'static str,
    pub(super) folder: PathBuf,
    pub(super) entry: Result<Entry, Poison>,
}

/// All templates of cache and bundle. Those that vanish meanwhile are left out.
pub(super) fn find_all(node: &Node) -> Result<Vec<Found>, Failure> {
    let cache = node.cache()?;
    let mut all = Vec::new();
    for key in cache.keys()? {
        if let Some(entry) = cache.read(key).transpose() {
            all.push(Found {
                key,
                place: "cache",
                folder: cache.folder(key),
                entry,
            });
        }
    }
    let Some(bundle) = node.bundle() else {
        return Ok(all);
    };
    for key in bundle.keys().map_err(ep_builder::error::Error::from)? {
        if let Some(entry) = bundle.get(key).transpose() {
            all.push(Found {
                key,
                place: "bundle",
                folder: bundle.folder(key),
                entry,
            });
        }
    }
    Ok(all)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    key: TemplateKey,
    place: &'static str,
    folder: PathBuf,
    /// `ok`, or what is wrong.
    state: String,
    unit: Option<Unit>,
    object_size: Option<u64>,
    compiler: Option<String>,
    compile_ms: Option<u64>,
    shape: Vec<String>,
    used_by: Vec<EndpointId>,
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let users = node.users()?;
    let rows: Vec<Row> = find_all(node)?
        .into_iter()
        .map(|found| {
            let state = found
                .entry
                .as_ref()
                .err()
                .map_or("ok".to_owned(), |poison| chain(poison));
            let manifest = found.entry.ok().map(|entry| entry.manifest);
            Row {
                key: found.key,
                place: found.place,
                folder: found.folder,
                state,
                unit: manifest.as_ref().map(|m| m.unit),
                object_size: manifest.as_ref().map(Manifest::object_size),
                compiler: manifest.as_ref().map(|m| m.compiler.clone()),
                compile_ms: manifest.as_ref().and_then(|m| m.compile_ms),
                shape: manifest.map(|m| m.shape).unwrap_or_default(),
                used_by: users.get(&found.key).cloned().unwrap_or_default(),
            }
        })
        .collect();
    let text = rows.iter().map(columns).collect();
    screen.list(
        &rows,
        &Columns {
            headings: &[
                "TEMPLATE", "UNIT", "PLACE", "STATE", "BYTES", "USED BY", "COMPILER", "MS", "KEY",
                "SHAPE",
            ],
            plain: 7,
            rows: text,
            empty: "no templates yet: `weir template build` compiles the one of the configuration",
        },
    )
}

fn columns(row: &Row) -> Vec<String> {
    let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    vec![
        row.key.short(),
        row.unit.map_or("-".to_owned(), |unit| unit.to_string()),
        row.place.to_owned(),
        row.state.clone(),
        number(row.object_size),
        row.used_by.len().to_string(),
        row.compiler.clone().unwrap_or_else(|| "-".to_owned()),
        number(row.compile_ms),
        row.key.to_string(),
        row.shape.join(" "),
    ]
}
