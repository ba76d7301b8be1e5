//! `weir node init`

use ep_builder::health::DEVICE;
use ep_builder::lifecycle::Endpoints;
use ep_builder::node::{Need, Thoroughness, ensure, status};
use ep_builder::timeline::Timeline;

use super::status::show;
use crate::cli::NodeInit;
use crate::failure::Failure;
use crate::health::{self, Done, Said};
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(super) fn run(node: &Node, said: &NodeInit, screen: &Screen) -> Result<(), Failure> {
    set_up(node)?;
    tell(&health::settle(node, Said::of(said))?);
    // The notices are said already.
    let mut status = status(&node.settings)?;
    status.notices.clear();
    show(&status, screen)
}

/// Makes or mends the node's own part, and says what the operator should know.
pub(crate) fn set_up(node: &Node) -> Result<(), Failure> {
    let need = Need {
        thoroughness: Thoroughness::Whole,
        sockets: false,
    };
    let (builder, store) = (node.builder()?, node.store()?);
    let ensured = ensure(&builder, need, &mut Timeline::default())?;
    // Their map may be a new one.
    let closed = Endpoints::new(&builder, &store).reopen_all_host_ports()?;
    for notice in ensured.notices.iter().chain(&closed) {
        talk(&format!("note: {notice}"));
    }
    Ok(())
}

impl<'a> Said<'a> {
    fn of(said: &'a NodeInit) -> Self {
        Self {
            health: said.health,
            conflist: said.conflist.as_deref(),
        }
    }
}

fn tell(done: &Done) {
    match done {
        Done::Nothing => {}
        Done::Made(path) => talk(&format!(
            "note: the health endpoint {DEVICE} was made from {}: `weir status` asks it",
            path.display()
        )),
        Done::Removed => talk(&format!("note: the health endpoint {DEVICE} was removed")),
    }
}
