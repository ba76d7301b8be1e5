//! Conntrack and policy maps that get another size while their endpoints run.
//!
//! A map cannot grow. A new one of the wanted size takes the old one's name, with all its entries, and programs
//! come to use it when their endpoint is regenerated. Until then the old one lives in the hands of the programs
//! that use it; what they write there meanwhile is carried over when they go. Only these maps can be moved so:
//! each entry of theirs belongs to one endpoint, and nobody else asks for it.

use std::net::IpAddr;
use std::path::PathBuf;

use nix::errno::Errno;

use super::introduce::addresses;
use super::running::Running;
use super::{Endpoints, LifecycleError};
use crate::abi::{Ct4Key, Ct6Key};
use crate::bpf::{BpfError, Map, MapShape, Update, replace_pin, wait_for_running_programs};
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::LoadError;
use crate::maps::{Connection, Conntrack, Family, MapName, Maps, MapsError, Record};
use crate::policy::EnforceError;
use crate::settings::Settings;

/// A map whose name a new one has taken.
#[derive(Debug)]
pub(super) struct Moved {
    pin: PathBuf,
    old: Map,
    new: u32,
}

/// The size that the settings want a map to have; none for maps that cannot be moved.
fn wanted(map: MapName, settings: &Settings) -> Option<u32> {
    match map {
        MapName::Policy(_) => Some(settings.node.sizes.policy),
        MapName::Conntrack(Conntrack { tcp: true, .. }) => Some(settings.endpoint.ct_tcp),
        MapName::Conntrack(Conntrack { tcp: false, .. }) => Some(settings.endpoint.ct_any),
        _ => None,
    }
}

impl Endpoints<'_> {
    /// Gives the shared conntrack maps the size of the settings, and says which were moved. Endpoints use them
    /// from their next generation on, so this is for who regenerates all of them.
    pub fn resize_shared(&self) -> Result<Vec<String>, LifecycleError> {
        let all = Conntrack::all(None).map(MapName::Conntrack);
        if all.iter().all(|map| self.is_of_size(*map)) {
            return Ok(Vec::new());
        }
        // The node's lock: two who make a map of one name would divide the endpoints between them.
        let enforcement = self.enforcement();
        let _exclusive = enforcement
            .policies()
            .exclude()
            .map_err(EnforceError::from)?;
        let mut moved = Vec::new();
        for map in all {
            if let Some(Moved { old, new, .. }) = self.resize(map)? {
                let name = self.maps.name(map);
                moved.push(format!(
                    "{name} had room for {old} entries, and has for {new}",
                    old = old.shape().max_entries
                ));
            }
        }
        Ok(moved)
    }

    /// Likewise the maps of one endpoint, for the generation that is about to come. Whoever calls it has the
    /// endpoint's lock.
    pub(super) fn resize_own(&self, id: EndpointId) -> Result<Vec<Moved>, LifecycleError> {
        let own = Conntrack::all(Some(id)).map(MapName::Conntrack);
        let own = own.into_iter().chain([MapName::Policy(id)]);
        let mut other = own.filter(|map| !self.is_of_size(*map)).peekable();
        if other.peek().is_none() {
            return Ok(Vec::new());
        }
        // Whoever puts a policy in force writes to the map that is pinned.
        let enforcement = self.enforcement();
        let _shared = enforcement.policies().share().map_err(EnforceError::from)?;
        let mut moved = Vec::new();
        for map in other {
            match self.resize(map) {
                Ok(one) => moved.extend(one),
                Err(error) => {
                    undo(moved)?;
                    return Err(error);
                }
            }
        }
        Ok(moved)
    }

    /// What cannot be looked at is found by whoever uses it.
    fn is_of_size(&self, map: MapName) -> bool {
        let facts = self.maps.facts(map).ok();
        let wanted = wanted(map, self.builder.settings());
        facts
            .zip(wanted)
            .is_none_or(|(facts, wanted)| facts.max_entries == wanted)
    }

    fn resize(&self, map: MapName) -> Result<Option<Moved>, LifecycleError> {
        let pin = self.maps.pin(map);
        let wanted = wanted(map, self.builder.settings());
        let old = Map::find_pin(&pin).map_err(LoadError::from)?;
        let Some((old, new)) = old
            .zip(wanted)
            .filter(|(old, new)| old.shape().max_entries != *new)
        else {
            return Ok(None);
        };
        let shape = MapShape {
            max_entries: new,
            ..old.shape()
        };
        let take_place = || {
            let made = Map::create(&self.maps.name(map), shape)?;
            copy(&old, &made, Update::Any, |_| true)?;
            replace_pin(&pin, |path| made.pin(path))
        };
        take_place().map_err(LoadError::from)?;
        Ok(Some(Moved { pin, old, new }))
    }
}

/// Gives the old maps their names back: the generation for which they were moved did not come.
pub(super) fn undo(moved: Vec<Moved>) -> Result<(), LifecycleError> {
    for Moved { pin, old, .. } in moved {
        replace_pin(&pin, |path| old.pin(path)).map_err(LoadError::from)?;
    }
    Ok(())
}

/// The conntrack maps that an endpoint's programs use, and that are not those of their names any more.
#[derive(Debug)]
pub(super) struct Left {
    maps: Vec<(Map, Map, Family)>,
    addresses: Vec<IpAddr>,
}

impl Left {
    /// Looks which maps a new generation would leave.
    pub(super) fn of(maps: &Maps, endpoint: &Endpoint) -> Result<Self, LifecycleError> {
        let mut left = Self {
            maps: Vec::new(),
            addresses: addresses(endpoint),
        };
        let running = match Running::look(maps, endpoint.id, Vec::new()) {
            // Without its tail programs nobody knows what it used.
            Err(LifecycleError::Maps(MapsError::Missing { .. })) => return Ok(left),
            running => running?,
        };
        for owner in [None, Some(endpoint.id)] {
            for conntrack in Conntrack::all(owner) {
                let name = maps.name(MapName::Conntrack(conntrack));
                let pinned = Map::find_pin(&maps.pin(MapName::Conntrack(conntrack)));
                let used = running.map_called(&name).map(|map| map.id);
                let (Some(pinned), Some(used)) = (pinned.map_err(LoadError::from)?, used) else {
                    continue;
                };
                let is_left = pinned.info().map_err(LoadError::from)?.id != used;
                if is_left {
                    let used = Map::open_id(used).map_err(LoadError::from)?;
                    left.maps.push((used, pinned, conntrack.family));
                }
            }
        }
        Ok(left)
    }

    /// Carries over what came in after the first time, when no program writes there any more.
    pub(super) fn carry_rest(&self) -> Result<(), LifecycleError> {
        if self.maps.is_empty() {
            return Ok(());
        }
        wait_for_running_programs();
        self.carry(Update::Create)
    }

    /// Carries the endpoint's connections over.
    pub(super) fn carry(&self, update: Update) -> Result<(), LifecycleError> {
        for (used, pinned, family) in &self.maps {
            let is_ours = |key: &[u8]| {
                let connection = match family {
                    Family::Ipv4 => Connection::from(&Ct4Key::from_bytes(key)),
                    Family::Ipv6 => Connection::from(&Ct6Key::from_bytes(key)),
                };
                self.addresses.contains(&connection.pod.ip())
            };
            copy(used, pinned, update, is_ours).map_err(LoadError::from)?;
        }
        Ok(())
    }
}

/// Writes the entries of one map that are wanted into another one of the same kind.
fn copy(
    from: &Map,
    to: &Map,
    update: Update,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Result<(), BpfError> {
    for key in from.keys() {
        let key = key?;
        if !is_wanted(&key) {
            continue;
        }
        let Some(value) = from.lookup(&key)? else {
            continue;
        };
        match to.update(&key, &value, update) {
            // The new generation has made it itself.
            Err(error) if error.errno() == Some(Errno::EEXIST) => {}
            written => written?,
        }
    }
    Ok(())
}
