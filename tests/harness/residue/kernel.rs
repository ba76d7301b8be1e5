//! What bpffs has, and what the shared maps know of endpoints.
//!
//! Programs and maps themselves are not counted here: the kernel frees one when its last pin, filter, link,
//! array and descriptor is gone, and everything that could hold one is in a snapshot or has died.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ep_builder::endpoint::EndpointId;
use ep_builder::maps::{Conntrack, MapName, Maps, MapsError};
use ep_builder::sock::{NetnsMap, Owner};

/// Everything in bpffs that an endpoint may have left. `ids` are those whose places in arrays are looked at:
/// arrays have one for each endpoint there could be, and asking for all of them takes longer than an ADD.
pub(super) fn lines(maps: &Maps, ids: &BTreeSet<EndpointId>) -> Vec<String> {
    let mut lines = Vec::new();
    pins(maps, maps.folder(), &mut lines);
    if let Some(endpoints) = present(maps.endpoints()) {
        let entries = endpoints.entries().expect("a map can be read");
        lines.extend(
            entries
                .iter()
                .map(|(address, it)| format!("{address} is endpoint {}", it.lxc_id)),
        );
    }
    if let Some(ipcache) = present(maps.ipcache()) {
        let entries = ipcache.entries().expect("a map can be read");
        lines.extend(
            entries
                .iter()
                .map(|(prefix, it)| format!("{prefix} has identity {}", it.identity)),
        );
    }
    lines.extend(of_host_ports(maps));
    for name in Conntrack::all(None) {
        if let Some(map) = present(maps.conntrack(name)) {
            let entries = map.entries().expect("a map can be read");
            lines.extend(
                entries
                    .iter()
                    .map(|it| format!("connection {:?}", it.connection)),
            );
        }
    }
    if let Some(policies) = present(maps.call_policy()) {
        let filled = |id: &&EndpointId| {
            policies
                .get(id.get().into())
                .expect("a map can be read")
                .is_some()
        };
        lines.extend(
            ids.iter()
                .filter(filled)
                .map(|id| format!("policy program of endpoint {id}")),
        );
    }
    if let Some(revisions) = present(maps.policy_revisions()) {
        let set = |id: &&EndpointId| revisions.get(**id).expect("a map can be read") != 0;
        lines.extend(
            ids.iter()
                .filter(set)
                .map(|id| format!("policy revision of endpoint {id}")),
        );
    }
    lines
}

/// Whose sockets come to host ports, and where these lead.
fn of_host_ports(maps: &Maps) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(netns) = NetnsMap::find(maps).expect("a map can be opened") {
        let entries = netns.entries().expect("a map can be read");
        let owners = entries.into_iter().map(|(_, owner)| owner);
        let pods = owners.filter(|owner| *owner != Owner::Node);
        lines.extend(pods.map(|owner| format!("network namespace of {owner:?}")));
    }
    if let Some(ports) = present(maps.host_ports()) {
        let entries = ports.entries().expect("a map can be read");
        lines.extend(
            entries
                .iter()
                .map(|(port, lead)| format!("{port} leads to endpoint {}", lead.id)),
        );
    }
    lines
}

/// Every endpoint with a place in an array: slow, for the end of a test.
pub(super) fn every_id(maps: &Maps) -> BTreeSet<EndpointId> {
    let Some(policies) = present(maps.call_policy()) else {
        return BTreeSet::new();
    };
    let filled = policies.filled().expect("a map can be read");
    let ids = filled
        .iter()
        .filter_map(|(place, _)| EndpointId::new(u16::try_from(*place).ok()?).ok());
    ids.collect()
}

fn present<T>(map: Result<T, MapsError>) -> Option<T> {
    match map {
        Ok(map) => Some(map),
        Err(MapsError::Missing { .. }) => None,
        Err(error) => panic!("a map cannot be opened: {error}"),
    }
}

fn pins(maps: &Maps, folder: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.expect("pins are listed");
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            pins(maps, &entry.path(), lines);
        }
        if !is_shared(maps.find(&name)) && !is_of_a_device(&name) {
            lines.push(format!("pin {name}"));
        }
    }
}

/// The node's own devices keep their programs for the next pod.
fn is_of_a_device(name: &str) -> bool {
    let own = ["_calls_hostns_", "_calls_netdev_", "_policy_00000"];
    own.iter().any(|part| name.contains(part))
}

/// The maps of all endpoints stay: connections and counters survive the last of them.
fn is_shared(map: Option<MapName>) -> bool {
    match map {
        None | Some(MapName::Policy(_) | MapName::Calls(_)) => false,
        Some(MapName::Conntrack(map)) => map.owner.is_none(),
        Some(_) => true,
    }
}
