//! `weir policy`: the documents of the operator, and what they mean for each endpoint.

mod apply;
mod confirm;
mod delete;
mod diff;
mod documents;
mod entries;
pub(crate) mod reach;
pub(crate) mod show;
mod status;
mod validate;
mod verify;

use std::process::ExitCode;

pub(crate) use apply::holder_name;
pub(crate) use entries::labels_by_identity;

use ep_builder::error::chain;
use ep_builder::policy::documents::read_folder;
use ep_builder::policy::{Documents, Enforcement};

use crate::cli::Policy;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(crate) fn run(command: &Policy, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    // An apply does so by itself, and goes on where that cannot be done any more.
    let is_own_business = matches!(
        command,
        Policy::Validate { .. } | Policy::Verify(_) | Policy::Apply { dry_run: false, .. }
    );
    if !is_own_business {
        confirm::end_if_due(node)?;
    }
    match command {
        Policy::Validate { files } => validate::run(files, screen)?,
        Policy::Apply { dry_run: true, .. } => apply::dry_run(node, screen)?,
        Policy::Apply {
            confirm_within: Some(span),
            ..
        } => return confirm::apply(node, *span, screen),
        Policy::Apply { .. } => apply::run(node, screen)?,
        Policy::Confirm => confirm::run(node)?,
        Policy::Status => status::run(node, screen)?,
        Policy::Get { id: None } => documents::run(node, screen)?,
        Policy::Get { id: Some(holder) } => entries::run(node, *holder, screen)?,
        Policy::Delete { name, kind } => {
            delete::run(node, name, kind.map(Into::into), screen)?;
        }
        Policy::Show { policy } => show::run(node, policy, screen)?,
        Policy::Diff => return diff::run(node, screen),
        Policy::Verify(asked) => return verify::run(node, asked, screen),
    }
    Ok(ExitCode::SUCCESS)
}

/// Ends a change of the policy that a killed process began, before something else is changed.
pub(crate) fn settle(enforcement: &Enforcement<'_>) {
    match enforcement.settle_if_left() {
        Ok(false) => {}
        Ok(true) => talk("note: a change of the policy that was cut short is brought to its end"),
        Err(error) => talk(&format!("note: {}", chain(&error))),
    }
}

/// The documents of the operator's folder.
fn on_disk(node: &Node) -> Result<Documents, Failure> {
    let documents = read_folder(&node.settings.paths.policy_dir)?;
    for notice in &documents.notices {
        talk(&format!("note: {notice}"));
    }
    tell_of_families(node, &documents);
    Ok(documents)
}

/// Who closes a node should know what stays open.
fn tell_of_families(node: &Node, documents: &Documents) {
    let settings = &node.settings.node;
    for (family, is_compiled) in [("IPv4", settings.ipv4), ("IPv6", settings.ipv6)] {
        if documents.set.speaks_for_nodes() && !is_compiled {
            talk(&format!(
                "note: {family} is switched off in weir.toml, so nothing of it is judged: a node that has it is open there"
            ));
        }
    }
}

/// A name as it is given on the command line.
fn full_name(namespace: &str, name: &str) -> String {
    if namespace.is_empty() {
        name.to_owned()
    } else {
        format!("{namespace}/{name}")
    }
}
