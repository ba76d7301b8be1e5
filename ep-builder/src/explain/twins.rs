//! Twins of endpoints, with everything that their programs read and write.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::copy::{copy_connections, copy_policy};
use super::error::ExplainError;
use super::ground::{Ground, Surroundings};
use super::node::DeviceTwin;
use super::recorder::Recorder;
use crate::abi::{Ct4Key, Ct6Key};
use crate::bpf::{BpfError, Map, MapShape};
use crate::device::DeviceId;
use crate::endpoint::{Endpoint, EndpointId, MacAddr};
use crate::load::{self, Datapath, Owner};
use crate::maps::{
    Connection, Counters, Family, LocalEndpoint, MapName, Maps, Peer, PolicyMap, Prefix, Tracked,
};
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::policy::{Holder, PolicyEntry};
use crate::shape::MapPrefix;

/// Entries of maps that the kernel makes room for at once.
const FEW: u32 = 1_024;
/// Bytes of the ring of events, which nobody reads.
const RING: u32 = 1 << 16;
/// The section of the program that judges connections.
const VERDICT: &str = "policy/verdict";

/// A node of twins: programs as they are loaded for endpoints, on maps of their own, in a BPF file system that
/// nobody else sees. Nothing that happens here is seen by a packet, a counter or a monitor of the node, and all
/// of it is gone with this value, or with its process.
#[derive(Debug)]
pub struct Twins {
    ground: Ground,
    endpoints: BTreeMap<EndpointId, Twin>,
    devices: BTreeMap<DeviceId, DeviceTwin>,
    metrics: Map,
    /// What one packet leaves for the next.
    memory: Vec<Map>,
    /// The maps whose entries are copied.
    copied: BTreeSet<MapName>,
}

/// The twin of an endpoint.
#[derive(Debug)]
pub(super) struct Twin {
    pub(super) datapath: Datapath,
    pub(super) policy: Map,
    /// The host end of its pair; 0 for one without.
    pub(super) ifindex: u32,
    pub(super) mac: MacAddr,
    pub(super) host_mac: MacAddr,
}

impl Twins {
    /// A node with the twin of one endpoint. Its policy is empty, so that it lets nothing pass.
    pub fn new(
        surroundings: Surroundings<'_>,
        prefix: &MapPrefix,
        object: &EndpointObject,
        endpoint: &Endpoint,
    ) -> Result<Self, ExplainError> {
        let ground = Ground::new(surroundings, prefix)?;
        let first = Twin::load(object, endpoint, &ground)?;
        let mut twins = Self::on(ground)?;
        twins.add(endpoint.id, first)?;
        Ok(twins)
    }

    /// On a ground where something is loaded.
    pub(super) fn on(ground: Ground) -> Result<Self, ExplainError> {
        Ok(Self {
            endpoints: BTreeMap::new(),
            devices: BTreeMap::new(),
            metrics: map(ground.maps(), MapName::Metrics)?,
            memory: Vec::new(),
            copied: BTreeSet::new(),
            ground,
        })
    }

    /// Adds the twin of another endpoint, likewise.
    pub fn load(
        &mut self,
        object: &EndpointObject,
        endpoint: &Endpoint,
    ) -> Result<(), ExplainError> {
        let twin = Twin::load(object, endpoint, &self.ground)?;
        self.add(endpoint.id, twin)
    }

    fn add(&mut self, id: EndpointId, twin: Twin) -> Result<(), ExplainError> {
        let owner = Owner::Endpoint(id);
        let failed = |source| ExplainError::Load { owner, source };
        twin.datapath.offer().map_err(failed)?;
        let policy = twin.datapath.program(VERDICT).map_err(failed)?;
        let verdicts = map(self.maps(), MapName::Verdict)?;
        self.recorder().stand_before(policy, id, &verdicts)?;
        self.endpoints.insert(id, twin);
        self.see_to_maps()
    }

    pub(super) fn add_device(
        &mut self,
        id: DeviceId,
        twin: DeviceTwin,
    ) -> Result<(), ExplainError> {
        self.devices.insert(id, twin);
        self.see_to_maps()
    }

    /// After a twin has brought its maps.
    fn see_to_maps(&mut self) -> Result<(), ExplainError> {
        self.memory = memory(self.maps())?;
        self.ground.copy_new(&mut self.copied)
    }

    /// Whether an endpoint has a twin.
    pub fn has(&self, id: EndpointId) -> bool {
        self.endpoints.contains_key(&id)
    }

    /// Takes a program out of the map by which others call it: `CallPolicy` or `Verdict`. So it is with an endpoint,
    /// or a node, that is not ready.
    pub fn withhold(&self, whose: Holder, called_by: MapName) -> Result<(), ExplainError> {
        let place = u32::from(whose.number()).to_ne_bytes();
        map(self.maps(), called_by)?.delete(&place)?;
        Ok(())
    }

    /// Gives an endpoint, or the node, the policy that the node's has now, with counters at zero.
    pub fn copy_policy(&self, whose: Holder, node: &Maps) -> Result<(), ExplainError> {
        let (from, to) = (map(node, whose.map())?, self.policy(whose)?);
        clear(to)?;
        let revision = copy_policy(&from, to, || revision_of(whose, node))?;
        self.turn(whose, revision)
    }

    /// Gives an endpoint, or the node, another policy. With revision 0 nothing judges the node.
    pub fn set_policy(
        &self,
        whose: Holder,
        revision: u32,
        entries: &[PolicyEntry],
    ) -> Result<(), ExplainError> {
        clear(self.policy(whose)?)?;
        let entries = entries.iter();
        let entries = entries.map(|entry| (entry.rule, entry.decision, Counters::default()));
        let mut policy = self.typed_policy(whose)?;
        policy.insert_all(revision, &entries.collect::<Vec<_>>())?;
        self.turn(whose, revision)
    }

    fn typed_policy(&self, whose: Holder) -> Result<PolicyMap, ExplainError> {
        Ok(match whose {
            Holder::Node => self.maps().node_policy()?,
            Holder::Endpoint(id) => self.maps().policy(id)?,
        })
    }

    fn turn(&self, whose: Holder, revision: u32) -> Result<(), ExplainError> {
        let mut revisions = self.maps().policy_revisions()?;
        match whose {
            Holder::Node => revisions.set_node(revision)?,
            Holder::Endpoint(id) => revisions.set(id, revision)?,
        }
        Ok(())
    }

    /// Says which networks the policy of a revision names.
    pub fn set_networks(
        &self,
        revision: u32,
        networks: &[(Prefix, u32)],
    ) -> Result<(), ExplainError> {
        let mut ipcache = self.own()?.ipcache()?;
        ipcache.remove_networks(revision)?;
        Ok(ipcache.insert_networks(revision, networks)?)
    }

    /// Says who is behind a prefix.
    pub fn know(&self, prefix: Prefix, identity: u32) -> Result<(), ExplainError> {
        let peer = Peer::with_identity(identity);
        Ok(self.own()?.ipcache()?.insert(prefix, peer)?)
    }

    /// Says who has an address of this node.
    pub fn place(&self, address: IpAddr, endpoint: &LocalEndpoint) -> Result<(), ExplainError> {
        Ok(self.own()?.endpoints()?.insert(address, endpoint)?)
    }

    /// Takes over what the node knows of some connections now, and says which these are.
    pub fn remember(
        &self,
        node: &Maps,
        is_wanted: impl Fn(&Connection) -> bool,
    ) -> Result<Vec<Tracked>, ExplainError> {
        let mut all = Vec::new();
        for name in self.maps().list()? {
            if let MapName::Conntrack(conntrack) = name {
                let (from, to) = (map(node, name)?, map(self.maps(), name)?);
                all.extend(match conntrack.family {
                    Family::Ipv4 => copy_connections::<Ct4Key>(&from, &to, &is_wanted)?,
                    Family::Ipv6 => copy_connections::<Ct6Key>(&from, &to, &is_wanted)?,
                });
            }
        }
        Ok(all)
    }

    /// As if no packet had passed yet. The counters of policies are zero anyway.
    pub fn forget(&self) -> Result<(), ExplainError> {
        Ok(self.memory.iter().try_for_each(clear)?)
    }

    /// The maps of the twins.
    pub fn maps(&self) -> &Maps {
        self.ground.maps()
    }

    pub(super) fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Who has an address of this node.
    pub fn local(&self, address: IpAddr) -> Result<Option<LocalEndpoint>, ExplainError> {
        Ok(self.maps().endpoints()?.get(address)?)
    }

    /// The maps in which something is looked up, to be written.
    pub(super) fn own(&self) -> Result<&Maps, ExplainError> {
        self.ground.own()
    }

    pub(super) fn twin(&self, id: EndpointId) -> Result<&Twin, ExplainError> {
        let twin = self.endpoints.get(&id);
        twin.ok_or(ExplainError::NoTwin(Owner::Endpoint(id)))
    }

    pub(super) fn device(&self, id: DeviceId) -> Result<&DeviceTwin, ExplainError> {
        let twin = self.devices.get(&id);
        twin.ok_or(ExplainError::NoTwin(Owner::Device(id)))
    }

    /// The map of somebody's policy; all devices of the node have the same one.
    pub(super) fn policy(&self, whose: Holder) -> Result<&Map, ExplainError> {
        match whose {
            Holder::Endpoint(id) => Ok(&self.twin(id)?.policy),
            Holder::Node => {
                let mut devices = self.devices.values();
                let device = devices.next().map(|device| &device.policy);
                device.ok_or(ExplainError::NoTwin(Owner::Device(DeviceId::Host)))
            }
        }
    }

    pub(super) fn twins(&self) -> &BTreeMap<EndpointId, Twin> {
        &self.endpoints
    }

    pub(super) fn recorder(&self) -> &Recorder {
        self.ground.recorder()
    }

    pub(super) fn metrics(&self) -> &Map {
        &self.metrics
    }
}

impl Twin {
    fn load(
        object: &EndpointObject,
        endpoint: &Endpoint,
        ground: &Ground,
    ) -> Result<Self, ExplainError> {
        let owner = Owner::Endpoint(endpoint.id);
        let target = ground.target(owner, &endpoint.host_ifname);
        let datapath = load::load_twin(object, &target, make_small)
            .map_err(|source| ExplainError::Load { owner, source })?;
        Ok(Self {
            datapath,
            policy: map(ground.maps(), MapName::Policy(endpoint.id))?,
            ifindex: endpoint.host_ifindex,
            mac: endpoint.mac,
            host_mac: endpoint.host_mac,
        })
    }
}

/// How large the maps of a twin are.
pub(super) fn make_small(object: &mut Loadable) {
    for map in &mut object.maps {
        map.max_entries = match map.map_type {
            MapShape::LRU_HASH => map.max_entries.min(FEW),
            MapShape::RING_BUFFER => map.max_entries.min(RING),
            _ => map.max_entries,
        };
    }
}

fn revision_of(whose: Holder, node: &Maps) -> Result<u32, ExplainError> {
    let revisions = node.policy_revisions()?;
    Ok(match whose {
        Holder::Node => revisions.of_node()?,
        Holder::Endpoint(id) => revisions.get(id)?,
    })
}

/// A map by its name.
pub(super) fn map(maps: &Maps, name: MapName) -> Result<Map, BpfError> {
    Map::open_pin(&maps.pin(name))
}

/// The maps in which programs keep what they have seen.
fn memory(maps: &Maps) -> Result<Vec<Map>, ExplainError> {
    let keeps = |name: &MapName| {
        matches!(
            name,
            MapName::Conntrack(_) | MapName::Frag4 | MapName::Frag6 | MapName::Snat(_)
        )
    };
    let names = maps.list()?.into_iter().filter(keeps);
    Ok(names
        .map(|name| map(maps, name))
        .collect::<Result<_, _>>()?)
}

fn clear(map: &Map) -> Result<(), BpfError> {
    let keys: Vec<_> = map.keys().collect::<Result<_, _>>()?;
    keys.iter().try_for_each(|key| map.delete(key).map(drop))
}
