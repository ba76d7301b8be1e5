//! `weir endpoint`: the endpoints of this node.

mod compile;
mod diff;
mod get;
mod list;
mod live;
mod prove;
mod source;

use std::process::ExitCode;

pub(crate) use prove::Prove;

use crate::cli::Endpoint;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) fn run(command: &Endpoint, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Endpoint::List => list::run(node, screen)?,
        Endpoint::Get { id } => get::run(node, *id, screen)?,
        Endpoint::Compile(arguments) => return compile::run(node, arguments, screen),
        Endpoint::Attach { endpoint } => live::attach(node, endpoint, screen)?,
        Endpoint::Regenerate { ids, all, prove } => match prove.replacements {
            Some(replacements) => return prove::run(node, ids, replacements, prove, screen),
            None => live::regenerate(node, ids, *all, screen)?,
        },
        Endpoint::Log { id } => live::log(node, *id, screen)?,
        Endpoint::Diff { id } => return diff::run(node, *id, screen),
        Endpoint::Rollback { id } => live::roll_back(node, *id, screen)?,
        Endpoint::Delete { id } => live::delete(node, *id, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}
