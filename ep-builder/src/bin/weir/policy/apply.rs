//! `weir policy apply`

use std::time::Duration;

use ep_builder::policy::{Applied, Change, Documents, Enforcement, Holder, Isolation};
use serde::Serialize;

use super::on_disk;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Columns, Format, Screen, talk};

/// What was changed, or would be.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// The revision that is in force now; none before the first one.
    revision: Option<u32>,
    dry_run: bool,
    /// For how long it is in force unless somebody confirms it; null for good.
    confirm_within_seconds: Option<u64>,
    documents: usize,
    endpoints: &'a [Change],
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    put_in_force(node, &on_disk(node)?, screen)
}

pub(super) fn put_in_force(
    node: &Node,
    documents: &Documents,
    screen: &Screen,
) -> Result<(), Failure> {
    let store = node.store()?;
    let applied = Enforcement::new(&node.settings, &store).apply(documents)?;
    show_applied(&applied, documents, None, screen)
}

/// Shows what was put in force; `waits` is for how long, if not for good.
pub(super) fn show_applied(
    applied: &Applied,
    documents: &Documents,
    waits: Option<Duration>,
    screen: &Screen,
) -> Result<(), Failure> {
    let report = Report {
        revision: Some(applied.revision),
        dry_run: false,
        confirm_within_seconds: waits.map(|span| span.as_secs()),
        documents: documents.sources.len(),
        endpoints: &applied.changes,
    };
    show(&report, screen)?;
    tell_of_node(applied.waits_for_node);
    talk(&format!(
        "revision {} is in force: {}",
        applied.revision,
        summary(&applied.changes)
    ));
    Ok(())
}

fn tell_of_node(waits: bool) {
    if waits {
        talk(
            "note: a policy speaks for the node, and the node's part is not there: it counts as soon as `weir node init` or a pod has made it",
        );
    }
}

pub(super) fn dry_run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let documents = on_disk(node)?;
    let store = node.store()?;
    let plan = Enforcement::new(&node.settings, &store).plan(&documents)?;
    let report = Report {
        revision: plan.current,
        dry_run: true,
        confirm_within_seconds: None,
        documents: documents.sources.len(),
        endpoints: &plan.changes,
    };
    show(&report, screen)?;
    tell_of_node(plan.waits_for_node);
    talk(&format!("nothing was changed: {}", summary(&plan.changes)));
    Ok(())
}

fn show(report: &Report<'_>, screen: &Screen) -> Result<(), Failure> {
    match screen.format() {
        Format::Json | Format::Yaml => screen.value(report),
        Format::Table => changes(report.endpoints, false, screen),
        Format::Wide => changes(report.endpoints, true, screen),
    }
}

/// The endpoints whose policy changes, or all.
pub(super) fn changes(all: &[Change], with_same: bool, screen: &Screen) -> Result<(), Failure> {
    let shown = all
        .iter()
        .filter(|change| with_same || change.is_something());
    let columns = Columns {
        headings: &[
            "ENDPOINT",
            "IDENTITY",
            "ISOLATED(in/eg)",
            "ENTRIES",
            "ADDED",
            "REMOVED",
            "CHANGED",
        ],
        plain: 7,
        rows: shown.map(columns).collect(),
        empty: "no endpoint's policy changes",
    };
    screen.list(all, &columns)
}

fn columns(change: &Change) -> Vec<String> {
    let (before, after) = (isolated(change.before), isolated(change.after));
    let isolation = if before == after {
        after
    } else {
        format!("{before} -> {after}")
    };
    vec![
        holder_name(change.endpoint),
        change.identity.to_string(),
        isolation,
        change.entries.to_string(),
        change.added.to_string(),
        change.removed.to_string(),
        change.changed.to_string(),
    ]
}

/// Who it is, where a column holds ids.
pub(crate) fn holder_name(holder: Holder) -> String {
    match holder {
        Holder::Node => "node".to_owned(),
        Holder::Endpoint(id) => id.to_string(),
    }
}

fn isolated(isolation: Isolation) -> String {
    let on = |is_on| if is_on { "on" } else { "off" };
    format!("{}/{}", on(isolation.ingress), on(isolation.egress))
}

/// All of it in a line.
pub(super) fn summary(changes: &[Change]) -> String {
    let count = |what: fn(&Change) -> bool| changes.iter().filter(|change| what(change)).count();
    let sum = |what: fn(&Change) -> usize| changes.iter().map(what).sum::<usize>();
    format!(
        "{} of {} endpoints differ, {} entries added, {} removed, {} changed; isolated are {} for ingress, {} for egress",
        count(Change::is_something),
        changes.len(),
        sum(|change| change.added),
        sum(|change| change.removed),
        sum(|change| change.changed),
        count(|change| change.after.ingress),
        count(|change| change.after.egress),
    )
}
