//! Who may reach whom by a rule, as edges between the rows of the picture.

use std::collections::{BTreeMap, BTreeSet};

use super::group::Group;
use super::scene::{Scene, Side};

/// Edges beyond which nobody can follow one.
const MOST: usize = 60;
/// Who is no pod of the picture, of whom so many are shown.
const PEERS: usize = 6;
/// Lines that tell what passes along one edge.
const LINES: usize = 6;

/// An edge between two rows: the groups come first, and then the peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arc {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) title: String,
}

/// Who is at one end of a rule and is no endpoint that is shown, and how many there was no room for.
pub(super) fn peers(scene: &Scene) -> (Vec<String>, usize) {
    let sides = scene.policy.allowed.iter();
    let sides = sides.flat_map(|it| [&it.from, &it.to]);
    let mut peers = BTreeSet::new();
    let mut hidden = BTreeSet::new();
    for side in sides {
        peers.extend(side.others.iter().cloned());
        let is_hidden = |id: &&_| !scene.endpoints.iter().any(|it| it.row.id == **id);
        hidden.extend(side.endpoints.iter().filter(is_hidden).copied());
    }
    peers.extend(hidden.into_iter().map(|id| scene.name(id)));
    let more = peers.len().saturating_sub(PEERS);
    (peers.into_iter().take(PEERS).collect(), more)
}

/// The edges, each once.
pub(super) fn arcs(scene: &Scene, groups: &[Group<'_>], peers: &[String]) -> Vec<Arc> {
    let mut passing = BTreeMap::<(usize, usize), BTreeSet<&str>>::new();
    for allowed in &scene.policy.allowed {
        let rows = |side| rows(scene, side, groups, peers);
        let to = rows(&allowed.to);
        for from in rows(&allowed.from) {
            for to in to.iter().filter(|to| **to != from) {
                let traffic = passing.entry((from, *to)).or_default();
                traffic.insert(&allowed.traffic);
            }
        }
    }
    let arcs = passing.into_iter().take(MOST);
    arcs.map(|((from, to), traffic)| {
        let [one, other] = [from, to].map(|row| name(row, groups, peers));
        let traffic: Vec<_> = traffic.into_iter().take(LINES).collect();
        Arc {
            from,
            to,
            title: format!("{one} may reach {other}: {}", traffic.join("; ")),
        }
    })
    .collect()
}

/// The rows in which somebody of a side stands.
fn rows(scene: &Scene, side: &Side, groups: &[Group<'_>], peers: &[String]) -> Vec<usize> {
    let has_endpoint = |group: &Group<'_>| {
        let mut endpoints = group.endpoints.iter();
        endpoints.any(|it| side.endpoints.contains(&it.row.id))
    };
    let of_groups = (0..).zip(groups);
    let of_groups = of_groups.filter(|(_, group)| has_endpoint(group));
    let has_peer = |name: &str| {
        let mut ids = side.endpoints.iter();
        side.others.iter().any(|it| it == name) || ids.any(|id| scene.name(*id) == name)
    };
    let of_peers = (groups.len()..).zip(peers);
    let of_peers = of_peers.filter(|(_, name)| has_peer(name));
    let of_groups = of_groups.map(|(row, _)| row);
    of_groups.chain(of_peers.map(|(row, _)| row)).collect()
}

fn name(row: usize, groups: &[Group<'_>], peers: &[String]) -> String {
    match groups.get(row) {
        Some(group) => match group.only() {
            Some(only) => only.name(),
            None => format!("one of {} pods", group.endpoints.len()),
        },
        None => peers.get(row - groups.len()).cloned().unwrap_or_default(),
    }
}
