//! `weir node init`

use ep_builder::node::{Need, Thoroughness, ensure, status};
use ep_builder::timeline::Timeline;

use super::status::show;
use crate::failure::Failure;
use crate::node::Node;
use crate::screen::{Screen, talk};

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let need = Need {
        thoroughness: Thoroughness::Whole,
        sockets: false,
    };
    let ensured = ensure(&node.builder()?, need, &mut Timeline::default())?;
    for notice in &ensured.notices {
        talk(&format!("note: {notice}"));
    }
    // The notices are said already.
    let mut status = status(&node.settings)?;
    status.notices.clear();
    show(&status, screen)
}
