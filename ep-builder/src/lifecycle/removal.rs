//! Taking an endpoint away: out of the kernel, out of the maps, off the disk.
//!
//! It needs no sources, no template and no compiler: what was installed once can be removed when all of
//! these are gone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::introduce::addresses;
use super::{LifecycleError, target};
use crate::attach::{self, Clsact, Hook, Rtnl};
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::{self, LoadError, Pins, Removed};
use crate::maps::{Conntrack, Family, MapName, Maps, MapsError, Prefix};
use crate::settings::Settings;
use crate::state::{Place, StateError, Store};
use crate::whole_file::is_absent;

/// What was removed.
#[derive(Debug, Default)]
pub struct Deleted {
    /// What the kernel had.
    pub kernel: Removed,
    /// Connections that were forgotten.
    pub connections: usize,
}

/// What is known of an endpoint that is to go: enough to remove it without its record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traces {
    /// Its id.
    pub id: EndpointId,
    /// The host end of its pair; it may be gone.
    pub device: String,
    /// The addresses it has or had.
    pub addresses: BTreeSet<IpAddr>,
}

impl Traces {
    /// What a record tells.
    pub fn of(endpoint: &Endpoint) -> Self {
        Self {
            id: endpoint.id,
            device: endpoint.host_ifname.clone(),
            addresses: addresses(endpoint).into_iter().collect(),
        }
    }
}

/// The endpoints of a node, with what is needed to remove them.
#[derive(Debug)]
pub struct Removal<'a> {
    settings: &'a Settings,
    store: &'a Store,
    pub(super) maps: Maps,
}

impl<'a> Removal<'a> {
    /// The endpoints in `store`, whose pins are where `settings` say.
    pub fn new(settings: &'a Settings, store: &'a Store) -> Self {
        Self {
            settings,
            store,
            maps: Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix),
        }
    }

    /// Deletes an endpoint by its record. Repeatable: what is gone already is no error. The id is free when
    /// it returns.
    pub fn delete(&self, id: EndpointId) -> Result<Deleted, LifecycleError> {
        match self.store.read(id) {
            Ok(live) => self.delete_traces(&Traces::of(&live.record.endpoint)),
            Err(error @ (StateError::Missing { .. } | StateError::NotBuilt { .. })) => {
                self.delete_unrecorded(id)?.ok_or_else(|| error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an endpoint that the kernel has and the disk has not: its attach was killed before it was done.
    fn delete_unrecorded(&self, id: EndpointId) -> Result<Option<Deleted>, LifecycleError> {
        if is_absent(&self.maps.pin(MapName::Policy(id))) {
            return Ok(None);
        }
        // Claimed while it is removed: an attach may be under way.
        let _claim = self.store.claim_id(id)?;
        let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
        let device = self.device(&mut rtnl, id)?;
        let deleted = self.out_of_kernel(&Traces {
            id,
            device: device.map_or_else(String::new, |device| device.name),
            addresses: self.addresses_in_maps(id)?.into_iter().collect(),
        })?;
        Ok(Some(deleted))
    }

    /// Deletes an endpoint of which no more than this is known. What the maps know of it is added: a record
    /// may be unreadable, or never have been written.
    pub fn delete_traces(&self, known: &Traces) -> Result<Deleted, LifecycleError> {
        let mut traces = known.clone();
        traces.addresses.extend(self.addresses_in_maps(known.id)?);
        let deleted = self.out_of_kernel(&traces)?;
        // Last: while the folder is there, a repeated delete knows what to look for.
        self.store.remove(known.id)?;
        Ok(deleted)
    }

    /// Removes endpoints of which the kernel has pins and the disk has nothing, because the state folder was
    /// wiped; returns their ids. One that still has its device and its programs there goes on.
    pub fn remove_orphans(&self) -> Result<Vec<EndpointId>, LifecycleError> {
        let mut removed = Vec::new();
        for id in self.orphans()? {
            // Claimed while it is removed, or a new endpoint could begin in the middle of it.
            let _claim = match self.store.claim_id(id) {
                Err(StateError::Taken { .. } | StateError::Locked { .. }) => continue,
                claimed => claimed?,
            };
            self.out_of_kernel(&Traces {
                id,
                device: String::new(),
                addresses: self.addresses_in_maps(id)?.into_iter().collect(),
            })?;
            removed.push(id);
        }
        Ok(removed)
    }

    /// What [`Self::remove_orphans`] would remove.
    pub fn orphans(&self) -> Result<Vec<EndpointId>, LifecycleError> {
        let pinned = self.maps.list()?.into_iter().filter_map(|map| match map {
            // The first pin an endpoint gets, and the last it loses.
            MapName::Policy(id) => Some(id),
            _ => None,
        });
        let mut orphans = Vec::new();
        for id in pinned.filter(|id| !self.is_on_disk(*id)) {
            if !self.is_attached(id)? {
                orphans.push(id);
            }
        }
        Ok(orphans)
    }

    /// What cannot be looked at is there: others take what is not for lost.
    pub(super) fn is_on_disk(&self, id: EndpointId) -> bool {
        let folder = |place| self.store.layout().folder(id, place);
        [Place::Live, Place::Next]
            .into_iter()
            .any(|place| !is_absent(&folder(place)))
    }

    /// Whether the device that its addresses lead to has our programs.
    fn is_attached(&self, id: EndpointId) -> Result<bool, LifecycleError> {
        let mut rtnl = Rtnl::open().map_err(LoadError::from)?;
        let Some(device) = self.device(&mut rtnl, id)? else {
            return Ok(false);
        };
        let hook = Hook::FromContainer;
        let ours = attach::filter_program(&mut rtnl, &device, hook);
        let linked = attach::linked_program(&self.pins(id).link(hook));
        Ok(ours.map_err(LoadError::from)?.is_some() || linked.map_err(LoadError::from)?.is_some())
    }

    /// The device that an address of the endpoint leads to.
    fn device(
        &self,
        rtnl: &mut Rtnl,
        id: EndpointId,
    ) -> Result<Option<attach::Device>, LifecycleError> {
        let Some(endpoints) = present(self.maps.endpoints())? else {
            return Ok(None);
        };
        for (_, endpoint) in endpoints.entries()? {
            if endpoint.lxc_id != id.get() {
                continue;
            }
            let device = rtnl.device_by_index(endpoint.ifindex);
            if let Some(device) = device.map_err(LoadError::from)? {
                return Ok(Some(device));
            }
        }
        Ok(None)
    }

    fn pins(&self, id: EndpointId) -> Pins {
        pins(self.settings, id)
    }

    /// In an order that can be killed and repeated: no packet passes any more, then who it was, and last,
    /// with the entries that name the endpoint, where it was.
    fn out_of_kernel(&self, traces: &Traces) -> Result<Deleted, LifecycleError> {
        let target = target(self.settings, traces.id, &traces.device);
        let mut deleted = Deleted::default();
        let programs = load::detach(&target, Clsact::GoesIfEmpty)?;
        self.close_host_ports(traces.id)?;
        self.forget_namespace(traces.id)?;
        for address in &traces.addresses {
            if self.has_other_owner(*address, traces.id)? {
                continue;
            }
            if let Some(mut ipcache) = present(self.maps.ipcache())? {
                ipcache.remove(Prefix::of(*address))?;
            }
            deleted.connections += self.forget_connections(*address)?;
        }
        let addresses: Vec<_> = traces.addresses.iter().copied().collect();
        deleted.kernel = load::forget(&target, &addresses)?;
        deleted.kernel.programs = programs;
        if let Some(mut revisions) = present(self.maps.policy_revisions())? {
            revisions.set(traces.id, 0)?;
        }
        Ok(deleted)
    }

    /// An address that was given to somebody else since must keep what that endpoint has.
    fn has_other_owner(&self, address: IpAddr, id: EndpointId) -> Result<bool, LifecycleError> {
        let Some(endpoints) = present(self.maps.endpoints())? else {
            return Ok(false);
        };
        let owner = endpoints.get(address)?.map(|endpoint| endpoint.lxc_id);
        Ok(owner.is_some_and(|owner| owner != id.get()))
    }

    fn addresses_in_maps(&self, id: EndpointId) -> Result<Vec<IpAddr>, LifecycleError> {
        let Some(endpoints) = present(self.maps.endpoints())? else {
            return Ok(Vec::new());
        };
        let entries = endpoints.entries()?.into_iter();
        let own = entries.filter(|(_, endpoint)| endpoint.lxc_id == id.get());
        Ok(own.map(|(address, _)| address).collect())
    }

    /// The next endpoint with this address must not inherit what this one was allowed.
    fn forget_connections(&self, address: IpAddr) -> Result<usize, LifecycleError> {
        let mut forgotten = 0;
        let family = match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        };
        // A map is walked from end to end, and an empty one takes a third of a millisecond already.
        let maps = Conntrack::all(None).into_iter();
        for map in maps.filter(|map| map.family == family) {
            if let Some(mut conntrack) = present(self.maps.conntrack(map))? {
                forgotten += conntrack.flush(address)?;
            }
        }
        if let Some(mut nat) = present(self.maps.nat(family))? {
            forgotten += nat.flush(address)?;
        }
        Ok(forgotten)
    }
}

/// Where the pins of an endpoint are.
pub fn pins(settings: &Settings, id: EndpointId) -> Pins {
    target(settings, id, "").pins()
}

/// A map that is not there has nothing to remove.
pub(super) fn present<T>(map: Result<T, MapsError>) -> Result<Option<T>, MapsError> {
    match map {
        Ok(map) => Ok(Some(map)),
        Err(MapsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
