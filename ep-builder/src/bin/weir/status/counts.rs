//! What the maps hold: how full they are, and what was counted.

use ep_builder::maps::{EVENT_LOST, FORWARDED, MapName, MapType, Maps, MapsError};

use super::facts::{Dropped, Drops, Fill};
use crate::bpf::names::vocabulary;
use crate::failure::Failure;
use crate::node::Node;

/// The reasons of packets that policy judged begin so.
const POLICY: &str = "POLICY";

/// How full each map is that can be, the fullest first.
pub(super) fn fills(maps: &Maps) -> Result<Vec<Fill>, Failure> {
    let mut fills = Vec::new();
    for map in maps.list()?.into_iter().filter(|map| fills_up(*map)) {
        match fill(maps, map) {
            Ok(fill) => fills.push(fill),
            // Gone since the folder was read: an endpoint was detached.
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fills.sort_by(|one, other| {
        let part = |it: &Fill, of: &Fill| it.entries.saturating_mul(of.max_entries);
        let fuller = part(other, one).cmp(&part(one, other));
        fuller.then_with(|| one.name.cmp(&other.name))
    });
    Ok(fills)
}

/// Arrays are always as long as they are, and rings go round.
pub(crate) fn fills_up(map: MapName) -> bool {
    let kind = map.definition().map_type;
    matches!(kind, MapType::Hash | MapType::Lru | MapType::Trie)
}

fn fill(maps: &Maps, map: MapName) -> Result<Fill, MapsError> {
    let facts = maps.facts(map)?;
    let entries = maps.count(map)?.unwrap_or_default();
    let max_entries = usize::try_from(facts.max_entries).unwrap_or(usize::MAX);
    Ok(Fill {
        name: maps.name(map),
        entries,
        max_entries,
        percent: entries.saturating_mul(100) / max_entries.max(1),
        forgets: facts.definition.map_type == MapType::Lru,
    })
}

/// What was dropped. Without the map nothing was.
pub(crate) fn drops(node: &Node, maps: &Maps) -> Result<Drops, Failure> {
    let counters = match maps.metrics() {
        Ok(metrics) => metrics.counters()?,
        Err(MapsError::Missing { .. }) => return Ok(Drops::default()),
        Err(error) => return Err(error.into()),
    };
    let names = vocabulary(node);
    let mut drops = Drops::default();
    for counter in &counters {
        let name = names.counted(counter.reason).name;
        match counter.reason {
            FORWARDED => {}
            EVENT_LOST => drops.lost_events = drops.lost_events.wrapping_add(counter.packets),
            _ if name.starts_with(POLICY) => {
                drops.by_policy = drops.by_policy.wrapping_add(counter.packets);
            }
            _ => add(&mut drops.others, name, counter.packets),
        }
    }
    drops.others.sort_by_key(|it| std::cmp::Reverse(it.packets));
    Ok(drops)
}

/// Both directions of a reason are one line.
fn add(others: &mut Vec<Dropped>, reason: String, packets: u64) {
    match others.iter_mut().find(|it| it.reason == reason) {
        Some(known) => known.packets = known.packets.wrapping_add(packets),
        None => others.push(Dropped { reason, packets }),
    }
}
