//! Looks at the node. Changes nothing, and what cannot be looked at hides nothing else.

use std::path::Path;

use ep_builder::beside::beside;
use ep_builder::cache::Bundle;
use ep_builder::compile::{Clang, Search};
use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::error::chain;
use ep_builder::install::{Root, Standing};
use ep_builder::lifecycle::first_fault;
use ep_builder::maps::{BY_HAND, Maps, MapsError};
use ep_builder::node;
use ep_builder::policy::{Enforcement, state_of};
use ep_builder::state::{EndpointState, Entry, StateLayout, Status, Store};
use ep_builder::whole_file::is_absent;

use super::facts::{Endpoints, Facts, Failing, NodePart, Policy, Templates, Unseen};
use super::{counts, health};
use crate::failure::Failure;
use crate::gc;
use crate::map::maps;
use crate::node::{Node, record};

/// What looking at a part gives: or why it could not be.
type Looked<T> = Result<T, Failure>;

/// Collects parts, and what could not be seen.
struct Gatherer<'a> {
    node: &'a Node,
    unseen: Vec<Unseen>,
}

impl Gatherer<'_> {
    fn part<T: Default>(&mut self, part: &'static str, looked: Looked<T>) -> T {
        looked.unwrap_or_else(|failure| {
            let why = failure.text();
            self.unseen.push(Unseen { part, why });
            T::default()
        })
    }
}

/// Looks at everything.
pub(super) fn gather(node: &Node, version: &'static str, kernel: String) -> Facts {
    let mut gatherer = Gatherer {
        node,
        unseen: Vec::new(),
    };
    let mut facts = Facts::new(version, kernel);
    facts.templates = templates(node);
    let installed = Standing::of(&Root::Live).map_err(Failure::from);
    let missing = installed.map(|standing| standing.missing);
    facts.missing_files = gatherer.part("install", missing);
    // Nobody has made an endpoint here, and looking makes no folder.
    let has_state = !is_absent(&node.settings.paths.state_dir);
    let store = if has_state {
        node.store().map(Some)
    } else {
        Ok(None)
    };
    if let Some(store) = gatherer.part("state", store) {
        of_state(&mut gatherer, &store, &mut facts);
    }
    facts.unseen = gatherer.unseen;
    facts
}

fn of_state(gatherer: &mut Gatherer<'_>, store: &Store, facts: &mut Facts) {
    let node = gatherer.node;
    let maps = maps(node);
    let listed = store.list().map_err(Failure::from);
    let entries = gatherer.part("endpoints", listed);
    let pods: Vec<_> = entries
        .iter()
        .filter_map(record)
        .map(|it| &it.endpoint)
        .collect();
    // The two that take longest: questions to the kernel for each endpoint, and entries of maps.
    let (endpoints, (fills, drops)) = beside(
        || look_at(node, &entries),
        || (counts::fills(&maps), counts::drops(node, &maps)),
    );
    facts.endpoints = endpoints;
    facts.maps = gatherer.part("maps", fills);
    facts.drops = gatherer.part("drops", drops);
    let own_part = own_part(node, &pods);
    facts.node = gatherer.part("node", own_part);
    let ids: Vec<_> = pods.iter().map(|pod| pod.id).collect();
    let policy = policy(node, store, &maps, &ids);
    facts.policy = gatherer.part("policy", policy);
    let health = health::look(node, &entries);
    facts.health = gatherer.part("health", health);
    let leftovers = gc::collect(node, true);
    let leftovers = gatherer.part("leftovers", leftovers);
    facts.leftovers = leftovers.iter().map(gc::Removed::text).collect();
}

fn templates(node: &Node) -> Templates {
    let layout = StateLayout::new(&node.settings.paths.state_dir);
    let is_there = |folder: &Path| folder.is_dir();
    let cached = is_there(&layout.templates()).then(|| node.cache().ok()?.keys().ok());
    let bundle = is_there(&node.settings.paths.bundle_dir).then(|| node.bundle());
    let bundled = bundle
        .flatten()
        .and_then(|bundle: Bundle| bundle.keys().ok());
    Templates {
        cached: cached.flatten().map_or(0, |keys| keys.len()),
        bundled: bundled.map_or(0, |keys| keys.len()),
        compiler: compiler(&node.search(), &layout.clang()),
    }
}

/// As it is known from its last use; one that was never used is not started for this.
fn compiler(search: &Search, memory: &Path) -> Option<String> {
    let known = Clang::known(search, memory);
    let known = known.map(|clang| format!("{}, {}", clang.path.display(), clang.version));
    known.or_else(|| {
        let first = search.candidates().ok()?.into_iter().next()?;
        Some(first.display().to_string())
    })
}

fn look_at(node: &Node, entries: &[Entry]) -> Endpoints {
    let mut endpoints = Endpoints::default();
    for entry in entries {
        let Entry::Endpoint {
            id,
            status,
            has_failed_build,
            ..
        } = entry
        else {
            continue;
        };
        match judged(node, status) {
            Judged::None => continue,
            Judged::Building => {
                endpoints.building += 1;
                continue;
            }
            Judged::Ready => endpoints.ready += 1,
            Judged::Odd(problem) => {
                endpoints.ready += 1;
                endpoints.odd.push(Failing { id: *id, problem });
            }
            Judged::Failing(problem) => endpoints.failing.push(Failing { id: *id, problem }),
        }
        endpoints.all += 1;
        if *has_failed_build {
            let problem = "its last build failed, and the one before goes on".to_owned();
            endpoints.odd.push(Failing { id: *id, problem });
        }
    }
    endpoints
}

/// What somebody should look at, of an endpoint whose state is this.
pub(crate) fn problem(node: &Node, status: &Status) -> Option<String> {
    match judged(node, status) {
        Judged::Odd(problem) | Judged::Failing(problem) => Some(problem),
        Judged::None | Judged::Building | Judged::Ready => None,
    }
}

/// How an endpoint is.
enum Judged {
    /// No endpoint any more: the leftovers tell of it.
    None,
    Building,
    Ready,
    Odd(String),
    Failing(String),
}

fn judged(node: &Node, status: &Status) -> Judged {
    match status {
        Status::Claimed { in_progress: true } => Judged::Building,
        Status::Claimed { in_progress: false } | Status::Leftover => Judged::None,
        Status::Restored { reason, .. } | Status::Damaged { reason, .. } => {
            Judged::Failing(chain(reason))
        }
        Status::Ok(record) if record.state != EndpointState::Ready => {
            Judged::Failing("its last generation did not come into force".to_owned())
        }
        Status::Ok(record) => match first_fault(&node.settings, &record.endpoint) {
            Ok(None) => Judged::Ready,
            Ok(Some(fault)) if fault.is_left_alone() => Judged::Odd(chain(&fault)),
            Ok(Some(fault)) => Judged::Failing(chain(&fault)),
            Err(error) => Judged::Failing(chain(&error)),
        },
    }
}

fn own_part(node: &Node, pods: &[&Endpoint]) -> Looked<NodePart> {
    let masqueraded = pods.iter().filter(|pod| pod.masquerade).count();
    let host_ports = pods.iter().map(|pod| pod.host_ports.len()).sum();
    let is_set_up = node::recorded(&node.settings)?.is_some();
    if !is_set_up && masqueraded == 0 && host_ports == 0 {
        return Ok(NodePart::default());
    }
    let status = node::status(&node.settings)?;
    let native = status
        .devices
        .iter()
        .filter(|it| it.facts.name != node::HOST);
    let devices: Vec<_> = native.collect();
    let masquerade = devices.iter().flat_map(|it| {
        let ipv4 = it.facts.ipv4_masquerade.map(Into::into);
        ipv4.into_iter()
            .chain(it.facts.ipv6_masquerade.map(Into::into))
    });
    Ok(NodePart {
        is_set_up,
        addresses: masquerade.collect(),
        devices: devices.iter().map(|it| it.facts.name.clone()).collect(),
        masqueraded,
        host_ports,
        missing: status.missing.into_iter().map(|it| it.what).collect(),
    })
}

fn policy(node: &Node, store: &Store, maps: &Maps, ids: &[EndpointId]) -> Looked<Policy> {
    let enforcement = Enforcement::new(&node.settings, store);
    let policies = enforcement.policies();
    let revision = policies.current()?;
    let documents = match revision {
        Some(revision) => policies.basis(revision)?.set.policies.len(),
        None => 0,
    };
    let mut policy = Policy {
        revision,
        documents,
        is_unsettled: policies.is_unsettled(),
        unconfirmed_seconds: enforcement.waiting()?.map(|it| it.left.as_secs()),
        ..Policy::default()
    };
    for id in ids {
        let state = match state_of(maps, *id) {
            Ok(state) => state,
            // The line about the endpoint tells of it.
            Err(MapsError::Missing { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        policy.isolated_ingress += usize::from(state.ingress);
        policy.isolated_egress += usize::from(state.egress);
        if state.revision & u64::from(BY_HAND) != 0 {
            policy.by_hand.push(*id);
        } else if revision.is_some_and(|revision| state.revision != u64::from(revision)) {
            policy.behind.push(*id);
        }
    }
    Ok(policy)
}
