//! Twins of endpoints, with everything that their programs read and write.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::copy::{copy_connections, copy_entries, copy_policy};
use super::error::ExplainError;
use super::recorder::Recorder;
use crate::abi::{Ct4Key, Ct6Key};
use crate::attach::AttachMode;
use crate::bpf::{BpfError, DetachedBpffs, Map, MapShape};
use crate::btf::MapDefinition;
use crate::endpoint::{Endpoint, EndpointId, MacAddr};
use crate::load::{self, Datapath, Owner, Target};
use crate::maps::{
    Connection, Counters, Family, LocalEndpoint, MapName, Maps, Peer, Prefix, Tracked,
};
use crate::patch::EndpointObject;
use crate::policy::PolicyEntry;
use crate::shape::MapPrefix;

/// Entries of maps that the kernel makes room for at once.
const FEW: u32 = 1_024;
/// Bytes of the ring of events, which nobody reads.
const RING: u32 = 1 << 16;
/// The section of the program that judges connections.
const VERDICT: &str = "policy/verdict";

/// What twins find when they look up addresses.
#[derive(Clone, Copy, Debug)]
pub enum Surroundings<'a> {
    /// What the node's programs find, now and later. The twins only read there.
    Node(&'a Maps),
    /// What the node's programs find now; it can be changed.
    Copy(&'a Maps),
    /// Nothing yet.
    Empty,
}

/// Who looks up in the node's own maps must not write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LookUps {
    OfTheNode,
    Own,
}

/// A node of twins: programs as they are loaded for endpoints, on maps of their own, in a BPF file system that
/// nobody else sees. Nothing that happens here is seen by a packet, a counter or a monitor of the node, and all
/// of it is gone with this value, or with its process.
#[derive(Debug)]
pub struct Twins {
    /// Holds the pins.
    _bpffs: DetachedBpffs,
    prefix: MapPrefix,
    maps: Maps,
    look_ups: LookUps,
    endpoints: BTreeMap<EndpointId, Twin>,
    recorder: Recorder,
    metrics: Map,
    /// What one packet leaves for the next.
    memory: Vec<Map>,
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
        let bpffs = DetachedBpffs::new()?;
        let maps = Maps::new(bpffs.path(), prefix);
        if let Surroundings::Node(node) = surroundings {
            for name in [MapName::Endpoints, MapName::Ipcache] {
                Map::open_pin(&node.pin(name))?.pin(&maps.pin(name))?;
            }
        }
        let first = Twin::load(object, endpoint, &maps, prefix)?;
        if let Surroundings::Copy(node) = surroundings {
            for name in [MapName::Endpoints, MapName::Ipcache] {
                copy_entries(&Map::open_pin(&node.pin(name))?, &map(&maps, name)?)?;
            }
        }
        let mut twins = Self {
            _bpffs: bpffs,
            prefix: prefix.clone(),
            look_ups: match surroundings {
                Surroundings::Node(_) => LookUps::OfTheNode,
                Surroundings::Copy(_) | Surroundings::Empty => LookUps::Own,
            },
            endpoints: BTreeMap::new(),
            recorder: Recorder::new(&map(&maps, MapName::Verdict)?)?,
            metrics: map(&maps, MapName::Metrics)?,
            memory: Vec::new(),
            maps,
        };
        twins.add(endpoint.id, first)?;
        Ok(twins)
    }

    /// Adds the twin of another endpoint, likewise.
    pub fn load(
        &mut self,
        object: &EndpointObject,
        endpoint: &Endpoint,
    ) -> Result<(), ExplainError> {
        let twin = Twin::load(object, endpoint, &self.maps, &self.prefix)?;
        self.add(endpoint.id, twin)
    }

    fn add(&mut self, id: EndpointId, twin: Twin) -> Result<(), ExplainError> {
        let failed = |source| ExplainError::Load { id, source };
        twin.datapath.offer().map_err(failed)?;
        let policy = twin.datapath.program(VERDICT).map_err(failed)?;
        let verdicts = map(&self.maps, MapName::Verdict)?;
        self.recorder.stand_before(policy, id, &verdicts)?;
        self.memory = memory(&self.maps)?;
        self.endpoints.insert(id, twin);
        Ok(())
    }

    /// Whether an endpoint has a twin.
    pub fn has(&self, id: EndpointId) -> bool {
        self.endpoints.contains_key(&id)
    }

    /// Takes an endpoint's program out of the map by which others call it: `CallPolicy` or `Verdict`. So it is
    /// with an endpoint that is not ready.
    pub fn withhold(&self, id: EndpointId, called_by: MapName) -> Result<(), ExplainError> {
        let place = u32::from(id.get()).to_ne_bytes();
        map(&self.maps, called_by)?.delete(&place)?;
        Ok(())
    }

    /// Gives an endpoint the policy that the node's has now, with counters at zero.
    pub fn copy_policy(&self, id: EndpointId, node: &Maps) -> Result<(), ExplainError> {
        let (from, to) = (map(node, MapName::Policy(id))?, &self.twin(id)?.policy);
        clear(to)?;
        let revision = copy_policy(&from, to, || Ok(node.policy_revisions()?.get(id)?))?;
        Ok(self.maps.policy_revisions()?.set(id, revision)?)
    }

    /// Gives an endpoint another policy.
    pub fn set_policy(
        &self,
        id: EndpointId,
        revision: u32,
        entries: &[PolicyEntry],
    ) -> Result<(), ExplainError> {
        clear(&self.twin(id)?.policy)?;
        let entries = entries.iter();
        let entries = entries.map(|entry| (entry.rule, entry.decision, Counters::default()));
        let mut policy = self.maps.policy(id)?;
        policy.insert_all(revision, &entries.collect::<Vec<_>>())?;
        Ok(self.maps.policy_revisions()?.set(id, revision)?)
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
        for name in self.maps.list()? {
            if let MapName::Conntrack(conntrack) = name {
                let (from, to) = (map(node, name)?, map(&self.maps, name)?);
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
        &self.maps
    }

    /// Who has an address of this node.
    pub fn local(&self, address: IpAddr) -> Result<Option<LocalEndpoint>, ExplainError> {
        Ok(self.maps.endpoints()?.get(address)?)
    }

    fn own(&self) -> Result<&Maps, ExplainError> {
        match self.look_ups {
            LookUps::Own => Ok(&self.maps),
            LookUps::OfTheNode => Err(ExplainError::Shared),
        }
    }

    pub(super) fn twin(&self, id: EndpointId) -> Result<&Twin, ExplainError> {
        self.endpoints.get(&id).ok_or(ExplainError::NoTwin(id))
    }

    pub(super) fn twins(&self) -> &BTreeMap<EndpointId, Twin> {
        &self.endpoints
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn metrics(&self) -> &Map {
        &self.metrics
    }
}

impl Twin {
    fn load(
        object: &EndpointObject,
        endpoint: &Endpoint,
        maps: &Maps,
        prefix: &MapPrefix,
    ) -> Result<Self, ExplainError> {
        let id = endpoint.id;
        let target = Target {
            owner: Owner::Endpoint(id),
            device: endpoint.host_ifname.clone(),
            mode: AttachMode::default(),
            bpffs_dir: maps.folder().to_owned(),
            prefix: prefix.clone(),
        };
        let datapath = load::load_twin(object, &target, size)
            .map_err(|source| ExplainError::Load { id, source })?;
        Ok(Self {
            datapath,
            policy: map(maps, MapName::Policy(id))?,
            ifindex: endpoint.host_ifindex,
            mac: endpoint.mac,
            host_mac: endpoint.host_mac,
        })
    }
}

/// How large a map of a twin is.
fn size(map: &MapDefinition) -> u32 {
    match map.map_type {
        MapShape::LRU_HASH => map.max_entries.min(FEW),
        MapShape::RING_BUFFER => map.max_entries.min(RING),
        _ => map.max_entries,
    }
}

/// A map by its name.
fn map(maps: &Maps, name: MapName) -> Result<Map, BpfError> {
    Map::open_pin(&maps.pin(name))
}

/// The maps in which programs keep what they have seen.
fn memory(maps: &Maps) -> Result<Vec<Map>, ExplainError> {
    let keeps = |name: &MapName| {
        matches!(
            name,
            MapName::Conntrack(_) | MapName::Frag4 | MapName::Frag6
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
