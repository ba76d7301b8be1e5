//! What is known of a node, as `-o json` gives it: every field is always there.

use std::net::IpAddr;
use std::path::PathBuf;

use ep_builder::endpoint::EndpointId;
use serde::Serialize;

/// All of it. A new meaning of a field is a new number of the schema; a new field is none.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub(crate) schema: u32,
    pub(crate) version: &'static str,
    pub(crate) kernel: String,
    pub(crate) templates: Templates,
    pub(crate) endpoints: Endpoints,
    pub(crate) node: NodePart,
    pub(crate) policy: Policy,
    /// Maps that can be full, the fullest first.
    pub(crate) maps: Vec<Fill>,
    pub(crate) drops: Drops,
    pub(crate) health: Health,
    /// What `weir install` put here, and is gone.
    pub(crate) missing_files: Vec<PathBuf>,
    /// What killed processes left, and what nobody uses.
    pub(crate) leftovers: Vec<String>,
    /// What could not be looked at.
    pub(crate) unseen: Vec<Unseen>,
}

/// Where programs come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Templates {
    pub(crate) cached: usize,
    pub(crate) bundled: usize,
    /// The compiler that makes more; null without one.
    pub(crate) compiler: Option<String>,
}

/// The endpoints by how they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Endpoints {
    /// All that have been made, the health endpoint among them.
    pub(crate) all: usize,
    pub(crate) ready: usize,
    /// Being made now.
    pub(crate) building: usize,
    pub(crate) failing: Vec<Failing>,
    /// Those that go on, and that somebody should look at.
    pub(crate) odd: Vec<Failing>,
}

/// An endpoint that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Failing {
    pub(crate) id: EndpointId,
    pub(crate) problem: String,
}

/// The node's own part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodePart {
    /// Whether it was ever set up.
    pub(crate) is_set_up: bool,
    /// The devices that lead outside and have programs.
    pub(crate) devices: Vec<String>,
    /// What the node is called.
    pub(crate) addresses: Vec<IpAddr>,
    /// How many endpoints leave the node with its address.
    pub(crate) masqueraded: usize,
    pub(crate) host_ports: usize,
    /// What is missing.
    pub(crate) missing: Vec<String>,
}

/// The policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Policy {
    /// The revision in force; null before the first.
    pub(crate) revision: Option<u32>,
    pub(crate) documents: usize,
    /// How many endpoints may be reached, or reach out, by rules only.
    pub(crate) isolated_ingress: usize,
    pub(crate) isolated_egress: usize,
    /// Endpoints at another revision.
    pub(crate) behind: Vec<EndpointId>,
    /// Endpoints whose entries somebody has changed by hand.
    pub(crate) by_hand: Vec<EndpointId>,
    /// Whether a change did not come to its end.
    pub(crate) is_unsettled: bool,
    /// How many seconds a policy that waits to be confirmed stays yet; null if none waits.
    pub(crate) unconfirmed_seconds: Option<u64>,
}

/// How full a map is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fill {
    pub(crate) name: String,
    pub(crate) entries: usize,
    pub(crate) max_entries: usize,
    /// Rounded down, so 100 is full.
    pub(crate) percent: usize,
    /// Whether it forgets what was idle longest when it is full.
    pub(crate) forgets: bool,
}

/// What was dropped since the map of counters was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drops {
    /// Packets that no rule allows, or that a rule denies.
    pub(crate) by_policy: u64,
    /// All others, by reason, the most first.
    pub(crate) others: Vec<Dropped>,
    /// Events that found no room.
    pub(crate) lost_events: u64,
}

/// Packets that were dropped for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Dropped {
    pub(crate) reason: String,
    pub(crate) packets: u64,
}

/// The health endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    /// Whether there is to be one.
    pub(crate) is_wanted: bool,
    pub(crate) endpoint: Option<EndpointId>,
    /// What became of a ping of each of its addresses.
    pub(crate) pings: Vec<Ping>,
}

/// A ping.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ping {
    pub(crate) address: IpAddr,
    /// How long the answer took; null without one.
    pub(crate) microseconds: Option<u64>,
    /// Why there was none.
    pub(crate) problem: Option<String>,
}

/// Something that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Unseen {
    pub(crate) part: &'static str,
    pub(crate) why: String,
}

impl Facts {
    /// The number of the schema.
    pub(crate) const SCHEMA: u32 = 1;

    /// What is known before anything was looked at.
    pub(crate) fn new(version: &'static str, kernel: String) -> Self {
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
            missing_files: Vec::new(),
            leftovers: Vec::new(),
            unseen: Vec::new(),
        }
    }
}
