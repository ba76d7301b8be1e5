//! What is shared by all endpoints: sizes of maps, policy, and what nobody uses any more.

use ep_builder::endpoint::EndpointId;
use ep_builder::error::chain;
use ep_builder::maps::{BY_HAND, Conntrack, MapName, Maps, MapsError, MetricsMap};
use ep_builder::policy::Enforcement;
use ep_builder::settings::Settings;

use super::finding::{Check, Finding, Remedy};
use crate::failure::Failure;
use crate::gc;
use crate::node::Node;

const MAPS: Check = Check {
    name: "maps",
    why: "a map keeps its size and layout: where another is asked for, no pod can be attached or regenerated",
};
const POLICY: Check = Check {
    name: "policy",
    why: "a packet is judged by the entries of the revision at which its endpoint stands",
};
const LEFTOVERS: Check = Check {
    name: "leftovers",
    why: "what killed processes left, and what nobody uses, takes memory and names",
};

pub(super) fn look(node: &Node, ids: &[EndpointId]) -> Vec<Finding> {
    let settings = &node.settings;
    let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
    let mut findings = vec![pinned(&maps, settings)];
    findings.extend(policy(node, &maps, ids));
    findings.push(leftovers(node));
    findings
}

/// The size that a map should have; none where nobody sets it.
fn wanted(map: MapName, settings: &Settings) -> Option<u32> {
    let sizes = &settings.node.sizes;
    match map {
        MapName::Endpoints => Some(sizes.endpoints),
        MapName::Ipcache => Some(sizes.ipcache),
        MapName::Metrics => Some(sizes.metrics.max(MetricsMap::PLACES)),
        MapName::Events => Some(sizes.events),
        MapName::Policy(_) | MapName::NodePolicy => Some(sizes.policy),
        MapName::Frag4 | MapName::Frag6 => Some(sizes.fragments),
        MapName::Snat(_) => Some(sizes.snat),
        MapName::HostPorts => Some(sizes.host_ports),
        MapName::Conntrack(Conntrack { tcp: true, .. }) => Some(settings.endpoint.ct_tcp),
        MapName::Conntrack(Conntrack { tcp: false, .. }) => Some(settings.endpoint.ct_any),
        _ => None,
    }
}

fn pinned(maps: &Maps, settings: &Settings) -> Finding {
    let all = match maps.list() {
        Ok(all) => all,
        Err(error) => return broken(&error),
    };
    let mut other = Vec::new();
    for map in &all {
        let facts = match maps.facts(*map) {
            Ok(facts) => facts,
            Err(MapsError::Missing { .. }) => continue,
            Err(error) => return broken(&error),
        };
        let (name, want) = (maps.name(*map), map.definition());
        if *map != MapName::Running && facts.definition != want {
            other.push(format!(
                "{name} has {}, and needed is {want}",
                facts.definition
            ));
        }
        if let Some(size) = wanted(*map, settings).filter(|size| *size != facts.max_entries) {
            other.push(format!(
                "{name} has room for {}, and weir.toml says {size}",
                facts.max_entries
            ));
        }
    }
    if other.is_empty() {
        return MAPS.ok(match all.len() {
            0 => "none is pinned: the first endpoint makes them".to_owned(),
            count => format!("{count} are pinned, of the sizes that weir.toml says"),
        });
    }
    MAPS.fail(
        other.join("; "),
        "set [maps] back to what is pinned; `weir endpoint regenerate --all` moves conntrack and policies to other sizes, the rest keeps its size while a pod runs",
    )
}

fn broken(error: &MapsError) -> Finding {
    MAPS.fail(
        chain(error),
        error.advice().unwrap_or("see the line about bpffs"),
    )
}

fn policy(node: &Node, maps: &Maps, ids: &[EndpointId]) -> Option<Finding> {
    let store = node.store().ok()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    let policies = enforcement.policies();
    let apply = "`weir policy apply` puts it in force everywhere";
    let current = match policies.current() {
        Ok(current) => current,
        Err(error) => {
            let advice = error.advice().unwrap_or(apply);
            return Some(POLICY.fail(chain(&error), advice));
        }
    };
    if policies.is_unsettled() {
        return Some(POLICY.warn(
            "a change of the policy did not come to its end",
            "`weir gc` brings it there; so does the next change",
        ));
    }
    if let Ok(false) = enforcement.has_basis() {
        return Some(POLICY.fail(
            "what new identities are compiled from is missing or damaged: pods with new labels are refused",
            "`weir endpoint regenerate --all` writes it, and leaves the policy as it is",
        ));
    }
    let revisions = match maps.policy_revisions() {
        Ok(revisions) => revisions,
        Err(MapsError::Missing { .. }) => return None,
        Err(error) => return Some(broken(&error)),
    };
    let at = |id: &EndpointId| Some((*id, revisions.get(*id).ok()?));
    let at: Vec<_> = ids.iter().filter_map(at).collect();
    let names = |chosen: &dyn Fn(u32) -> bool| {
        let chosen = at.iter().filter(|(_, revision)| chosen(*revision));
        chosen
            .map(|(id, _)| id.to_string())
            .collect::<Vec<_>>()
            .join(", ")
    };
    let by_hand = names(&|revision| revision & BY_HAND != 0);
    if !by_hand.is_empty() {
        return Some(POLICY.warn(format!("changed by hand at endpoints {by_hand}"), apply));
    }
    let in_force = current.unwrap_or_default();
    let other = names(&|revision| current.is_some() && revision != in_force);
    Some(match (other.is_empty(), current) {
        (true, None) => POLICY.ok("none: every pod may talk to everybody"),
        (true, Some(revision)) => POLICY.ok(format!("revision {revision} is in force everywhere")),
        (false, _) => POLICY.fail(
            format!("revision {in_force} is in force, and not at endpoints {other}"),
            apply,
        ),
    })
}

fn leftovers(node: &Node) -> Finding {
    match gc::collect(node, true) {
        Ok(found) if found.is_empty() => LEFTOVERS.ok("none"),
        Ok(found) => {
            let what: Vec<_> = found.iter().map(gc::Removed::text).collect();
            LEFTOVERS
                .warn(what.join("; "), "`weir gc` takes it away")
                .with(Remedy::Collect)
        }
        Err(failure) => LEFTOVERS.fail(Failure::text(&failure), "`weir gc --dry-run` tells more"),
    }
}
