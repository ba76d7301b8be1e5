//! Which maps there are: their names, and what each must be. No I/O.

use std::fmt;

use crate::abi::{
    Ct4Key, Ct6Key, CtValue, EndpointKey, EndpointValue, Frag4Key, Frag6Key, FragValue,
    HostPortKey, HostPortValue, IpcacheKey, IpcacheValue, Layout, MetricsKey, MetricsValue,
    NativeCidrKey, NodeOpenKey, PolicyKey, PolicyValue, Snat4Key, Snat4Value, Snat6Key, Snat6Value,
    SockAskedKey, SockAskedValue,
};
use crate::device::DeviceId;
use crate::endpoint::EndpointId;
use crate::shape::MapPrefix;

/// A map of the datapath.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MapName {
    /// An endpoint's policy.
    Policy(EndpointId),
    /// The node's own policy.
    NodePolicy,
    /// The ports of the node that are open whatever its policy says.
    NodeOpen,
    /// An endpoint's tail programs.
    Calls(EndpointId),
    /// The tail programs of a device of the node.
    DeviceCalls(DeviceId),
    /// The tail programs that the endpoints of a template share, by the digest in the name.
    Tails(u64),
    /// Every endpoint's program that takes packets of other pods, by id.
    CallPolicy,
    /// Every endpoint's program that judges connections, by id.
    Verdict,
    /// For whom the programs of a processor run.
    Running,
    /// The revision of every endpoint's policy, by id.
    PolicyRevision,
    /// Local endpoints by address.
    Endpoints,
    /// Identities by prefix.
    Ipcache,
    /// Counters.
    Metrics,
    /// The ring buffer of events.
    Events,
    /// Tracked connections.
    Conntrack(Conntrack),
    /// Fragmented IPv4 datagrams.
    Frag4,
    /// Fragmented IPv6 datagrams.
    Frag6,
    /// Ports of the node that lead to pods.
    HostPorts,
    /// The addresses of the node at which host ports answer.
    NodeAddresses,
    /// The networks in which pods keep their address.
    NativeCidrs,
    /// Translated connections of a family.
    Snat(Family),
    /// The network namespaces of the pods and of the node itself.
    Netns,
    /// What sockets were asked to talk to, where they talk to a pod instead.
    SockAsked,
}

/// Which of the conntrack maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conntrack {
    /// The family of its connections.
    pub family: Family,
    /// Whether it is the one of TCP, or of every other protocol.
    pub tcp: bool,
    /// The endpoint that has it for itself; none for the one that all share.
    pub owner: Option<EndpointId>,
}

impl Conntrack {
    /// The four maps of an owner, or the four that are shared.
    pub fn all(owner: Option<EndpointId>) -> [Self; 4] {
        let map = |family, tcp| Self { family, tcp, owner };
        [
            map(Family::Ipv4, true),
            map(Family::Ipv4, false),
            map(Family::Ipv6, true),
            map(Family::Ipv6, false),
        ]
    }

    fn stem(self) -> &'static str {
        match (self.family, self.tcp) {
            (Family::Ipv4, true) => "ct4",
            (Family::Ipv4, false) => "ct_any4",
            (Family::Ipv6, true) => "ct6",
            (Family::Ipv6, false) => "ct_any6",
        }
    }
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// Bytes of `endpoint_self` in `bpf-src/maps.h`, which nobody but the programs reads.
const RUNNING: usize = 48;
/// What stands in a conntrack map's name where another has its owner's digits.
const SHARED: &str = "global";

impl MapName {
    /// The maps that have one name each.
    const SINGLE: [Self; 19] = [
        Self::NodePolicy,
        Self::NodeOpen,
        Self::CallPolicy,
        Self::Verdict,
        Self::Running,
        Self::PolicyRevision,
        Self::Endpoints,
        Self::Ipcache,
        Self::Metrics,
        Self::Events,
        Self::Frag4,
        Self::Frag6,
        Self::HostPorts,
        Self::NodeAddresses,
        Self::NativeCidrs,
        Self::Snat(Family::Ipv4),
        Self::Snat(Family::Ipv6),
        Self::Netns,
        Self::SockAsked,
    ];

    /// The name, which is also that of its pin.
    pub fn with(self, prefix: &MapPrefix) -> String {
        prefix.map(&self.stem())
    }

    /// The map of this name. Strict: a node whose prefix begins like ours has maps, too.
    pub fn parse(prefix: &MapPrefix, name: &str) -> Option<Self> {
        let owner = name
            .split_at_checked(name.len().saturating_sub(5))
            .and_then(|(_, digits)| EndpointId::parse(digits).ok());
        let own = owner.map(|id| [Self::Policy(id), Self::Calls(id)]);
        let conntrack = Conntrack::all(owner).map(Self::Conntrack);
        let digest = name
            .split_at_checked(name.len().saturating_sub(16))
            .and_then(|(_, digits)| u64::from_str_radix(digits, 16).ok());
        let device = name
            .split_at_checked(name.len().saturating_sub(DeviceId::LENGTH))
            .and_then(|(_, digits)| DeviceId::parse(digits));
        let mut candidates = Self::SINGLE
            .into_iter()
            .chain(device.map(Self::DeviceCalls))
            .chain(own.into_iter().flatten())
            .chain(digest.map(Self::Tails))
            .chain(conntrack);
        candidates.find(|map| map.with(prefix) == name)
    }

    fn stem(self) -> String {
        match self {
            Self::Policy(id) => format!("policy_{}", id.five_digits()),
            // The digits of number 0, which no endpoint has.
            Self::NodePolicy => "policy_00000".to_owned(),
            Self::NodeOpen => "node_open".to_owned(),
            Self::Calls(id) => format!("calls_{}", id.five_digits()),
            Self::DeviceCalls(id) => format!("calls_{}", id.digits()),
            Self::Tails(digest) => format!("tails_{digest:016x}"),
            Self::CallPolicy => "call_policy".to_owned(),
            Self::Verdict => "verdict".to_owned(),
            Self::Running => "self".to_owned(),
            Self::PolicyRevision => "policy_rev".to_owned(),
            Self::Endpoints => "lxc".to_owned(),
            Self::Ipcache => "ipcache".to_owned(),
            Self::Metrics => "metrics".to_owned(),
            Self::Events => "events".to_owned(),
            Self::Conntrack(map) => {
                let owner = map.owner.map_or(SHARED.to_owned(), EndpointId::five_digits);
                format!("{}_{owner}", map.stem())
            }
            Self::Frag4 => "frag4".to_owned(),
            Self::Frag6 => "frag6".to_owned(),
            Self::HostPorts => "host_ports".to_owned(),
            Self::NodeAddresses => "node_addresses".to_owned(),
            Self::NativeCidrs => "native_cidrs".to_owned(),
            Self::Snat(Family::Ipv4) => "snat_v4_external".to_owned(),
            Self::Snat(Family::Ipv6) => "snat_v6_external".to_owned(),
            Self::Netns => "netns".to_owned(),
            Self::SockAsked => "sock_asked".to_owned(),
        }
    }

    /// What the datapath takes it for.
    pub fn definition(self) -> Definition {
        let sized = |map_type, key_size, value_size| Definition {
            map_type,
            key_size,
            value_size,
        };
        let table = |map_type, key: Layout, value: Layout| sized(map_type, key.size, value.size);
        let numbers = |map_type| sized(map_type, size_of::<u32>(), size_of::<u32>());
        match self {
            Self::Policy(_) | Self::NodePolicy => {
                table(MapType::Trie, PolicyKey::LAYOUT, PolicyValue::LAYOUT)
            }
            Self::Calls(_)
            | Self::DeviceCalls(_)
            | Self::Tails(_)
            | Self::CallPolicy
            | Self::Verdict => numbers(MapType::Programs),
            Self::Running => sized(MapType::PerCpuArray, size_of::<u32>(), RUNNING),
            Self::PolicyRevision => numbers(MapType::Array),
            Self::Endpoints => table(MapType::Hash, EndpointKey::LAYOUT, EndpointValue::LAYOUT),
            Self::Ipcache => table(MapType::Trie, IpcacheKey::LAYOUT, IpcacheValue::LAYOUT),
            Self::Metrics => table(
                MapType::PerCpuArray,
                MetricsKey::LAYOUT,
                MetricsValue::LAYOUT,
            ),
            Self::Events => sized(MapType::Ring, 0, 0),
            Self::Conntrack(map) => {
                let key = match map.family {
                    Family::Ipv4 => Ct4Key::LAYOUT,
                    Family::Ipv6 => Ct6Key::LAYOUT,
                };
                table(MapType::Lru, key, CtValue::LAYOUT)
            }
            Self::Snat(Family::Ipv4) => table(MapType::Lru, Snat4Key::LAYOUT, Snat4Value::LAYOUT),
            Self::Snat(Family::Ipv6) => table(MapType::Lru, Snat6Key::LAYOUT, Snat6Value::LAYOUT),
            Self::Frag4 => table(MapType::Lru, Frag4Key::LAYOUT, FragValue::LAYOUT),
            Self::Frag6 => table(MapType::Lru, Frag6Key::LAYOUT, FragValue::LAYOUT),
            Self::HostPorts => table(MapType::Hash, HostPortKey::LAYOUT, HostPortValue::LAYOUT),
            Self::NodeOpen => sized(MapType::Hash, NodeOpenKey::LAYOUT.size, size_of::<u8>()),
            Self::NodeAddresses => sized(MapType::Hash, EndpointKey::LAYOUT.size, size_of::<u32>()),
            Self::NativeCidrs => sized(MapType::Trie, NativeCidrKey::LAYOUT.size, size_of::<u8>()),
            Self::Netns => sized(MapType::Hash, size_of::<u64>(), size_of::<u32>()),
            Self::SockAsked => table(MapType::Lru, SockAskedKey::LAYOUT, SockAskedValue::LAYOUT),
        }
    }
}

/// What a map is, as far as both sides must agree about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Its type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: usize,
    /// Bytes of a value; of one processor's in a map that has one for each.
    pub value_size: usize,
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            map_type,
            key_size,
            value_size,
        } = self;
        write!(
            f,
            "type {map_type}, key of {key_size} bytes, value of {value_size} bytes"
        )
    }
}

/// The types of map that the datapath uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// A hash table.
    Hash,
    /// Values by place.
    Array,
    /// A hash table that forgets what was not used for long.
    Lru,
    /// A hash table with a value for each processor.
    PerCpu,
    /// Values by place, one for each processor.
    PerCpuArray,
    /// Longest prefix match.
    Trie,
    /// Programs for tail calls.
    Programs,
    /// A ring buffer.
    Ring,
    /// A type of the kernel that the datapath does not use, by its number.
    Other(u32),
}

impl MapType {
    /// The kernel's numbers (`enum bpf_map_type`) and what `bpftool` calls them.
    const KNOWN: [(u32, Self, &'static str); 8] = [
        (1, Self::Hash, "hash"),
        (2, Self::Array, "array"),
        (3, Self::Programs, "prog_array"),
        (5, Self::PerCpu, "percpu_hash"),
        (6, Self::PerCpuArray, "percpu_array"),
        (9, Self::Lru, "lru_hash"),
        (11, Self::Trie, "lpm_trie"),
        (27, Self::Ring, "ringbuf"),
    ];

    /// The type with the kernel's number.
    pub fn of(number: u32) -> Self {
        let known = Self::KNOWN.iter().find(|(this, ..)| *this == number);
        known.map_or(Self::Other(number), |(_, map_type, _)| *map_type)
    }
}

impl fmt::Display for MapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, Self::KNOWN.iter().find(|(_, this, _)| this == self)) {
            (Self::Other(number), _) => write!(f, "{number}"),
            (_, known) => f.write_str(known.map_or("", |(.., name)| name)),
        }
    }
}

#[cfg(test)]
mod tests;
