//! `weir endpoint`: the endpoints of this node.

mod compile;
mod list;
mod source;

use std::process::ExitCode;

use ep_builder::endpoint::EndpointId;

use crate::cli::Endpoint;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) fn run(command: &Endpoint, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        Endpoint::List => list::list(node, screen)?,
        Endpoint::Get { id } => list::get(node, parse(id)?, screen)?,
        Endpoint::Compile(arguments) => return compile::run(node, arguments, screen),
    }
    Ok(ExitCode::SUCCESS)
}

fn parse(id: &str) -> Result<EndpointId, Failure> {
    EndpointId::parse(id).map_err(|error| Failure::Input(error.to_string()))
}
