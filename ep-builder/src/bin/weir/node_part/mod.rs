//! `weir node`: the node's own part of the datapath.

mod cleanup;
mod init;
mod status;

use std::process::ExitCode;

use crate::cli::NodePart;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) use init::set_up;

pub(crate) fn run(command: &NodePart, node: &Node, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        NodePart::Init(said) => init::run(node, said, screen)?,
        NodePart::Status => return status::run(node, screen),
        NodePart::Cleanup { force } => cleanup::run(node, *force, screen)?,
    }
    Ok(ExitCode::SUCCESS)
}
