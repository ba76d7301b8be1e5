//! The datapath's maps, by their pins: typed keys and values instead of bytes.
//!
//! [`Maps`] is a folder of pins and the prefix of their names; each of its functions opens one map. A map
//! whose type or sizes are not the datapath's is refused when it is opened, with both definitions: bytes of
//! another layout would be read as nonsense, or written as it. Only endpoints that are attached have maps,
//! so every function may find none ([`MapsError::Missing`]).

mod address;
mod batch;
mod codec;
mod conntrack;
mod direction;
mod edit;
mod endpoints;
mod error;
mod host_ports;
mod ipcache;
mod metrics;
mod name;
mod nat;
mod native_cidrs;
mod node_addresses;
mod node_open;
mod policy;
mod programs;
mod revisions;
mod table;

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use aya::maps::MapError;

pub use address::{InvalidPrefix, Prefix};
pub use codec::Record;
pub use conntrack::{Connection, ConntrackMap, Tracked};
pub use direction::Direction;
pub use edit::Generation;
pub use endpoints::{EndpointsMap, LocalEndpoint, endpoint_key};
pub use error::MapsError;
pub use host_ports::{HostPortsMap, Lead, NodePort};
pub use ipcache::{IpcacheMap, Peer};
pub use metrics::{Counter, EVENT_LOST, FORWARDED, MetricsMap};
pub use name::{Conntrack, Definition, Family, MapName, MapType};
pub use nat::{NatHalf, NatMap};
pub use native_cidrs::NativeCidrsMap;
pub use node_addresses::NodeAddressesMap;
pub use node_open::{NodeOpenMap, OpenPort};
pub use policy::{Counters, Decision, PolicyMap, Ports, Rule, Traffic};
pub use programs::ProgramsMap;
pub use revisions::{BY_HAND, RevisionsMap};
pub use table::{Facts, PerCpuTable, Table};

use crate::abi::{Frag4Key, Frag6Key, FragValue, SockAskedKey, SockAskedValue};
use crate::bpf::Ring;
use crate::device::DeviceId;
use crate::endpoint::EndpointId;
use crate::shape::MapPrefix;

/// Where a node's maps are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maps {
    folder: PathBuf,
    prefix: MapPrefix,
}

impl Maps {
    /// The maps in a folder of bpffs whose names begin with `prefix`.
    pub fn new(folder: impl Into<PathBuf>, prefix: &MapPrefix) -> Self {
        Self {
            folder: folder.into(),
            prefix: prefix.clone(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of a map.
    pub fn name(&self, map: MapName) -> String {
        map.with(&self.prefix)
    }

    /// The map of this name, with or without the prefix.
    pub fn find(&self, name: &str) -> Option<MapName> {
        MapName::parse(&self.prefix, name)
            .or_else(|| MapName::parse(&self.prefix, &self.prefix.map(name)))
    }

    /// The pin of a map.
    pub fn pin(&self, map: MapName) -> PathBuf {
        self.folder.join(self.name(map))
    }

    /// The maps that are pinned, in the order of their names. Without the folder there are none.
    pub fn list(&self) -> Result<Vec<MapName>, MapsError> {
        let failed = |source| MapsError::List {
            path: self.folder.clone(),
            source,
        };
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        let map = |name: &OsStr| MapName::parse(&self.prefix, name.to_str()?);
        Ok(names.iter().filter_map(|name| map(name)).collect())
    }

    /// What the kernel says of a map, whatever it is.
    pub fn facts(&self, map: MapName) -> Result<Facts, MapsError> {
        table::inspect(map, &self.pin(map)).map(|(_, facts)| facts)
    }

    /// How many entries a map has, of an array how many that are not zero; none for the ring buffer and for
    /// what the programs of a processor tell one another, which have no entries.
    pub fn count(&self, map: MapName) -> Result<Option<usize>, MapsError> {
        Ok(Some(match map {
            MapName::Policy(id) => self.policy(id)?.0.count()?,
            MapName::NodePolicy => self.node_policy()?.0.count()?,
            MapName::NodeOpen => self.node_open()?.0.count()?,
            MapName::Calls(_)
            | MapName::DeviceCalls(_)
            | MapName::Tails(_)
            | MapName::CallPolicy
            | MapName::Verdict => self.programs(map)?.filled()?.len(),
            MapName::PolicyRevision => self.policy_revisions()?.count()?,
            MapName::Endpoints => self.endpoints()?.0.count()?,
            MapName::Ipcache => self.ipcache()?.0.count()?,
            MapName::Metrics => self.metrics()?.counters()?.len(),
            MapName::Conntrack(map) => self.conntrack(map)?.count()?,
            MapName::Frag4 => self.fragments::<{ size_of::<Frag4Key>() }>(map)?,
            MapName::Frag6 => self.fragments::<{ size_of::<Frag6Key>() }>(map)?,
            MapName::Snat(family) => self.nat(family)?.count()?,
            MapName::HostPorts => self.host_ports()?.0.count()?,
            MapName::Netns => {
                let table = self.table::<[u8; size_of::<u64>()], [u8; size_of::<u32>()]>(map)?;
                table.count()?
            }
            MapName::SockAsked => {
                let table = self.table::<SockAskedKey, SockAskedValue>(map)?;
                table.count()?
            }
            MapName::NativeCidrs => self.native_cidrs()?.0.count()?,
            MapName::NodeAddresses => self.node_addresses()?.0.count()?,
            MapName::Events | MapName::Running => {
                table::open(map, &self.pin(map))?;
                return Ok(None);
            }
        }))
    }

    /// The policy of an endpoint.
    pub fn policy(&self, id: EndpointId) -> Result<PolicyMap, MapsError> {
        self.table(MapName::Policy(id)).map(PolicyMap)
    }

    /// The policy of the node itself.
    pub fn node_policy(&self) -> Result<PolicyMap, MapsError> {
        self.table(MapName::NodePolicy).map(PolicyMap)
    }

    /// The ports of the node that are open whatever its policy says.
    pub fn node_open(&self) -> Result<NodeOpenMap, MapsError> {
        self.table(MapName::NodeOpen).map(NodeOpenMap)
    }

    /// The tail programs of an endpoint, by slot.
    pub fn calls(&self, id: EndpointId) -> Result<ProgramsMap, MapsError> {
        self.programs(MapName::Calls(id))
    }

    /// The tail programs of a device of the node, by slot.
    pub fn device_calls(&self, id: DeviceId) -> Result<ProgramsMap, MapsError> {
        self.programs(MapName::DeviceCalls(id))
    }

    /// The tail programs under this name, by slot.
    pub fn tails(&self, digest: u64) -> Result<ProgramsMap, MapsError> {
        self.programs(MapName::Tails(digest))
    }

    /// The programs of all endpoints that take packets of other pods, by id.
    pub fn call_policy(&self) -> Result<ProgramsMap, MapsError> {
        self.programs(MapName::CallPolicy)
    }

    /// The programs of all endpoints that judge connections, by id.
    pub fn verdicts(&self) -> Result<ProgramsMap, MapsError> {
        self.programs(MapName::Verdict)
    }

    /// The revisions of the endpoints' policies.
    pub fn policy_revisions(&self) -> Result<RevisionsMap, MapsError> {
        RevisionsMap::open(&self.pin(MapName::PolicyRevision))
    }

    /// Local endpoints by address.
    pub fn endpoints(&self) -> Result<EndpointsMap, MapsError> {
        self.table(MapName::Endpoints).map(EndpointsMap)
    }

    /// Identities by prefix.
    pub fn ipcache(&self) -> Result<IpcacheMap, MapsError> {
        self.table(MapName::Ipcache).map(IpcacheMap)
    }

    /// The counters.
    pub fn metrics(&self) -> Result<MetricsMap, MapsError> {
        let pin = self.pin(MapName::Metrics);
        PerCpuTable::open(MapName::Metrics, &pin).map(MetricsMap)
    }

    /// The ports of the node that lead to pods.
    pub fn host_ports(&self) -> Result<HostPortsMap, MapsError> {
        self.table(MapName::HostPorts).map(HostPortsMap)
    }

    /// The addresses of the node.
    pub fn node_addresses(&self) -> Result<NodeAddressesMap, MapsError> {
        self.table(MapName::NodeAddresses).map(NodeAddressesMap)
    }

    /// The networks in which pods keep their address.
    pub fn native_cidrs(&self) -> Result<NativeCidrsMap, MapsError> {
        self.table(MapName::NativeCidrs).map(NativeCidrsMap)
    }

    /// The translated connections of a family.
    pub fn nat(&self, family: Family) -> Result<NatMap, MapsError> {
        NatMap::open(family, &self.pin(MapName::Snat(family)))
    }

    /// One of the conntrack maps.
    pub fn conntrack(&self, map: Conntrack) -> Result<ConntrackMap, MapsError> {
        ConntrackMap::open(map, &self.pin(MapName::Conntrack(map)))
    }

    /// The ring buffer, for [`crate::events::EventRing`].
    pub(crate) fn ring(&self) -> Result<Ring, MapsError> {
        let opened = table::open(MapName::Events, &self.pin(MapName::Events))?;
        let ring = Ring::map(opened.descriptor, opened.max_entries);
        ring.map_err(|errno| MapsError::Open {
            path: opened.path,
            source: MapError::IoError(errno.into()),
        })
    }

    /// How many fragmented datagrams a map knows; its keys have this many bytes.
    fn fragments<const KEY: usize>(&self, map: MapName) -> Result<usize, MapsError> {
        let table = self.table::<[u8; KEY], [u8; size_of::<FragValue>()]>(map)?;
        table.count()
    }

    fn programs(&self, map: MapName) -> Result<ProgramsMap, MapsError> {
        ProgramsMap::open(map, &self.pin(map))
    }

    fn table<K: Record, V: Record>(&self, map: MapName) -> Result<Table<K, V>, MapsError> {
        Table::open(map, &self.pin(map))
    }
}
