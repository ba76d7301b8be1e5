//! The node's own part, where there is one or pods need one.

use ep_builder::endpoint::Endpoint;
use ep_builder::error::chain;
use ep_builder::node::{NodeError, NodeStatus, needs, recorded, status};

use super::finding::{Check, Finding, Remedy};
use crate::node::Node;

const OWN_PART: Check = Check {
    name: "node",
    why: "pods leave the node with its address, and are reached at its ports, by programs on the node's own devices and sockets",
};

/// Nothing is said of a node that was never set up and need not be.
pub(super) fn look<'a>(
    node: &Node,
    endpoints: impl IntoIterator<Item = &'a Endpoint>,
) -> Vec<Finding> {
    let count = endpoints.into_iter().filter(|it| needs(it)).count();
    match recorded(&node.settings) {
        Ok(None) if count == 0 => return Vec::new(),
        Ok(_) => {}
        Err(error) => return vec![broken(&error)],
    }
    match status(&node.settings) {
        Ok(status) => findings(&status, count),
        Err(error) => vec![broken(&error)],
    }
}

fn findings(status: &NodeStatus, count: usize) -> Vec<Finding> {
    let missing = status.missing.iter().map(|it| {
        let fix = format!("`{}`", it.fix);
        let finding = match count {
            0 => OWN_PART.warn(&it.what, fix),
            count => OWN_PART.fail(format!("{}; {count} endpoints need it", it.what), fix),
        };
        finding.with(Remedy::OwnPart)
    });
    let notices = status.notices.iter();
    let notices = notices.map(|it| OWN_PART.warn(it, "`weir node status` shows what there is"));
    let found: Vec<_> = missing.chain(notices).collect();
    if !found.is_empty() {
        return found;
    }
    let names = status.devices.iter().map(|it| it.facts.name.as_str());
    let names: Vec<_> = names.collect();
    let sockets = if status.sockets.is_empty() {
        ""
    } else {
        ", and on sockets"
    };
    vec![OWN_PART.ok(format!("its programs are on {}{sockets}", names.join(", ")))]
}

fn broken(error: &NodeError) -> Finding {
    let advice = error.advice();
    OWN_PART.fail(
        chain(error),
        advice.unwrap_or("`weir node status` tells more"),
    )
}
