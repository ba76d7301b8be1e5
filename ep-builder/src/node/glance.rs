//! A look at the node: whether all that was made is there. It asks the kernel some questions, and their number does
//! not depend on pods.

use super::addresses::Address;
use super::error::NodeError;
use super::links::Link;
use super::network::Network;
use super::pair;
use super::plan::{choose_sources, node_addresses};
use super::programs;
use super::record::{DeviceRecord, Folder, Record, Stage, Wanted};
use crate::device::{DeviceFacts, DeviceKind};
use crate::endpoint::MacAddr;
use crate::settings::Settings;
use crate::sock::Sockets;

/// What a look at the node found.
pub(super) enum Glance {
    /// All that was made is there.
    AsMade(Box<Record>),
    /// Something is not, with what is known of the node.
    Differs(Option<Box<Record>>, String),
}

/// Compares what there is with what was made: a few questions, whose number does not depend on pods.
pub(super) fn glance(
    settings: &Settings,
    folder: &Folder,
    network: &mut Network,
) -> Result<Glance, NodeError> {
    let record = match folder.read()? {
        Some(record) if record.state != Stage::Cleaned => record,
        rest => {
            let why = "the node was not set up".to_owned();
            return Ok(Glance::Differs(rest.map(Box::new), why));
        }
    };
    let difference = match difference(settings, &record, network)? {
        None => in_programs(settings, &record)?,
        some => some,
    };
    Ok(match difference {
        None => Glance::AsMade(Box::new(record)),
        Some(why) => Glance::Differs(Some(Box::new(record)), why),
    })
}

/// The first thing of the node's part that is not as it was made. Changes nothing.
pub fn first_difference(settings: &Settings) -> Result<Option<String>, NodeError> {
    let glance = glance(settings, &Folder::of(settings), &mut Network::open()?)?;
    Ok(match glance {
        Glance::AsMade(_) => None,
        Glance::Differs(_, why) => Some(why),
    })
}

/// Whether the node could be set up, as far as that can be told without doing anything.
pub fn possible(settings: &Settings) -> Result<(), NodeError> {
    let mut network = Network::open()?;
    let mut ends = Vec::new();
    for name in [pair::HOST, pair::NET] {
        ends.extend(network.link(name)?);
    }
    refuse_others(settings, &ends)
}

/// Refuses devices of the pair's names that others have.
pub(super) fn refuse_others(settings: &Settings, links: &[Link]) -> Result<(), NodeError> {
    let prefix = &settings.node.map_prefix;
    let ends = links
        .iter()
        .filter(|link| [pair::HOST, pair::NET].contains(&link.name.as_str()));
    for link in ends {
        let name = link.name.clone();
        if !link.is_ours() {
            return Err(NodeError::Foreign { name });
        }
        if !pair::is_of(link, prefix) {
            let alias = link.alias.clone();
            return Err(NodeError::OtherSet { name, alias });
        }
    }
    Ok(())
}

/// The first difference in configuration, devices and addresses.
fn difference(
    settings: &Settings,
    record: &Record,
    network: &mut Network,
) -> Result<Option<String>, NodeError> {
    if record.state != Stage::Ready {
        return Ok(Some(
            "an earlier setup of the node was cut short".to_owned(),
        ));
    }
    if record.wanted != Wanted::of(settings) {
        return Ok(Some("weir.toml asks for something else".to_owned()));
    }
    for device in &record.devices {
        let facts = &device.facts;
        let is_there = network.link_at(facts.ifindex)?.is_some_and(|link| {
            let mac = link.mac.unwrap_or(MacAddr([0; 6]));
            (&link.name, mac) == (&facts.name, facts.mac)
                && (facts.kind == DeviceKind::Native || link.is_ours() && link.is_up)
        });
        if !is_there {
            let what = format!("the device {} is not as it was", facts.name);
            return Ok(Some(what));
        }
    }
    let addresses = network.addresses()?;
    for device in record.natives() {
        if sources(settings, device, &addresses) != device.facts {
            let what = format!("the addresses of {} are others", device.facts.name);
            return Ok(Some(what));
        }
    }
    let is_same = node_addresses(&addresses) == record.addresses;
    Ok((!is_same).then(|| "the addresses of the node are others".to_owned()))
}

/// The facts of a device with the sources that would be chosen now.
fn sources(settings: &Settings, device: &DeviceRecord, addresses: &[Address]) -> DeviceFacts {
    let mut facts = device.facts.clone();
    choose_sources(&mut facts, settings, addresses, device.hints, Some(device));
    facts
}

/// The first device whose programs are not there; then those of sockets.
fn in_programs(settings: &Settings, record: &Record) -> Result<Option<String>, NodeError> {
    for device in &record.devices {
        if !programs::stand(settings, &device.facts)? {
            return Ok(Some(format!(
                "the programs of {} are gone",
                device.facts.name
            )));
        }
    }
    let sockets = Sockets::new(settings);
    let is_whole = !record.sockets || sockets.stand()?;
    Ok((!is_whole).then(|| "the programs of sockets are gone".to_owned()))
}
