//! The endpoints: each as its last generation left it, and as the policy of the node has it.

use ep_builder::attach::{Hook, Rtnl, Standing, listed};
use ep_builder::builder::Builder;
use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::error::chain;
use ep_builder::key::TemplateKey;
use ep_builder::lifecycle::{Fault, first_fault, pins};
use ep_builder::options::EndpointOptions;
use ep_builder::state::{EndpointRecord, Entry, Status};
use ep_builder::unit::Unit;

use super::finding::{Check, Finding, Remedy};
use crate::node::Node;

const ENDPOINT: Check = Check {
    name: "endpoint",
    why: "packets of a pod are judged by its programs and maps, and by nothing else",
};
const RECORD: Check = Check {
    name: "record",
    why: "what is on disk about an endpoint is what a regeneration and a DEL go by",
};
const FILTER: Check = Check {
    name: "filter",
    why: "who is asked before our program may let packets pass that nobody judged; who stands behind it is never asked",
};
const GENERATION: Check = Check {
    name: "generation",
    why: "an endpoint runs the sources and the configuration that it was made with",
};

pub(super) fn look(node: &Node, builder: Option<&Builder>, entries: &[Entry]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut records = Vec::new();
    for entry in entries {
        findings.extend(on_disk(entry));
        records.extend(crate::node::record(entry));
    }
    let faults: Vec<_> = records
        .iter()
        .filter_map(|record| in_kernel(node, record))
        .collect();
    if faults.is_empty() {
        findings.push(ENDPOINT.ok(match records.len() {
            0 => "there is none".to_owned(),
            1 => "1 is as it was attached".to_owned(),
            count => format!("{count} are as they were attached"),
        }));
    }
    findings.extend(faults);
    findings.extend(behind(node, &records));
    findings.extend(super::rates::look(&records));
    findings.extend(builder.and_then(|builder| outdated(builder, &records)));
    findings
}

/// What the folders say.
fn on_disk(entry: &Entry) -> Option<Finding> {
    let Entry::Endpoint {
        id,
        status,
        has_failed_build,
        ..
    } = entry
    else {
        return None;
    };
    let regenerate = format!("`weir endpoint regenerate {id}` writes it anew");
    match status.as_ref() {
        Status::Restored { reason, .. } | Status::Damaged { reason, .. } => Some(
            RECORD
                .fail(format!("endpoint {id}: {}", chain(reason)), regenerate)
                .with(Remedy::Regenerate(*id)),
        ),
        _ if *has_failed_build => Some(RECORD.warn(
            format!("endpoint {id}: its last build failed, and the one before goes on"),
            format!("`weir endpoint log {id}` says why; then `weir endpoint regenerate {id}`"),
        )),
        _ => None,
    }
}

/// What the kernel says.
fn in_kernel(node: &Node, record: &EndpointRecord) -> Option<Finding> {
    let endpoint = &record.endpoint;
    let id = endpoint.id;
    match first_fault(&node.settings, endpoint) {
        Ok(None) => None,
        Ok(Some(fault)) => Some(told(id, &fault)),
        Err(error) => Some(ENDPOINT.fail(
            format!("endpoint {id} cannot be looked at: {}", chain(&error)),
            error.advice().unwrap_or("see the lines above"),
        )),
    }
}

fn told(id: EndpointId, fault: &Fault) -> Finding {
    let (found, fix) = (format!("endpoint {id}: {}", chain(fault)), fault.advice(id));
    match fault {
        _ if fault.is_left_alone() => FILTER.warn(found, fix),
        Fault::NoDevice(_) => ENDPOINT.fail(found, fix),
        _ => ENDPOINT.fail(found, fix).with(Remedy::Regenerate(id)),
    }
}

/// Filters of others behind ours.
fn behind(node: &Node, records: &[&EndpointRecord]) -> Vec<Finding> {
    let Ok(mut rtnl) = Rtnl::open() else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    for record in records {
        let endpoint = &record.endpoint;
        let name = &endpoint.host_ifname;
        for (hook, standing) in standing(node, &mut rtnl, endpoint) {
            if standing.ours.is_some() && !standing.after.is_empty() {
                let direction = hook.direction();
                findings.push(FILTER.warn(
                    format!(
                        "endpoint {}: behind {hook} on the {direction} of {name} stands {}",
                        endpoint.id,
                        listed(&standing.after)
                    ),
                    format!("`tc filter show dev {name} {direction}` shows it; its owner must know that it is never asked"),
                ));
            }
        }
    }
    findings
}

fn standing(node: &Node, rtnl: &mut Rtnl, endpoint: &Endpoint) -> Vec<(Hook, Standing)> {
    // What cannot be looked at was told with the endpoint.
    let Ok(device) = rtnl.device(&endpoint.host_ifname) else {
        return Vec::new();
    };
    let pins = pins(&node.settings, endpoint.id);
    let look = |hook| {
        let link = pins.link(hook);
        let standing = Standing::look(rtnl, &device, hook, node.settings.attach, &link);
        standing.ok().map(|standing| (hook, standing))
    };
    Hook::OF_ENDPOINT.into_iter().filter_map(look).collect()
}

/// Endpoints of other templates than the sources of today give.
fn outdated(builder: &Builder, records: &[&EndpointRecord]) -> Option<Finding> {
    let mut known: Vec<(EndpointOptions, Option<TemplateKey>)> = Vec::new();
    let mut outdated = Vec::new();
    for record in records {
        let options = &record.endpoint.options;
        let same = known.iter().find(|(of, _)| of == options);
        let today = same.map_or_else(
            || {
                let shape = builder.shape_of(options);
                builder.key_at_hand(Unit::Lxc, &shape).unwrap_or_default()
            },
            |(_, key)| *key,
        );
        if same.is_none() {
            known.push((options.clone(), today));
        }
        if today.is_none() || record.template != today {
            outdated.push(record.endpoint.id.to_string());
        }
    }
    let (count, all) = (outdated.len(), records.len());
    if all == 0 {
        return None;
    }
    if count == 0 {
        return Some(GENERATION.ok("all are of the sources and the configuration of today"));
    }
    let shown = outdated
        .into_iter()
        .take(SHOWN)
        .collect::<Vec<_>>()
        .join(", ");
    let more = if count > SHOWN { ", ..." } else { "" };
    Some(GENERATION.warn(
        format!("{count} of {all} are of other sources or another configuration: {shown}{more}"),
        "`weir endpoint diff ID` shows what would change; `weir endpoint regenerate --all` takes them there without losing a packet",
    ))
}

/// Nobody reads more numbers than these.
const SHOWN: usize = 8;
