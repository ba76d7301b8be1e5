//! How full the maps are. Those that endpoints have each count as one: a series for each pod would outlive it.

use std::collections::BTreeMap;

use ep_builder::bpf::Map;
use ep_builder::maps::{Conntrack, MapName, MapType, Maps, MapsError};
use ep_builder::shape::MapPrefix;

use super::exposition::Exposition;
use super::table;
use crate::failure::Failure;
use crate::memory::charged;

/// The maps of a name together.
#[derive(Default)]
struct Sum {
    /// None where a map has no entries to count.
    entries: Option<u64>,
    room: u64,
    bytes: u64,
}

pub(super) fn collect(maps: &Maps, prefix: &MapPrefix, to: &mut Exposition) -> Result<(), Failure> {
    let mut sums = BTreeMap::<String, Sum>::new();
    let mut fullest = None;
    for map in maps.list()? {
        let (entries, room) = match size(maps, map) {
            Ok(size) => size,
            // Gone since the folder was read: an endpoint was detached.
            Err(MapsError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let sum = sums.entry(name(map, maps, prefix)).or_default();
        if let Some(entries) = entries {
            sum.entries = Some(sum.entries.unwrap_or(0) + entries);
            sum.room += room;
        }
        sum.bytes += memory(maps, map).unwrap_or(0);
        if let (MapName::Policy(_), Some(entries)) = (map, entries) {
            let part = ratio(entries, room);
            fullest = Some(fullest.map_or(part, |most: f64| most.max(part)));
        }
    }
    for (name, sum) in &sums {
        if let Some(entries) = sum.entries {
            to.set(&table::MAP_ENTRIES, &[name], entries);
            to.set(&table::MAP_MAX_ENTRIES, &[name], sum.room);
        }
        to.set(&table::MAP_MEMORY, &[name], sum.bytes);
    }
    if let Some(fullest) = fullest {
        to.set(&table::POLICY_FULLEST, &[], fullest);
    }
    Ok(())
}

fn size(maps: &Maps, map: MapName) -> Result<(Option<u64>, u64), MapsError> {
    let facts = maps.facts(map)?;
    let entries = match facts.definition.map_type {
        MapType::Ring => None,
        _ => maps.count(map)?,
    };
    Ok((entries.map(|count| count as u64), facts.max_entries.into()))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no map has more entries than a number of 53 bits"
)]
fn ratio(entries: u64, room: u64) -> f64 {
    entries as f64 / room.max(1) as f64
}

/// The label of a map: its name without the prefix and without what is an endpoint's or a template's own.
fn name(map: MapName, maps: &Maps, prefix: &MapPrefix) -> String {
    match map {
        MapName::Policy(_) => "policy".to_owned(),
        MapName::NodePolicy => "node_policy".to_owned(),
        MapName::Calls(_) => "calls".to_owned(),
        MapName::DeviceCalls(_) => "device_calls".to_owned(),
        MapName::Tails(_) => "tails".to_owned(),
        MapName::Conntrack(own) if own.owner.is_some() => {
            let shared = MapName::Conntrack(Conntrack { owner: None, ..own });
            let shared = bare(&maps.name(shared), prefix);
            shared.replace("_global", "_own")
        }
        other => bare(&maps.name(other), prefix),
    }
}

fn bare(name: &str, prefix: &MapPrefix) -> String {
    let prefix = prefix.map("");
    name.strip_prefix(&prefix).unwrap_or(name).to_owned()
}

/// None where the map is gone, or the kernel does not say.
fn memory(maps: &Maps, map: MapName) -> Option<u64> {
    let map = Map::open_pin(&maps.pin(map)).ok()?;
    charged(&map).ok()
}

#[cfg(test)]
mod tests {
    use ep_builder::endpoint::EndpointId;

    use super::*;

    #[test]
    fn maps_of_endpoints_have_one_name() {
        let prefix = MapPrefix::default();
        let maps = Maps::new("/nowhere", &prefix);
        let id = EndpointId::new(7).ok();
        let conntrack = |owner| MapName::Conntrack(Conntrack::all(owner)[0]);
        for (map, expected) in [
            (MapName::Policy(id.unwrap()), "policy"),
            (MapName::Calls(id.unwrap()), "calls"),
            (MapName::NodePolicy, "node_policy"),
            (MapName::Tails(9), "tails"),
            (conntrack(id), "ct4_own"),
            (conntrack(None), "ct4_global"),
            (MapName::Metrics, "metrics"),
            (MapName::Endpoints, "lxc"),
        ] {
            assert_eq!(name(map, &maps, &prefix), expected);
        }
    }
}
