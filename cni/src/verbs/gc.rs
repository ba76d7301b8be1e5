//! GC: what no runtime knows any more. Only this network's, and only when the runtime says what is valid.

use std::collections::HashSet;
use std::path::Path;

use ep_builder::lifecycle::Removal;

use super::addresses::{Addresses, Patience};
use super::failures;
use super::node::Node;
use super::teardown::tear_down;
use crate::attachments::{Found, Note, Stage, Wired};
use crate::error::{Error, Failure, Kind};
use crate::ipam::{Holder, Reservation};
use crate::log::CallLog;
use crate::names::{Attachment, ContainerId, InterfaceName};
use crate::net::{Netns, Wire};
use crate::netconf::Valid;
use crate::reply::Reply;
use crate::request::{Environment, Gc};

/// Containers and interfaces that stay.
type Kept = HashSet<(String, String)>;

/// Removes what is not valid, goes on where something cannot be removed, and reports the first such.
pub(crate) fn gc(
    request: &Gc,
    environment: &Environment,
    log: &mut CallLog,
) -> Result<Reply, Error> {
    let conf = &request.conf;
    let node = Node::open(conf.settings.as_deref(), log)?;
    let mut kept: Kept = match &request.valid {
        Valid::Unsaid => {
            log.notice("nothing was removed: the runtime did not say which attachments are valid");
            return Ok(Reply::Done);
        }
        Valid::Null => HashSet::new(),
        Valid::Listed(list) => {
            let names = list
                .iter()
                .map(|valid| (valid.container.clone(), valid.ifname.clone()));
            names.collect()
        }
    };
    let addresses = Addresses::new(&node, conf, &request.path, environment, Patience::Short);
    let mut failed = Vec::new();
    for note in notes(&node, request, &mut failed)? {
        let names = names(&note.attachment);
        if kept.contains(&names) {
            failed.extend(pardon(&node, &note).err());
            continue;
        }
        match remove(&node, &note, &addresses, log) {
            Ok(true) => log.notice(format!("removed {} of container {}", names.1, names.0)),
            Ok(false) => {
                kept.insert(names);
            }
            Err(failure) => {
                kept.insert(names);
                failed.push(failure);
            }
        }
    }
    log.timeline.mark("attachments");
    failed.extend(collect(&node, request, &addresses, &kept, log));
    log.timeline.mark("leftovers");
    failed
        .into_iter()
        .next()
        .map_or(Ok(Reply::Done), |failure| Err(failure.into()))
}

fn names(attachment: &Attachment) -> (String, String) {
    (
        attachment.container.to_string(),
        attachment.ifname.to_string(),
    )
}

/// The notes of this network. One that is damaged names no network: its pod's DEL removes it. What a disk does not give
/// may be read the next time. The health endpoint's is on no runtime's list, and goes when the operator says so.
fn notes(node: &Node, request: &Gc, failed: &mut Vec<Failure>) -> Result<Vec<Note>, Failure> {
    let all = node.attachments.list().map_err(failures::attachments)?;
    let readable = all.into_iter().filter_map(|(_, found)| match found {
        Found::Note(listed) => Some(listed),
        Found::Damaged(damage) => {
            let error = damage.of_the_disk().ok();
            failed.extend(error.map(|error| failures::attachments(error.into())));
            None
        }
        Found::Nothing => None,
    });
    let readable = readable
        .filter(|listed| listed.attachment.network == request.conf.network)
        .filter(|listed| !listed.attachment.is_health());
    Ok(readable.collect())
}

/// Removes an attachment that is not valid; says whether it is gone.
///
/// Two runtimes on one node do not know of one another's pods, and one of them must not take the other's
/// away: a pod that was wired and is alive goes at the second GC only.
fn remove(
    node: &Node,
    listed: &Note,
    addresses: &Addresses<'_>,
    log: &mut CallLog,
) -> Result<bool, Failure> {
    let attachment = &listed.attachment;
    let _lock = node
        .attachments
        .lock(attachment)
        .map_err(failures::attachments)?;
    // What it is now: it may have gone, or come again, while we waited.
    let now = match node.attachments.read(attachment) {
        Found::Note(now) => now,
        Found::Nothing => return Ok(true),
        Found::Damaged(_) => listed.clone(),
    };
    if let Stage::Wired(wired) = &now.stage
        && !wired.condemned
        && is_alive(&now)
    {
        mark(node, &now, wired, true)?;
        log.notice(format!(
            "{} of container {} is not valid and alive: the next GC removes it",
            attachment.ifname, attachment.container
        ));
        return Ok(false);
    }
    tear_down(node, attachment, log, |known| {
        addresses.release(attachment, known)
    })?;
    Ok(true)
}

/// Takes the mark of an earlier GC from a pod that is valid: another runtime's list does not add up with this.
fn pardon(node: &Node, listed: &Note) -> Result<(), Failure> {
    let attachment = &listed.attachment;
    if !matches!(&listed.stage, Stage::Wired(wired) if wired.condemned) {
        return Ok(());
    }
    let lock = node.attachments.lock(attachment);
    let _lock = lock.map_err(failures::attachments)?;
    match node.attachments.read(attachment) {
        Found::Note(now) => match &now.stage {
            Stage::Wired(wired) => mark(node, &now, wired, false),
            Stage::Begun => Ok(()),
        },
        Found::Nothing | Found::Damaged(_) => Ok(()),
    }
}

fn mark(node: &Node, known: &Note, wired: &Wired, condemned: bool) -> Result<(), Failure> {
    let marked = Note {
        stage: Stage::Wired(Wired {
            condemned,
            ..wired.clone()
        }),
        ..known.clone()
    };
    let written = node.attachments.write(&marked);
    written.map_err(failures::attachments)
}

/// Whether the namespace is there and has the interface.
fn is_alive(note: &Note) -> bool {
    let Ok(netns) = Netns::open(Path::new(&note.netns), true) else {
        return false;
    };
    let link = Wire::open(&netns).and_then(|wire| wire.pod_link(note.attachment.ifname.as_str()));
    matches!(link, Ok(Some(_)))
}

fn has_note(node: &Node, request: &Gc, container: &str, ifname: Option<&str>) -> bool {
    let attachment = || {
        Some(Attachment {
            network: request.conf.network.clone(),
            container: ContainerId::new(container).ok()?,
            ifname: InterfaceName::new(ifname?).ok()?,
        })
    };
    attachment()
        .is_some_and(|attachment| !matches!(node.attachments.read(&attachment), Found::Nothing))
}

/// What has no note: addresses, ids, pins, files of processes that died.
fn collect(
    node: &Node,
    request: &Gc,
    addresses: &Addresses<'_>,
    kept: &Kept,
    log: &mut CallLog,
) -> Vec<Failure> {
    let is_kept = |reservation: &Reservation| {
        let Holder { container, ifname } = &reservation.holder;
        let is_valid = kept
            .iter()
            .any(|(kept, own)| kept == container && ifname.as_ref().is_none_or(|name| name == own));
        // A note is older than any address: with one, an ADD may have begun since the notes were listed.
        is_valid || has_note(node, request, container, ifname.as_deref())
    };
    let mut failed = Vec::new();
    match addresses.collect(&is_kept) {
        Ok(collected) => {
            for freed in collected.freed {
                log.notice(format!("gave back {}", freed.address));
            }
            failed.extend(collected.failed.into_iter().map(|(address, error)| {
                Failure::new(Kind::Io, format!("cannot give back {address}")).source(error)
            }));
        }
        Err(failure) => failed.push(failure),
    }
    let reaped = node.store.reap_dead(false);
    failed.extend(
        reaped
            .map_err(failures::state("give back ids of processes that died"))
            .err(),
    );
    let removal = Removal::new(&node.settings, &node.store);
    let orphans = removal.remove_orphans().map(drop);
    let ports = removal.close_lost_host_ports().map(drop);
    failed.extend([orphans, ports].into_iter().filter_map(|removed| {
        let removed = removed.map_err(failures::lifecycle("remove lost endpoints"));
        removed.err()
    }));
    failed.extend(
        node.attachments
            .sweep()
            .map_err(failures::attachments)
            .err(),
    );
    let swept = node
        .store
        .sweep(false)
        .map_err(failures::state("sweep the state folder"));
    failed.extend(swept.err());
    failed
}
