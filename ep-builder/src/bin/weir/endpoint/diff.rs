//! `weir endpoint diff`: what a regeneration would change.

use std::process::ExitCode;

use ep_builder::elf::Content;
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::timeline::Timeline;
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen};

/// One thing that differs.
#[derive(Serialize)]
struct Row {
    difference: String,
}

/// Exit code 1 when something differs, as `diff` has it.
pub(super) fn run(node: &Node, id: EndpointId, screen: &Screen) -> Result<ExitCode, Failure> {
    let store = node.store()?;
    let record = store.read(id)?.record;
    let built = node
        .builder()?
        .build(&record.endpoint, &mut Timeline::default())?;
    let content = |bytes: &[u8]| {
        Content::read(bytes).map_err(|error| {
            Failure::Input(format!(
                "an object of endpoint {id} is damaged: {}",
                chain(&error)
            ))
        })
    };
    let live = content(&store.read_object(id)?)?;
    let mut differences = live.differences(&content(built.object.bytes())?);
    if record.template != Some(built.key) {
        let old = record
            .template
            .map_or("none".to_owned(), TemplateKey::short);
        differences.insert(
            0,
            format!("template {old} would become {}", built.key.short()),
        );
    }
    let rows: Vec<_> = differences
        .into_iter()
        .map(|difference| Row { difference })
        .collect();
    let columns = Columns {
        headings: &["DIFFERENCE"],
        plain: 1,
        rows: rows
            .iter()
            .map(|row| vec![row.difference.clone()])
            .collect(),
        empty: "no difference: a regeneration would load the same programs",
    };
    screen.list(&rows, &columns)?;
    Ok(ExitCode::from(u8::from(!rows.is_empty())))
}
