//! `weir endpoint`: the endpoints of this node.

mod compile;
mod diff;
mod get;
mod label;
mod lines;
mod list;
mod live;
mod prove;
mod regenerate;
mod source;

use std::process::ExitCode;

pub(crate) use list::Row;
pub(crate) use prove::Prove;
pub(crate) use regenerate::Extent;

use ep_builder::error::chain;
use ep_builder::lifecycle::Endpoints;

use crate::cli::Endpoint;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(crate) fn run(command: &Endpoint, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Endpoint::List => list::run(node, screen)?,
        Endpoint::Get { id } => get::run(node, *id, screen)?,
        Endpoint::Compile(arguments) => return compile::run(node, arguments, screen),
        Endpoint::Attach { endpoint } => live::attach(node, endpoint, screen)?,
        Endpoint::Regenerate {
            ids,
            all,
            extent,
            prove,
        } => match prove.replacements {
            Some(replacements) => return prove::run(node, ids, replacements, prove, screen),
            None => regenerate::run(node, ids, *all, extent, screen)?,
        },
        Endpoint::Label { id, changes } => label::run(node, *id, changes, screen)?,
        Endpoint::Log { id } => live::log(node, *id, screen)?,
        Endpoint::Diff { id, previous } => return diff::run(node, *id, *previous, screen),
        Endpoint::Rollback { id } => live::roll_back(node, *id, screen)?,
        Endpoint::Delete { id } => live::delete(node, *id, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Before an endpoint is changed: what a killed process left of a change of policy is ended, and the policy in force, which
/// after an upgrade may be kept as an older weir kept it, is kept as today. Where that cannot be mended, whoever needs it
/// says so.
fn see_to_policy(endpoints: &Endpoints<'_>) {
    let enforcement = endpoints.enforcement();
    crate::policy::settle(&enforcement);
    match enforcement.see_to_basis() {
        Ok(false) => {}
        Ok(true) => talk("note: the documents in force were read again, for pods with new labels"),
        Err(error) => talk(&format!("note: {}", chain(&error))),
    }
}
