//! Every key of `weir.toml`: its table, what it takes, and the field it sets.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{AllowLocalhost, ServicePort, Settings};
use crate::attach::AttachMode;
use crate::maps::Prefix;
use crate::options::{OPTIONS, OptionKind, OptionSpec};

/// The field that a key sets.
pub(super) type Slot<T> = fn(&mut Settings) -> &mut T;

/// One key. The empty table is the top level.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) table: &'static str,
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// The prefix of map names.
    Prefix,
    /// How programs are attached.
    Attach,
    /// Whether the node reaches its pods.
    Localhost,
    /// An absolute path.
    Folder(Slot<PathBuf>),
    /// An absolute path, or nothing.
    Optional(Slot<Option<PathBuf>>),
    /// Names of devices.
    Devices(Slot<Vec<String>>),
    /// Networks.
    Networks(Slot<Vec<Prefix>>),
    /// Labels, each of a key and a value.
    Labels(Slot<Vec<(String, String)>>),
    /// Ports, each with its protocol.
    Ports(Slot<Vec<ServicePort>>),
    /// On or off.
    Switch(Slot<bool>),
    /// Entries or bytes of a map.
    Size(Slot<u32>, Bounds),
    /// A plain number.
    Number(Slot<u64>, Bounds),
    /// A span of time in the unit of the key's name.
    Time(Slot<Duration>, Unit, Bounds),
    /// A row of [`OPTIONS`].
    Option(&'static OptionSpec),
}

/// The lowest and the highest number a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds(pub(super) u64, pub(super) u64);

/// A unit of time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    Seconds,
    Hours,
}

impl Unit {
    pub(super) fn span(self, count: u64) -> Duration {
        Duration::from_secs(match self {
            Self::Seconds => count,
            Self::Hours => count.saturating_mul(3_600),
        })
    }
}

/// What a key takes, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Text,
    Path,
    Switch,
    Number(Bounds),
    Devices,
    Networks,
    Labels,
    Ports,
    Either(&'static str, &'static str),
}

impl fmt::Display for Takes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text in quotes"),
            Self::Path => f.write_str("an absolute path in quotes"),
            Self::Switch => f.write_str("true or false"),
            Self::Number(Bounds(low, high)) => write!(f, "a whole number from {low} to {high}"),
            Self::Devices => f.write_str("a list of device names, each in quotes"),
            Self::Networks => {
                f.write_str("a list of networks, each in quotes as \"10.0.0.0/8\" or \"fd00::/8\"")
            }
            Self::Labels => f.write_str(
                "a list of labels, each in quotes as \"role=edge\"; kubernetes.io/hostname is the node's name",
            ),
            Self::Ports => f.write_str(
                "a list of ports, each in quotes as \"22/tcp\", \"53/udp\" or \"9/sctp\"",
            ),
            Self::Either(one, other) => write!(f, "\"{one}\" or \"{other}\""),
        }
    }
}

impl Kind {
    pub(super) fn takes(self) -> Takes {
        match self {
            Self::Prefix => Takes::Text,
            Self::Attach => Takes::Either(AttachMode::Tc.name(), AttachMode::Tcx.name()),
            Self::Localhost => {
                Takes::Either(AllowLocalhost::Always.name(), AllowLocalhost::Policy.name())
            }
            Self::Folder(_) | Self::Optional(_) => Takes::Path,
            Self::Devices(_) => Takes::Devices,
            Self::Networks(_) => Takes::Networks,
            Self::Labels(_) => Takes::Labels,
            Self::Ports(_) => Takes::Ports,
            Self::Switch(_) => Takes::Switch,
            Self::Size(_, bounds) | Self::Number(_, bounds) | Self::Time(_, _, bounds) => {
                Takes::Number(bounds)
            }
            Self::Option(spec) => match spec.kind {
                OptionKind::Switch => Takes::Switch,
                OptionKind::Level(max) => Takes::Number(Bounds(0, max.into())),
            },
        }
    }
}

/// What `shape::validate` accepts, told before the number is cut to its field's width.
const ENTRIES: Bounds = Bounds(1, 1 << 26);
const RING_BYTES: Bounds = Bounds(4_096, 1 << 30);
/// An hour: a runtime gives an ADD minutes, so a longer wait only hides a mistake.
const WAIT: Bounds = Bounds(1, 3_600);
/// Below 256 MiB no clang starts; a tebibyte is as good as no limit.
const MEMORY: Bounds = Bounds(256, 1 << 20);
/// Ten years.
const KEEP: Bounds = Bounds(0, 87_600);

/// The rows of one table.
type Rows = &'static [(&'static str, Kind)];

/// Every key but those of `[options]`, which are the rows of [`OPTIONS`].
const ROWS: [(&str, Rows); 9] = [
    (
        "",
        &[("map_prefix", Kind::Prefix), ("attach", Kind::Attach)],
    ),
    (
        "paths",
        &[
            ("state_dir", Kind::Folder(|s| &mut s.paths.state_dir)),
            ("bpf_dir", Kind::Folder(|s| &mut s.paths.bpf_dir)),
            (
                "bpf_templates_dir",
                Kind::Folder(|s| &mut s.paths.bpf_templates_dir),
            ),
            ("bundle_dir", Kind::Folder(|s| &mut s.paths.bundle_dir)),
            ("bpffs_dir", Kind::Folder(|s| &mut s.paths.bpffs_dir)),
            ("policy_dir", Kind::Folder(|s| &mut s.paths.policy_dir)),
            ("log_file", Kind::Optional(|s| &mut s.paths.log_file)),
            ("cgroup_dir", Kind::Folder(|s| &mut s.paths.cgroup_dir)),
        ],
    ),
    (
        "clang",
        &[
            ("path", Kind::Optional(|s| &mut s.clang.path)),
            (
                "timeout_seconds",
                Kind::Time(|s| &mut s.clang.timeout, Unit::Seconds, WAIT),
            ),
            (
                "memory_mib",
                Kind::Number(|s| &mut s.clang.memory_mib, MEMORY),
            ),
        ],
    ),
    (
        "cache",
        &[
            (
                "lock_timeout_seconds",
                Kind::Time(|s| &mut s.cache.lock_timeout, Unit::Seconds, WAIT),
            ),
            (
                "keep_unused_hours",
                Kind::Time(|s| &mut s.cache.keep_unused, Unit::Hours, KEEP),
            ),
        ],
    ),
    ("policy", &[("allow_localhost", Kind::Localhost)]),
    (
        "node",
        &[
            ("devices", Kind::Devices(|s| &mut s.host.devices)),
            ("native_cidrs", Kind::Networks(|s| &mut s.host.native_cidrs)),
            ("pod_cidrs", Kind::Networks(|s| &mut s.host.pod_cidrs)),
            ("health", Kind::Switch(|s| &mut s.host.health)),
            ("labels", Kind::Labels(|s| &mut s.host.labels)),
        ],
    ),
    (
        "node.firewall",
        &[
            (
                "always_open_ingress",
                Kind::Ports(|s| &mut s.host.firewall.always_open_ingress),
            ),
            (
                "always_open_egress",
                Kind::Ports(|s| &mut s.host.firewall.always_open_egress),
            ),
        ],
    ),
    (
        "datapath",
        &[
            ("ipv4", Kind::Switch(|s| &mut s.node.ipv4)),
            ("ipv6", Kind::Switch(|s| &mut s.node.ipv6)),
            (
                "routing",
                Kind::Switch(|s| &mut s.endpoint.features.routing),
            ),
            (
                "arp_responder",
                Kind::Switch(|s| &mut s.endpoint.features.arp_responder),
            ),
            (
                "host_redirect",
                Kind::Switch(|s| &mut s.endpoint.features.host_redirect),
            ),
            (
                "force_local_policy_eval_at_source",
                Kind::Switch(|s| &mut s.endpoint.features.force_local_policy_eval_at_source),
            ),
            (
                "local_delivery_metrics",
                Kind::Switch(|s| &mut s.endpoint.features.local_delivery_metrics),
            ),
        ],
    ),
    (
        "maps",
        &[
            (
                "endpoints",
                Kind::Size(|s| &mut s.node.sizes.endpoints, ENTRIES),
            ),
            (
                "ipcache",
                Kind::Size(|s| &mut s.node.sizes.ipcache, ENTRIES),
            ),
            ("policy", Kind::Size(|s| &mut s.node.sizes.policy, ENTRIES)),
            (
                "metrics",
                Kind::Size(|s| &mut s.node.sizes.metrics, ENTRIES),
            ),
            (
                "events",
                Kind::Size(|s| &mut s.node.sizes.events, RING_BYTES),
            ),
            (
                "fragments",
                Kind::Size(|s| &mut s.node.sizes.fragments, ENTRIES),
            ),
            ("snat", Kind::Size(|s| &mut s.node.sizes.snat, ENTRIES)),
            (
                "host_ports",
                Kind::Size(|s| &mut s.node.sizes.host_ports, ENTRIES),
            ),
            ("ct_tcp", Kind::Size(|s| &mut s.endpoint.ct_tcp, ENTRIES)),
            ("ct_any", Kind::Size(|s| &mut s.endpoint.ct_any, ENTRIES)),
        ],
    ),
];

/// The table of [`OPTIONS`].
const OPTIONS_TABLE: &str = "options";

/// Every key.
pub(super) fn all() -> impl Iterator<Item = Key> {
    let rows = ROWS.into_iter().flat_map(|(table, rows)| {
        rows.iter()
            .map(move |&(name, kind)| Key { table, name, kind })
    });
    rows.chain(OPTIONS.iter().map(|spec| Key {
        table: OPTIONS_TABLE,
        name: spec.key,
        kind: Kind::Option(spec),
    }))
}

/// The keys of one table.
pub(super) fn of_table(table: &str) -> impl Iterator<Item = Key> {
    all().filter(move |key| key.table == table)
}

/// The names of the tables; the top level is none of them.
pub(super) fn tables() -> impl Iterator<Item = &'static str> {
    let named = ROWS
        .into_iter()
        .map(|(table, _)| table)
        .filter(|table| !table.is_empty());
    named.chain([OPTIONS_TABLE])
}

/// The key of this name in this table.
pub(super) fn find(table: &str, name: &str) -> Option<Key> {
    of_table(table).find(|key| key.name == name)
}

/// The table by its own name, whose lifetime is the program's.
pub(super) fn table(name: &str) -> Option<&'static str> {
    tables().find(|table| *table == name)
}

/// The table of this name within another one.
pub(super) fn table_within(table: &str, name: &str) -> Option<&'static str> {
    tables().find(|known| {
        known
            .strip_prefix(table)
            .and_then(|rest| rest.strip_prefix('.'))
            == Some(name)
    })
}
