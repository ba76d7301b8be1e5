//! Everything of one attachment taken away: what DEL does, what GC does for each it finds, and how a failed
//! ADD undoes itself.
//!
//! In the order that is safe at every point: first the link, and no packet passes any more; then the
//! programs, the maps and the folder of the endpoint; then the addresses, which may belong to the next pod
//! from there on; the note last. An error ends it: what is left keeps its note, and the next call goes on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ep_builder::endpoint::EndpointId;
use ep_builder::lifecycle::{Removal, Traces};
use ep_builder::state::StateError;

use super::failures;
use super::node::Node;
use crate::attachments::{Found, Note, Stage, Wired};
use crate::error::Failure;
use crate::log::CallLog;
use crate::names::Attachment;
use crate::net::{self, HostSide};

/// What is to be removed besides the link.
#[derive(Debug, Default)]
struct Known {
    ids: BTreeSet<EndpointId>,
    addresses: BTreeSet<IpAddr>,
    /// Whether this is all: nothing else can have been made.
    is_all: bool,
}

/// Takes all of an attachment away; what is gone already is as it should be. Whoever calls it holds the
/// attachment's lock. `release` gives the addresses back.
pub(super) fn tear_down(
    node: &Node,
    attachment: &Attachment,
    log: &mut CallLog,
    release: impl FnOnce(&BTreeSet<IpAddr>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let found = node.attachments.read(attachment);
    let marked = remove_link(attachment, log)?;
    log.timeline.mark("link");
    let known = known(node, attachment, &found, marked)?;
    remove_endpoints(node, attachment, &known)?;
    log.timeline.mark("endpoint");
    release(&known.addresses)?;
    log.timeline.mark("addresses");
    node.attachments
        .remove(attachment)
        .map_err(failures::attachments)?;
    log.timeline.mark("note");
    Ok(())
}

/// The same as a part of one phase of another call, which has phases of these names itself.
pub(super) fn tear_down_within(
    node: &Node,
    attachment: &Attachment,
    log: &mut CallLog,
    release: impl FnOnce(&BTreeSet<IpAddr>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let timeline = std::mem::take(&mut log.timeline);
    let ended = tear_down(node, attachment, log, release);
    log.timeline = timeline;
    ended
}

/// Removes the host end, and with it the pod end, its addresses and its routes. Says which endpoint it was.
fn remove_link(attachment: &Attachment, log: &mut CallLog) -> Result<Option<EndpointId>, Failure> {
    let failed = failures::net("remove the pod's link");
    let host = HostSide::open().map_err(&failed)?;
    let Some(link) = host.find(&attachment.host_name()).map_err(&failed)? else {
        return Ok(None);
    };
    match host.remove(attachment).map_err(&failed)? {
        net::Removal::Removed | net::Removal::Absent => {}
        net::Removal::Foreign(link) => log.notice(format!(
            "the link {} is not ours and was left alone",
            link.name
        )),
    }
    // No alias but this attachment's own is taken for it.
    Ok(attachment.id_in(&link.alias))
}

/// What else there is. The link's mark and the note say it; where an ADD was cut short, the records do.
fn known(
    node: &Node,
    attachment: &Attachment,
    found: &Found,
    marked: Option<EndpointId>,
) -> Result<Known, Failure> {
    let mut known = Known::default();
    match found {
        Found::Note(Note { stage, .. }) => match stage {
            Stage::Wired(Wired {
                endpoint,
                addresses,
                ..
            }) => {
                known.addresses.extend(addresses);
                known.is_all = true;
                if is_ours(node, attachment, *endpoint)? {
                    known.ids.insert(*endpoint);
                } else {
                    // An earlier call got so far, or the record is gone.
                    known.is_all = marked == Some(*endpoint);
                }
            }
            Stage::Begun => known.ids = recorded(node, attachment)?,
        },
        Found::Damaged(_) => known.ids = recorded(node, attachment)?,
        Found::Nothing => {}
    }
    known.ids.extend(marked);
    Ok(known)
}

/// Whether the endpoint of this id is the attachment's: an id is free, and may be another's, as soon as its
/// folder is gone.
fn is_ours(node: &Node, attachment: &Attachment, id: EndpointId) -> Result<bool, Failure> {
    match node.store.read(id) {
        Ok(loaded) => Ok(attachment.is_of(&loaded.record.endpoint)),
        Err(StateError::Missing { .. } | StateError::NotBuilt { .. }) => Ok(false),
        // Damaged beyond reading. Another's endpoint has a link that says so.
        Err(_) => {
            let host = HostSide::open().map_err(failures::net("look at the pod's link"))?;
            let links = host
                .ours()
                .map_err(failures::net("look at the pods' links"))?;
            let theirs = |link: &net::Link| crate::names::marked_id(&link.alias) == Some(id);
            Ok(!links.iter().any(theirs))
        }
    }
}

/// The endpoints whose records name the attachment.
fn recorded(node: &Node, attachment: &Attachment) -> Result<BTreeSet<EndpointId>, Failure> {
    let records = node
        .store
        .records()
        .map_err(failures::state("look for the endpoint"))?;
    let ours = records
        .kept
        .into_iter()
        .map(|(_, record)| record.endpoint)
        .filter(|endpoint| attachment.is_of(endpoint));
    Ok(ours.map(|endpoint| endpoint.id).collect())
}

fn remove_endpoints(node: &Node, attachment: &Attachment, known: &Known) -> Result<(), Failure> {
    let removal = Removal::new(&node.settings, &node.store);
    let failed = failures::lifecycle("remove the endpoint");
    for id in &known.ids {
        let traces = Traces {
            id: *id,
            device: attachment.host_name(),
            addresses: known.addresses.clone(),
        };
        removal.delete_traces(&traces).map_err(&failed)?;
    }
    if known.is_all {
        return Ok(());
    }
    let reaped = node.store.reap_dead(false);
    // One that died between its lock and its folder is in no list.
    let reaped = reaped.and_then(|_| node.store.sweep_locks());
    reaped.map_err(failures::state(
        "give back ids that were claimed by processes that died",
    ))?;
    removal.remove_orphans().map_err(&failed)?;
    Ok(())
}
