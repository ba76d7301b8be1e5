//! How full the maps are that can be full. Those that every endpoint has for itself are one bar once there are many.

use super::scene::{Map, Scene};

/// So many endpoints' own maps are shown one by one.
const ALONE: usize = 4;
/// Bars in a picture.
const MOST: usize = 16;

/// One bar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bar {
    pub(super) name: String,
    /// The name for those who point at it.
    pub(super) about: String,
    pub(super) entries: u64,
    pub(super) max_entries: u64,
    /// Of several maps that of the fullest.
    pub(super) percent: u64,
    pub(super) thousandths: u32,
}

/// The bars, the fullest first, and how many there was no room for.
pub(super) fn bars(scene: &Scene) -> (Vec<Bar>, usize) {
    let own = |it: &&Map| it.endpoint.is_some() && it.percent.is_some();
    let owned: Vec<_> = scene.maps.iter().filter(own).collect();
    let shared = scene.maps.iter().filter(|it| it.endpoint.is_none());
    let mut bars: Vec<_> = shared.filter_map(bar).collect();
    if owned.len() <= ALONE {
        bars.extend(owned.into_iter().filter_map(bar));
    } else {
        bars.extend(fullest_of(&owned));
    }
    bars.sort_by(|one, other| {
        let fuller = other.thousandths.cmp(&one.thousandths);
        fuller.then_with(|| one.name.cmp(&other.name))
    });
    let more = bars.len().saturating_sub(MOST);
    bars.truncate(MOST);
    (bars, more)
}

fn bar(map: &Map) -> Option<Bar> {
    let entries = map.entries?;
    Some(Bar {
        name: map.name.clone(),
        about: map.name.clone(),
        entries,
        max_entries: map.max_entries,
        percent: map.percent?,
        thousandths: thousandths(entries, map.max_entries),
    })
}

fn fullest_of(maps: &[&Map]) -> Option<Bar> {
    let bars = maps.iter().filter_map(|map| bar(map));
    let fullest = bars.max_by_key(|it| it.thousandths)?;
    let name = format!("{} endpoints' own", maps.len());
    let about = format!("the fullest of {}, {}", maps.len(), fullest.name);
    Some(Bar {
        name,
        about,
        ..fullest
    })
}

fn thousandths(entries: u64, max_entries: u64) -> u32 {
    let part = entries.saturating_mul(1000) / max_entries.max(1);
    // An entry is seen in the largest map.
    let part = part.max(u64::from(entries > 0));
    u32::try_from(part).unwrap_or(1000).min(1000)
}
