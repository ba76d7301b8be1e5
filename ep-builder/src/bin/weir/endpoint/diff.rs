//! `weir endpoint diff`: what a regeneration would change, or what the last change has changed.

use std::process::ExitCode;

use ep_builder::elf::Content;
use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::lifecycle::Endpoints;
use ep_builder::options::EndpointOptions;
use ep_builder::state::{StateError, Whole};
use ep_builder::timeline::Timeline;
use serde::Serialize;

use super::lines;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Screen, talk};

/// One thing that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    /// `template`, `option`, `header`, `constant`, `program`, `map` or `kernel`.
    kind: &'static str,
    name: String,
    /// As it is, or was; none where there is nothing.
    before: Option<String>,
    after: Option<String>,
}

impl Row {
    fn new(kind: &'static str, name: &str, before: Option<String>, after: Option<String>) -> Self {
        let name = name.to_owned();
        Self {
            kind,
            name,
            before,
            after,
        }
    }
}

/// What is compared of a generation.
struct Side {
    template: Option<TemplateKey>,
    options: EndpointOptions,
    header: String,
    content: Content,
}

impl Side {
    fn of(whole: Whole) -> Result<Self, Failure> {
        Ok(Self {
            content: content(whole.record.endpoint.id, &whole.object)?,
            template: whole.record.template,
            options: whole.record.endpoint.options,
            header: whole.header,
        })
    }
}

fn content(id: EndpointId, object: &[u8]) -> Result<Content, Failure> {
    Content::read(object).map_err(|error| {
        let cause = chain(&error);
        Failure::Input(format!("an object of endpoint {id} is damaged: {cause}"))
    })
}

/// Exit code 1 when something differs, as `diff` has it.
pub(super) fn run(
    node: &Node,
    id: EndpointId,
    previous: bool,
    screen: &Screen,
) -> Result<ExitCode, Failure> {
    let (rows, empty) = if previous {
        let rows = changed(node, id)?;
        (rows, "no difference: both generations are the same")
    } else {
        let rows = would_change(node, id)?;
        (
            rows,
            "no difference: the endpoint is what a regeneration would make of it",
        )
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let column = |row: &Row| {
        let Row { kind, name, .. } = row;
        let (before, after) = (or_none(&row.before), or_none(&row.after));
        vec![(*kind).to_owned(), name.clone(), before, after]
    };
    let columns = Columns {
        headings: &["KIND", "NAME", "BEFORE", "AFTER"],
        plain: 4,
        rows: rows.iter().map(column).collect(),
        empty,
    };
    screen.list(&rows, &columns)?;
    Ok(ExitCode::from(u8::from(!rows.is_empty())))
}

/// The previous generation against the one in force.
fn changed(node: &Node, id: EndpointId) -> Result<Vec<Row>, Failure> {
    let store = node.store()?;
    let previous = store.read_previous(id)?;
    let previous = previous.ok_or(StateError::NoPrevious { id })?;
    Ok(compare(
        &Side::of(previous)?,
        &Side::of(store.read_whole(id)?)?,
    ))
}

/// The generation in force against what would be built now, and the kernel against what it should have.
fn would_change(node: &Node, id: EndpointId) -> Result<Vec<Row>, Failure> {
    let (builder, store) = (node.builder()?, node.store()?);
    let endpoints = Endpoints::new(&builder, &store);
    let live = Side::of(store.read_whole(id)?)?;
    let endpoint = store.read(id)?.record.endpoint;
    let (built, need) = match endpoints.assess(id, &mut Timeline::default()) {
        Ok(assessed) => (assessed.built, Some(assessed.need)),
        Err(error) => {
            talk(&format!("note: compared on disk alone: {}", chain(&error)));
            (builder.build(&endpoint, &mut Timeline::default())?, None)
        }
    };
    let next = Side {
        content: content(id, built.object.bytes())?,
        template: Some(built.key),
        options: endpoint.options,
        header: built.header,
    };
    let mut rows = compare(&live, &next);
    if let Some(need) = need.filter(|_| rows.is_empty()) {
        let reasons = need.reasons.into_iter();
        rows.extend(reasons.map(|why| Row::new("kernel", need.level.name(), Some(why), None)));
    }
    Ok(rows)
}

fn compare(old: &Side, new: &Side) -> Vec<Row> {
    let mut rows = Vec::new();
    if old.template != new.template {
        let [before, after] = [old, new].map(|side| side.template.map(TemplateKey::short));
        rows.push(Row::new("template", "key", before, after));
    }
    for ((spec, before), (_, after)) in old.options.iter().zip(new.options.iter()) {
        if before != after {
            let [before, after] = [before, after].map(|value| Some(value.to_string()));
            rows.push(Row::new("option", spec.name, before, after));
        }
    }
    for change in lines::changes(&old.header, &new.header) {
        rows.push(Row::new(
            "header",
            &change.name,
            change.before,
            change.after,
        ));
    }
    constants(old, new, &mut rows);
    for name in union(old.content.programs.keys(), new.content.programs.keys()) {
        let [before, after] = [old, new].map(|side| side.content.programs.get(name));
        if before != after {
            let size = |code: &Vec<_>| format!("{} instructions", code.len());
            rows.push(Row::new("program", name, before.map(size), after.map(size)));
        }
    }
    for name in old.content.maps.symmetric_difference(&new.content.maps) {
        let [before, after] = [old, new].map(|side| {
            let is_there = side.content.maps.contains(name);
            is_there.then(|| "used".to_owned())
        });
        rows.push(Row::new("map", name, before, after));
    }
    rows
}

fn constants(old: &Side, new: &Side, rows: &mut Vec<Row>) {
    for name in union(old.content.constants.keys(), new.content.constants.keys()) {
        let [before, after] = [old, new].map(|side| side.content.constants.get(name));
        if before != after {
            let hex = |bytes: &Vec<u8>| {
                let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
                bytes.join(" ")
            };
            rows.push(Row::new("constant", name, before.map(hex), after.map(hex)));
        }
    }
}

fn union<'a>(
    ours: impl Iterator<Item = &'a String>,
    theirs: impl Iterator<Item = &'a String>,
) -> std::collections::BTreeSet<&'a String> {
    ours.chain(theirs).collect()
}
