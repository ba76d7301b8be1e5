//! `weir bench`: what weir costs on this machine. Numbers, and targets beside them; nothing judges them.
//!
//! Whatever is measured has folders, pins and devices of its own ([`scratch`], [`devices`]): the endpoints
//! of the node are neither seen nor touched.

mod all;
mod cni;
mod datapath;
mod devices;
mod figures;
mod load;
mod memory;
mod packets;
mod pair;
mod policy;
mod scratch;
mod template;
pub(crate) mod times;

use crate::cli::Bench;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

pub(crate) fn run(command: &Bench, node: &Node, screen: &Screen) -> Result<(), Failure> {
    match command {
        Bench::Template { rounds } => template::run(node, *rounds, screen),
        Bench::Load { endpoints } => load::run(node, *endpoints, screen),
        Bench::Datapath { rounds } => datapath::run(node, *rounds, screen),
        Bench::Policy(asked) => policy::run(node, asked, screen),
        Bench::Cni(asked) => cni::run(node, asked, screen),
        Bench::All(asked) => all::run(node, asked, screen),
    }
}
