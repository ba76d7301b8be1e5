//! `weir calls`: what the log of weir-cni tells of its calls.

mod bars;
mod chosen;
mod draw;
mod line;
mod list;
mod log;
mod phases;
mod show;
mod spread;
#[cfg(test)]
mod tests;

pub(crate) use bars::{bars, time};
pub(crate) use line::{Call, Phases};
pub(crate) use log::Log;

use crate::cli::{CallCommand, Calls};
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;
use chosen::{Wanted, read};

pub(crate) fn run(command: &Calls, node: &Node, screen: &Screen) -> Result<(), Failure> {
    match command {
        Calls::List { last, chosen } => {
            let calls = read(node, &Wanted::of(chosen), *last)?;
            list::show(&calls, screen)
        }
        Calls::Show(chosen) => {
            let wanted = Wanted::of(chosen).or_command(CallCommand::Add);
            show::show(&read(node, &wanted, 1)?, &wanted, screen)
        }
        Calls::Phases { last, chosen } => {
            // Of one that failed the times say where it failed, and not how long it takes.
            let wanted = Wanted::of(chosen)
                .or_command(CallCommand::Add)
                .or_succeeded();
            phases::show(&read(node, &wanted, *last)?, &wanted, screen)
        }
    }
}
