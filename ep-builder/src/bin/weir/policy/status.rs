//! `weir policy status`: which policy is in force, and for how long.

use ep_builder::maps::MapsError;
use ep_builder::policy::{Enforcement, Holder};
use serde::Serialize;

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::Screen;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    /// The revision in force; null before the first one.
    revision: Option<u32>,
    /// How long it waits yet to be confirmed; null if it does not.
    confirm_within_seconds: Option<u64>,
    /// Whether a policy judges the node itself; null where the node's part is not there.
    node_judged: Option<bool>,
}

pub(super) fn run(node: &Node, screen: &Screen) -> Result<(), Failure> {
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let report = Report {
        revision: enforcement.policies().current()?,
        confirm_within_seconds: enforcement.waiting()?.map(|it| it.left.as_secs()),
        node_judged: judged(&enforcement)?,
    };
    let lines = [
        (
            "revision",
            report.revision.map_or("-".to_owned(), |it| it.to_string()),
        ),
        (
            "waits",
            report
                .confirm_within_seconds
                .map_or("no".to_owned(), |left| {
                    format!("to be confirmed, {left} seconds yet: `weir policy confirm`")
                }),
        ),
        (
            "node",
            match report.node_judged {
                Some(true) => "judged: `weir policy get node`",
                Some(false) => "not judged",
                None => "not judged: its part is not there (`weir node init`)",
            }
            .to_owned(),
        ),
    ];
    screen.object(&report, &lines)
}

fn judged(enforcement: &Enforcement<'_>) -> Result<Option<bool>, Failure> {
    if !enforcement.has_node()? {
        return Ok(None);
    }
    match enforcement.revision_of(Holder::Node) {
        Ok(revision) => Ok(Some(revision != 0)),
        Err(MapsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
