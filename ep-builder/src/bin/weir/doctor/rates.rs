//! Limits of rates: whether the queue that keeps one is still there. What is inside of a pod is for CHECK.

use ep_builder::attach::Rtnl;
use ep_builder::endpoint::{Endpoint, Limit};
use ep_builder::lifecycle::other_queue;
use ep_builder::state::EndpointRecord;

use super::finding::{Check, Finding};

const LIMIT: Check = Check {
    name: "limit",
    why: "a pod whose limit is gone gets as much as others can send",
};

pub(super) fn look(records: &[&EndpointRecord]) -> Vec<Finding> {
    let endpoints = records.iter().map(|record| &record.endpoint);
    let limited = endpoints.filter_map(|endpoint| Some((endpoint, endpoint.bandwidth.ingress?)));
    let limited: Vec<_> = limited.collect();
    // Without a socket every other line says so.
    let Ok(mut rtnl) = Rtnl::open() else {
        return Vec::new();
    };
    let lost = |(endpoint, limit): &(&Endpoint, Limit)| lost(&mut rtnl, endpoint, *limit);
    let findings: Vec<_> = limited.iter().filter_map(lost).collect();
    match (limited.len(), findings.is_empty()) {
        (0, _) => Vec::new(),
        (count, true) => vec![LIMIT.ok(format!("{count} to pods in force"))],
        (_, false) => findings,
    }
}

fn lost(rtnl: &mut Rtnl, endpoint: &Endpoint, limit: Limit) -> Option<Finding> {
    // A device that is gone was told with the endpoint.
    let device = rtnl.device(&endpoint.host_ifname).ok()?;
    let other = other_queue(rtnl, &device, limit).ok()??;
    Some(LIMIT.fail(
        format!("endpoint {}: {other}", endpoint.id),
        format!("`weir endpoint regenerate {}` puts it back", endpoint.id),
    ))
}
