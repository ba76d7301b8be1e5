//! CHECK: whether everything is as ADD made it, and what is the first thing that is not.
//!
//! Runtimes ask right after ADD, behind the plugins that follow ours: what those change (routes moved to
//! other tables, hardware address, MTU, settings) is as it should be.

use std::net::IpAddr;
use std::path::Path;

use ep_builder::endpoint::Endpoint;
use ep_builder::lifecycle::first_fault;

use super::addresses::{Addresses, Patience};
use super::node::Node;
use super::{failures, host};
use crate::attachments::{Found, Note, Stage, Wired};
use crate::error::{Error, Failure, Kind};
use crate::log::CallLog;
use crate::net::{Netns, Plan, Wire, first_difference};
use crate::reply::Reply;
use crate::request::{Check, Environment};
use crate::result::Outcome;
use crate::version::Version;

/// What to do about an attachment that is not as it was made.
const ADVICE: &str =
    "let the runtime replace the pod; `weir endpoint regenerate` puts programs and maps back";

/// Compares what there is with what ADD made.
pub(crate) fn check(
    request: &Check,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    let (conf, attachment) = (&request.conf.common, &request.attachment);
    let node = Node::open(conf.settings.as_deref(), log)?;
    let wired = wired(&node, request)?;
    let made = made(&wired)?;
    same_addresses(request, &wired.addresses)?;
    let endpoint = endpoint(&node, &wired)?;
    links(request, &made, &endpoint)?;
    log.timeline.mark("links");
    datapath(&node, &endpoint)?;
    host::check(&node, &endpoint)?;
    log.timeline.mark("datapath");
    Addresses::new(&node, conf, &request.path, environment, Patience::Long)
        .check(attachment, &wired.addresses)?;
    log.timeline.mark("addresses");
    Ok(Reply::Done)
}

fn differs(what: impl Into<String>) -> Failure {
    Failure::new(Kind::Refused, what).advice(ADVICE)
}

/// What ADD noted.
fn wired(node: &Node, request: &Check) -> Result<Wired, Failure> {
    let attachment = &request.attachment;
    let unknown = |how: &str| {
        let (ifname, container) = (&attachment.ifname, &attachment.container);
        Failure::new(
            Kind::UnknownContainer,
            format!("cannot check {ifname} of container {container}: {how}"),
        )
        .advice("let the runtime replace the pod")
    };
    match node.attachments.read(attachment) {
        Found::Note(Note {
            stage: Stage::Wired(wired),
            ..
        }) => Ok(wired),
        Found::Note(Note {
            stage: Stage::Begun,
            ..
        }) => Err(unknown("its ADD did not end")),
        // A pod is not to be replaced because a disk fails for a while.
        Found::Damaged(damage) => Err(match damage.of_the_disk() {
            Ok(error) => failures::attachments(error.into()),
            Err(damage) => unknown("what is known of it is damaged").source(damage),
        }),
        Found::Nothing => Err(unknown("nothing is known of it")),
    }
}

/// What ADD answered.
fn made(wired: &Wired) -> Result<Outcome, Failure> {
    let result = ("the result of ADD".to_owned(), wired.result.clone());
    Outcome::decode(result, Version::NEWEST)
        .map_err(|fault| differs("cannot read what ADD noted").source(fault))
}

/// The runtime's result may have more than ours; less means that it is of another ADD.
fn same_addresses(request: &Check, ours: &[IpAddr]) -> Result<(), Failure> {
    let theirs: Vec<_> = request
        .expected
        .ips
        .iter()
        .map(|ip| ip.address.addr())
        .collect();
    match ours.iter().find(|address| !theirs.contains(address)) {
        None => Ok(()),
        Some(address) => Err(differs(format!(
            "prevResult does not have the address {address}, which the pod was given"
        ))),
    }
}

fn links(request: &Check, made: &Outcome, endpoint: &Endpoint) -> Result<(), Failure> {
    let netns = Netns::open(Path::new(&request.netns), true);
    let netns = netns.map_err(failures::net("look at the pod's network namespace"))?;
    let mtu = made
        .interfaces
        .iter()
        .find_map(|interface| interface.mtu)
        .unwrap_or(u32::MAX);
    let plan = Plan::new(made, mtu).map_err(failures::plan)?;
    let wire = Wire::open(&netns).map_err(failures::net("look at the pod's links"))?;
    let (attachment, bandwidth) = (&request.attachment, &endpoint.bandwidth);
    let observed = wire.observe(attachment, &plan, bandwidth);
    let observed = observed.map_err(failures::net("look at the pod's links"))?;
    match first_difference(attachment, &plan, bandwidth, &observed) {
        None => Ok(()),
        Some(difference) => {
            Err(differs("the pod's interface is not as it was made").source(difference))
        }
    }
}

fn endpoint(node: &Node, wired: &Wired) -> Result<Endpoint, Failure> {
    let loaded = node.store.read(wired.endpoint);
    let loaded = loaded.map_err(failures::state("read the endpoint's record"))?;
    Ok(loaded.record.endpoint)
}

fn datapath(node: &Node, endpoint: &Endpoint) -> Result<(), Failure> {
    let fault = first_fault(&node.settings, endpoint);
    match fault.map_err(failures::lifecycle(
        "look at the endpoint's programs and maps",
    ))? {
        None => Ok(()),
        Some(fault) => {
            let what = format!("endpoint {} is not as it was attached", endpoint.id);
            Err(differs(what).source(fault))
        }
    }
}
