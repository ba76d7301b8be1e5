//! `weir gc`: what killed processes left, and templates, tail programs and identities nobody uses.

use std::collections::HashSet;
use std::path::PathBuf;

use ep_builder::error::chain;
use ep_builder::identity::KEEP_UNUSED;
use ep_builder::lifecycle::Removal;
use ep_builder::load::collect_tails;
use ep_builder::policy::Enforcement;
use serde::Serialize;

use crate::failure::Failure;
use crate::identity::identities;
use crate::node::Node;
use crate::policy;
use crate::screen::{Columns, Screen, talk};
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

    /// Both in a line.
    pub(crate) fn text(&self) -> String {
        format!("{} ({})", self.what, self.why)
    }
}

pub(crate) fn run(node: &Node, dry_run: bool, screen: &Screen) -> Result<(), Failure> {
    show(&collect(node, dry_run)?, screen)
}

/// Removes all that nobody uses, or says what it would remove.
pub(crate) fn collect(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    if !dry_run {
        let store = node.store()?;
        policy::settle(&Enforcement::new(&node.settings, &store));
    }
    let mut removed = endpoints(node, dry_run)?;
    removed.extend(orphans(node, dry_run)?);
    removed.extend(unused_identities(node, dry_run)?);
    removed.extend(template::collect(
        node,
        node.settings.cache.keep_unused,
        dry_run,
    )?);
    removed.extend(tails(node, dry_run)?);
    Ok(removed)
}

/// Ids that were claimed by a process that died, and folders of endpoints that are gone.
fn endpoints(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let store = node.store()?;
    let dead = store.reap_dead(dry_run)?.into_iter();
    let mut removed: Vec<_> = dead
        .map(|(id, why)| Removed::new(format!("endpoint {id}"), why))
        .collect();
    let temporary = |path: PathBuf| {
        Removed::new(
            path.display().to_string(),
            "left by a process that was killed",
        )
    };
    removed.extend(store.sweep(dry_run)?.into_iter().map(temporary));
    Ok(removed)
}

/// What the kernel still has of endpoints that the disk knows nothing of.
fn orphans(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let store = node.store()?;
    let removal = Removal::new(&node.settings, &store);
    let ids = if dry_run {
        removal.orphans()?
    } else {
        removal.remove_orphans()?
    };
    let lost = |id| {
        Removed::new(
            format!("maps of endpoint {id}"),
            "pinned, and without a folder",
        )
    };
    let mut lost: Vec<_> = ids.into_iter().map(lost).collect();
    let ports = if dry_run {
        removal.lost_host_ports()?
    } else {
        removal.close_lost_host_ports()?
    };
    let port = |port| Removed::new(format!("host port {port}"), "of an endpoint that is gone");
    lost.extend(ports.into_iter().map(port));
    Ok(lost)
}

/// Identities that no record names, in whichever folder: what was live may be rolled back to.
fn unused_identities(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let records = node.store()?.records()?;
    if let Some(reason) = records.unreadable.first() {
        talk(&format!(
            "note: identities are kept, because one may be in use by a record that cannot be read: {}",
            chain(reason)
        ));
        return Ok(Vec::new());
    }
    let in_use: HashSet<u32> = records
        .kept
        .iter()
        .map(|(_, record)| record.endpoint.identity)
        .collect();
    let is_used = |number| in_use.contains(&number);
    let collected = identities(node)?.collect(is_used, KEEP_UNUSED, dry_run)?;
    let removed = |number| Removed::new(format!("identity {number}"), "no endpoint has it");
    Ok(collected.into_iter().map(removed).collect())
}

/// What the kernel keeps for templates of which no endpoint is left.
fn tails(node: &Node, dry_run: bool) -> Result<Vec<Removed>, Failure> {
    let settings = &node.settings;
    let prefix = &settings.node.map_prefix;
    let collected = collect_tails(&settings.paths.bpffs_dir, prefix, dry_run)?;
    let why = "tail programs that no endpoint uses";
    let names = collected.iter().map(|path| path.display().to_string());
    Ok(names.map(|name| Removed::new(name, why)).collect())
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
