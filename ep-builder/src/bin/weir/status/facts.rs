//! What is known of a node, as `-o json` gives it: every field is always there.

use std::net::IpAddr;

use ep_builder::endpoint::EndpointId;
use serde::Serialize;

/// All of it. A new meaning of a field is a new number of the schema; a new field is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    pub(super) schema: u32,
    pub(super) version: &'static str,
    pub(super) kernel: String,
    pub(super) templates: Templates,
    pub(super) endpoints: Endpoints,
    pub(super) node: NodePart,
    pub(super) policy: Policy,
    /// Maps that can be full, the fullest first.
    pub(super) maps: Vec<Fill>,
    pub(super) drops: Drops,
    pub(super) health: Health,
    /// What killed processes left, and what nobody uses.
    pub(super) leftovers: Vec<String>,
    /// What could not be looked at.
    pub(super) unseen: Vec<Unseen>,
}

/// Where programs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Templates {
    pub(super) cached: usize,
    pub(super) bundled: usize,
    /// The compiler that makes more; null without one.
    pub(super) compiler: Option<String>,
}

/// The endpoints by how they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoints {
    /// All that have been made, the health endpoint among them.
    pub(super) all: usize,
    pub(super) ready: usize,
    /// Being made now.
    pub(super) building: usize,
    pub(super) failing: Vec<Failing>,
    /// Those that go on, and that somebody should look at.
    pub(super) odd: Vec<Failing>,
}

/// An endpoint that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failing {
    pub(super) id: EndpointId,
    pub(super) problem: String,
}

/// The node's own part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NodePart {
    /// Whether it was ever set up.
    pub(super) is_set_up: bool,
    /// The devices that lead outside and have programs.
    pub(super) devices: Vec<String>,
    /// What the node is called.
    pub(super) addresses: Vec<IpAddr>,
    /// How many endpoints leave the node with its address.
    pub(super) masqueraded: usize,
    pub(super) host_ports: usize,
    /// What is missing.
    pub(super) missing: Vec<String>,
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Policy {
    /// The revision in force; null before the first.
    pub(super) revision: Option<u32>,
    pub(super) documents: usize,
    /// How many endpoints may be reached, or reach out, by rules only.
    pub(super) isolated_ingress: usize,
    pub(super) isolated_egress: usize,
    /// Endpoints at another revision.
    pub(super) behind: Vec<EndpointId>,
    /// Endpoints whose entries somebody has changed by hand.
    pub(super) by_hand: Vec<EndpointId>,
    /// Whether a change did not come to its end.
    pub(super) is_unsettled: bool,
    /// How many seconds a policy that waits to be confirmed stays yet; null if none waits.
    pub(super) unconfirmed_seconds: Option<u64>,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fill {
    pub(super) name: String,
    pub(super) entries: usize,
    pub(super) max_entries: usize,
    /// Rounded down, so 100 is full.
    pub(super) percent: usize,
    /// Whether it forgets what was idle longest when it is full.
    pub(super) forgets: bool,
}

/// What was dropped since the map of counters was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Drops {
    /// Packets that no rule allows, or that a rule denies.
    pub(super) by_policy: u64,
    /// All others, by reason, the most first.
    pub(super) others: Vec<Dropped>,
    /// Events that found no room.
    pub(super) lost_events: u64,
}

/// Packets that were dropped for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dropped {
    pub(super) reason: String,
    pub(super) packets: u64,
}

/// The health endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Health {
    /// Whether there is to be one.
    pub(super) is_wanted: bool,
    pub(super) endpoint: Option<EndpointId>,
    /// What became of a ping of each of its addresses.
    pub(super) pings: Vec<Ping>,
}

/// A ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ping {
    pub(super) address: IpAddr,
    /// How long the answer took; null without one.
    pub(super) microseconds: Option<u64>,
    /// Why there was none.
    pub(super) problem: Option<String>,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Unseen {
    pub(super) part: &'static str,
    pub(super) why: String,
}

impl Facts {
    /// The number of the schema.
    pub(super) const SCHEMA: u32 = 1;

    /// What is known before anything was looked at.
    pub(super) fn new(version: &'static str, kernel: String) -> Self {
        Self {
            schema: Self::SCHEMA,
            version,
            kernel,
            templates: Templates::default(),
            endpoints: Endpoints::default(),
            node: NodePart::default(),
            policy: Policy::default(),
            maps: Vec::new(),
            drops: Drops::default(),
            health: Health::default(),
            leftovers: Vec::new(),
            unseen: Vec::new(),
        }
    }
}
