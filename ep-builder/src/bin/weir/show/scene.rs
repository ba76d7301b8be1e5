//! What there is to show of a node, as `-o json` gives it: every field is always there.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ep_builder::endpoint::EndpointId;
use serde::Serialize;

use crate::endpoint::Row as EndpointRow;
use crate::policy::show::Between;
use crate::status::{Drops, Unseen};

/// All of it. A new meaning of a field is a new number of the schema; a new field is none.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scene {
    pub(super) schema: u32,
    pub(super) version: &'static str,
    /// What the node calls itself.
    pub(super) host: String,
    pub(super) kernel: String,
    pub(super) endpoints: Vec<Endpoint>,
    /// What each endpoint of the node is called.
    pub(super) names: BTreeMap<EndpointId, String>,
    pub(super) devices: Vec<Device>,
    /// The programs of sockets, on the control group of all pods.
    pub(super) sockets: Vec<Hook>,
    /// Program arrays, each with what stands in its places.
    pub(super) tails: Vec<Tails>,
    /// Every program that stands anywhere above, by its number.
    pub(super) programs: BTreeMap<u32, Program>,
    pub(super) maps: Vec<Map>,
    pub(super) policy: Policy,
    /// What was dropped on the node since the map of counters was made.
    pub(super) drops: Drops,
    /// What could not be looked at.
    pub(super) unseen: Vec<Unseen>,
}

/// A pod's endpoint.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    /// What `weir endpoint list` says of it.
    #[serde(flatten)]
    pub(super) row: EndpointRow,
    /// The hooks of its host end.
    pub(super) hooks: Vec<Hook>,
    /// The number of the program array that its programs call into; null if it has none.
    pub(super) tails: Option<u32>,
    /// Its programs in the arrays of all endpoints, where others call them.
    pub(super) called: Vec<Called>,
}

/// A side of a device, or another place where programs are attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Hook {
    /// The section of the program that belongs there.
    pub(super) section: String,
    /// What the kernel calls the place.
    pub(super) direction: String,
    /// Everybody who stands there, in the order they are asked.
    pub(super) standing: Vec<Stand>,
}

/// Somebody on a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stand {
    /// Whether it is the program that weir put there.
    pub(super) ours: bool,
    /// `bpf`, `flower` and so on below clsact; `tcx`, `cgroup`.
    pub(super) kind: String,
    /// Of a filter below clsact.
    pub(super) priority: Option<u16>,
    /// The number of the program, if it is one.
    pub(super) program: Option<u32>,
    /// Who else it is, in words; empty for ours.
    pub(super) note: String,
}

/// A program of an endpoint in an array of all endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Called {
    /// The array.
    pub(super) map: String,
    /// The number of the program.
    pub(super) program: u32,
}

/// A device of the node with programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) ifindex: u32,
    /// `native` leads outside; `host` is the node's own end of its pair.
    pub(super) kind: &'static str,
    /// The addresses that pods have outside.
    pub(super) masquerade: Vec<IpAddr>,
    pub(super) hooks: Vec<Hook>,
    /// The number of the program array that its programs call into; null if it has none.
    pub(super) tails: Option<u32>,
}

/// A program array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Tails {
    /// The number of the map.
    pub(super) map: u32,
    /// One of the names under which it is pinned.
    pub(super) name: String,
    pub(super) slots: Vec<Slot>,
}

/// A place of a program array.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Slot {
    pub(super) slot: u32,
    /// The number of the program.
    pub(super) program: u32,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Program {
    pub(super) name: String,
    /// The digest of its instructions.
    pub(super) tag: String,
    /// How many instructions the verifier walked through.
    pub(super) verified_instructions: u32,
    /// Bytes of machine code.
    pub(super) bytes: u32,
    /// The numbers of the maps it uses, of those that are shown.
    pub(super) maps: Vec<u32>,
}

/// A map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Map {
    pub(super) id: u32,
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// Null where the map has none.
    pub(super) entries: Option<u64>,
    /// Bytes of a ring buffer.
    pub(super) max_entries: u64,
    /// Null where it cannot be full: an array, a ring buffer.
    pub(super) percent: Option<u64>,
    /// The endpoint that has it for itself; null if it is shared.
    pub(super) endpoint: Option<EndpointId>,
}

/// What the policy in force says, as far as pods are its business.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    /// Null before the first.
    pub(super) revision: Option<u32>,
    /// Who may reach whom because a rule allows it. Where nobody asks for a rule, nothing is told.
    pub(super) allowed: Vec<Allowed>,
}

/// That all of some may reach all of others, because rules say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Allowed {
    /// Who opens connections.
    pub(super) from: Side,
    /// Who is reached.
    pub(super) to: Side,
    /// The protocols and ports, and between which addresses where not between all, in words.
    pub(super) traffic: String,
    /// Between which addresses; empty for all of both.
    pub(super) only: Vec<Between>,
}

/// Some who are treated alike.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Side {
    /// The endpoints among them.
    pub(super) endpoints: Vec<EndpointId>,
    /// Who else: the node, the world, networks, in words.
    pub(super) others: Vec<String>,
}

impl Scene {
    /// The number of the schema.
    pub(super) const SCHEMA: u32 = 1;

    /// One endpoint and what it uses; none if it is not there.
    pub(super) fn of(mut self, id: EndpointId) -> Option<Self> {
        self.endpoints.retain(|it| it.row.id == id);
        let endpoint = self.endpoints.first()?;
        self.devices.clear();
        self.sockets.clear();
        self.tails.retain(|it| Some(it.map) == endpoint.tails);
        let programs = self.standing();
        self.programs.retain(|id, _| programs.contains(id));
        let used: BTreeSet<_> = self.programs.values().flat_map(|it| &it.maps).collect();
        self.maps.retain(|it| used.contains(&it.id));
        self.policy.allowed.retain(|it| it.concerns(id));
        Some(self)
    }

    /// The numbers of the programs that stand anywhere.
    pub(super) fn standing(&self) -> BTreeSet<u32> {
        let of_endpoints = self.endpoints.iter().flat_map(|it| &it.hooks);
        let of_devices = self.devices.iter().flat_map(|it| &it.hooks);
        let hooks = of_endpoints.chain(of_devices).chain(&self.sockets);
        let on_hooks = hooks.flat_map(|it| it.standing.iter().filter_map(|it| it.program));
        let called = self.endpoints.iter().flat_map(|it| &it.called);
        let in_slots = self.tails.iter().flat_map(|it| &it.slots);
        on_hooks
            .chain(called.map(|it| it.program))
            .chain(in_slots.map(|it| it.program))
            .collect()
    }

    /// The array with this number.
    pub(super) fn tails(&self, map: Option<u32>) -> Option<&Tails> {
        self.tails.iter().find(|it| Some(it.map) == map)
    }

    /// What an endpoint is called, whether it is shown or not.
    pub(super) fn name(&self, id: EndpointId) -> String {
        let name = self.names.get(&id);
        name.map_or_else(|| format!("endpoint {id}"), Clone::clone)
    }

    /// What a program is called.
    pub(super) fn program_name(&self, id: u32) -> &str {
        self.programs.get(&id).map_or("gone", |it| it.name.as_str())
    }
}

impl Allowed {
    /// Whether it is about this endpoint.
    fn concerns(&self, id: EndpointId) -> bool {
        self.from.endpoints.contains(&id) || self.to.endpoints.contains(&id)
    }
}

impl Endpoint {
    /// The pod's name, or what else it is known by.
    pub(super) fn name(&self) -> String {
        match &self.row.pod {
            Some(pod) => format!("{}/{}", pod.namespace, pod.name),
            None => format!("endpoint {}", self.row.id),
        }
    }

    /// Its addresses.
    pub(super) fn addresses(&self) -> Vec<String> {
        let ipv4 = self.row.ipv4.map(|it| it.to_string());
        let ipv6 = self.row.ipv6.map(|it| it.to_string());
        ipv4.into_iter().chain(ipv6).collect()
    }
}

impl Hook {
    /// The program of ours that stands there.
    pub(super) fn ours(&self) -> Option<u32> {
        let ours = self.standing.iter().find(|it| it.ours)?;
        ours.program
    }
}
