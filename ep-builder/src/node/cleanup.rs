//! Taking the node's part away: the machine is as before.

use std::path::Path;

use super::error::NodeError;
use super::kernel;
use super::network::Network;
use super::pair;
use super::policy;
use super::programs;
use super::record::{Folder, Record, Stage, pins_in};
use crate::bpf::unpin;
use crate::endpoint::Endpoint;
use crate::health::is_health;
use crate::load::LoadError;
use crate::maps::{MapName, Maps};
use crate::settings::Settings;
use crate::sock::Sockets;
use crate::state::Store;

/// So many ids say enough.
const NAMED: usize = 8;

/// What was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// The devices that programs were taken from.
    pub devices: Vec<String>,
    /// How many programs of sockets there were.
    pub sockets: usize,
    /// Whether the node's own pair was there.
    pub pair: bool,
    /// The settings of the kernel that were put back.
    pub settings: Vec<String>,
    /// The pins.
    pub pins: Vec<String>,
    /// What could not be as before.
    pub notices: Vec<String>,
}

impl Cleaned {
    /// Whether nothing was there.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// What stays on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// Nothing: no pod is there.
    Nothing,
    /// What the next setup gives back to the pods that are there.
    WhatPodsNeed,
}

/// Whether an endpoint needs the node's part.
pub fn needs(endpoint: &Endpoint) -> bool {
    endpoint.masquerade || !endpoint.host_ports.is_empty()
}

/// Takes the node's part away: programs, pair, addresses, routes, settings and pins. Refused while endpoints need
/// it, unless `by_force`: then the next setup gives it back to them.
pub fn cleanup(settings: &Settings, store: &Store, by_force: bool) -> Result<Cleaned, NodeError> {
    let folder = Folder::of(settings);
    let _lock = folder.lock()?;
    let rest = match refuse_needed(store) {
        Ok(()) => Rest::Nothing,
        Err(NodeError::Needed { .. }) if by_force => Rest::WhatPodsNeed,
        Err(error) => return Err(error),
    };
    undo(settings, &folder, &mut Network::open()?, rest)
}

/// Refuses while endpoints need the node's part. The health endpoint does not count: it goes with it.
pub fn refuse_needed(store: &Store) -> Result<(), NodeError> {
    let records = store.records()?.kept.into_iter();
    let pods = records.map(|(_, record)| record.endpoint);
    let ids = pods.filter(|pod| needs(pod) && !is_health(pod));
    let mut ids: Vec<_> = ids.map(|endpoint| endpoint.id.get()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Ok(());
    }
    let named = ids.iter().take(NAMED).map(u16::to_string);
    let mut named: Vec<_> = named.collect();
    if ids.len() > NAMED {
        named.push("...".to_owned());
    }
    Err(NodeError::Needed {
        count: ids.len(),
        ids: named.join(", "),
    })
}

/// The work of it, for whoever has the lock.
pub(super) fn undo(
    settings: &Settings,
    folder: &Folder,
    network: &mut Network,
    rest: Rest,
) -> Result<Cleaned, NodeError> {
    let mut record = folder.read()?;
    if let Some(record) = &mut record {
        record.state = Stage::Leaving;
        folder.write(record)?;
    }
    let mut cleaned = Cleaned::default();
    cleaned.pins.extend(policy::end(settings)?);
    take_programs(settings, network, record.as_ref(), &mut cleaned)?;
    cleaned.sockets = Sockets::new(settings).remove()?;
    for name in [pair::HOST, pair::NET] {
        if let Some(link) = network.link(name)?
            && pair::is_of(&link, &settings.node.map_prefix)
        {
            cleaned.pair |= network.remove(&link)?;
        }
    }
    if let Some(record) = &record {
        let root = Path::new(kernel::ROOT);
        cleaned.notices = kernel::restore(root, &record.settings);
        let changed = record.settings.iter().filter(|it| it.before != it.wanted);
        cleaned.settings = changed.map(|it| it.file.clone()).collect();
    }
    take_pins(settings, record.as_ref(), &mut cleaned)?;
    match record {
        Some(record) if rest == Rest::WhatPodsNeed => folder.write(&record.cleaned(settings))?,
        _ => folder.remove()?,
    }
    Ok(cleaned)
}

/// Takes our programs from every device, also where the record names none: a state folder may be lost.
fn take_programs(
    settings: &Settings,
    network: &mut Network,
    record: Option<&Record>,
    cleaned: &mut Cleaned,
) -> Result<(), NodeError> {
    let known = record.map_or(&[][..], |record| record.devices.as_slice());
    for device in known {
        if programs::remove(settings, &device.facts, device.clsact())? {
            cleaned.devices.push(device.facts.name.clone());
        }
    }
    for link in network.links()?.iter().filter(|link| !link.is_pods()) {
        if programs::remove_from(settings, &link.name, link.index)? {
            cleaned.devices.push(link.name.clone());
        }
    }
    Ok(())
}

/// How the names of maps begin that no endpoint's program has, behind the prefix.
const OF_THE_NODE: [&str; 9] = [
    "policy_00000",
    "node_open",
    "snat_v4_external",
    "snat_v6_external",
    "native_cidrs",
    "node_addresses",
    "host_ports",
    "calls_hostns_",
    "calls_netdev_",
];

/// Takes the pins that came with the node's part: the maps of its programs alone, and where no endpoint is there
/// also those that its programs share with the endpoints' and that nobody had before.
fn take_pins(
    settings: &Settings,
    record: Option<&Record>,
    cleaned: &mut Cleaned,
) -> Result<(), NodeError> {
    let dir = &settings.paths.bpffs_dir;
    let maps = Maps::new(dir, &settings.node.map_prefix);
    let has_endpoints = maps
        .list()?
        .iter()
        .any(|map| matches!(map, MapName::Policy(_)));
    let of_the_node = OF_THE_NODE.map(|stem| settings.node.map_prefix.map(stem));
    for name in pins_in(dir) {
        let is_the_nodes = of_the_node.iter().any(|stem| name.starts_with(stem));
        let is_new = record.is_some_and(|record| !record.pins_before.contains(&name));
        let is_shared = is_new && !has_endpoints && maps.find(&name).is_some();
        if is_the_nodes || is_shared {
            unpin(&dir.join(&name)).map_err(LoadError::from)?;
            cleaned.pins.push(name);
        }
    }
    Ok(())
}
