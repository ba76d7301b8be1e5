//! What the node itself does for pods: those that leave it with its address, or have ports of it, need programs
//! on the devices that lead outside, and every pod of theirs calls it by its network's gateway.

use ep_builder::builder::Builder;
use ep_builder::endpoint::Endpoint;
use ep_builder::maps::Prefix;
use ep_builder::node::{self, Ensured, Need, PodNetwork, Thoroughness};
use ep_builder::timeline::Timeline;

use super::failures;
use super::node::Node;
use crate::error::{Failure, Kind};
use crate::log::CallLog;
use crate::netconf::NetConf;
use crate::result::{Address, Outcome};

/// What is attempted, in messages.
const SET_UP: &str = "set up the node for its pods";

fn is_needed(conf: &NetConf) -> bool {
    conf.ip_masq || !conf.runtime.port_mappings.is_empty()
}

/// Sets the node up if the pod needs it; if it is, that costs some questions to the kernel.
pub(super) fn ensure(
    builder: &Builder,
    conf: &NetConf,
    timeline: &mut Timeline,
) -> Result<Option<Ensured>, Failure> {
    if !is_needed(conf) {
        return Ok(None);
    }
    let need = Need {
        thoroughness: Thoroughness::Glance,
        sockets: !conf.runtime.port_mappings.is_empty(),
    };
    let ensured = node::ensure(builder, need, timeline);
    ensured.map(Some).map_err(failures::node(SET_UP))
}

/// Tells what was done, and has the node take up the networks of the pod's addresses.
pub(super) fn join(
    node: &Node,
    ensured: Option<&Ensured>,
    outcome: &Outcome,
    log: &mut CallLog,
) -> Result<(), Failure> {
    let Some(ensured) = ensured else {
        return Ok(());
    };
    if let Some(why) = &ensured.done {
        log.notice(format!("the node was set up: {why}"));
    }
    let notices = node::join(&node.settings, ensured, &networks(outcome));
    let notices = notices.map_err(failures::node(SET_UP))?;
    let all = ensured.notices.iter().chain(&notices);
    all.for_each(|notice| log.notice(notice.as_str()));
    log.timeline.mark("networks");
    Ok(())
}

/// The networks that the addresses are in, with their gateways.
fn networks(outcome: &Outcome) -> Vec<PodNetwork> {
    let network = |it: &Address| {
        let network = Prefix::around(it.address.addr(), it.address.prefix_len());
        Some(PodNetwork {
            network: network.ok()?,
            gateway: it.gateway,
        })
    };
    outcome.ips.iter().filter_map(network).collect()
}

/// Whether the node could be set up for such pods.
pub(super) fn possible(node: &Node, conf: &NetConf) -> Result<(), Failure> {
    if !is_needed(conf) {
        return Ok(());
    }
    node::possible(&node.settings).map_err(failures::node(SET_UP))
}

/// Whether the node still is what an endpoint needs.
pub(super) fn check(node: &Node, endpoint: &Endpoint) -> Result<(), Failure> {
    if !endpoint.masquerade && endpoint.host_ports.is_empty() {
        return Ok(());
    }
    let difference = node::first_difference(&node.settings);
    match difference.map_err(failures::node("look at the node's own part"))? {
        None => Ok(()),
        Some(what) => Err(Failure::new(
            Kind::Refused,
            format!("the node is not as its pods need it: {what}"),
        )
        .advice("`weir node init` puts it right")),
    }
}
