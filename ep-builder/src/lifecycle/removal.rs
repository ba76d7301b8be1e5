//! Taking an endpoint away: out of the kernel, out of the maps, off the disk.
//!
//! It needs no sources, no template and no compiler: what was installed once can be removed when all of
//! these are gone.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::introduce::addresses;
use super::{LifecycleError, target};
use crate::endpoint::{Endpoint, EndpointId};
use crate::load::{self, Removed};
use crate::maps::{Conntrack, MapName, Maps, MapsError, Prefix};
use crate::settings::Settings;
use crate::state::{Entry, Store};

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
    maps: Maps,
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
        let endpoint = self.store.read(id)?.record.endpoint;
        self.delete_traces(&Traces::of(&endpoint))
    }

    /// Deletes an endpoint of which no more than this is known. What the maps know of it is added: a record
    /// may be unreadable, or never have been written.
    pub fn delete_traces(&self, known: &Traces) -> Result<Deleted, LifecycleError> {
        let mut traces = known.clone();
        traces.addresses.extend(self.addresses_in_maps(known.id)?);
        let addresses: Vec<_> = traces.addresses.iter().copied().collect();
        let kernel = load::uninstall(&target(self.settings, known.id, &known.device), &addresses)?;
        let mut deleted = Deleted {
            kernel,
            connections: 0,
        };
        for address in addresses {
            if self.has_other_owner(address)? {
                continue;
            }
            if let Some(mut ipcache) = present(self.maps.ipcache())? {
                ipcache.remove(Prefix::of(address))?;
            }
            deleted.connections += self.forget_connections(address)?;
        }
        // Last: while the folder is there, a repeated delete knows what to look for.
        self.store.remove(known.id)?;
        Ok(deleted)
    }

    /// Ids of which the kernel has pins and the disk has nothing: endpoints whose state folder was wiped.
    /// Those of `alive` still have their device, and are left alone.
    pub fn orphans(
        &self,
        alive: &BTreeSet<EndpointId>,
    ) -> Result<BTreeSet<EndpointId>, LifecycleError> {
        let pinned = self.maps.list()?.into_iter().filter_map(|map| match map {
            // The first pin an endpoint gets, and the last it loses.
            MapName::Policy(id) => Some(id),
            _ => None,
        });
        let candidates: Vec<_> = pinned.filter(|id| !alive.contains(id)).collect();
        if candidates.is_empty() {
            return Ok(BTreeSet::new());
        }
        let entries = self.store.list()?;
        let on_disk: BTreeSet<_> = entries.iter().filter_map(id_of).collect();
        Ok(candidates
            .into_iter()
            .filter(|id| !on_disk.contains(id))
            .collect())
    }

    /// An address that was given to somebody else since must keep what that endpoint has.
    fn has_other_owner(&self, address: IpAddr) -> Result<bool, LifecycleError> {
        let Some(endpoints) = present(self.maps.endpoints())? else {
            return Ok(false);
        };
        Ok(endpoints.get(address)?.is_some())
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
        for map in Conntrack::all(None) {
            if let Some(mut conntrack) = present(self.maps.conntrack(map))? {
                forgotten += conntrack.flush(address)?;
            }
        }
        Ok(forgotten)
    }
}

fn id_of(entry: &Entry) -> Option<EndpointId> {
    match entry {
        Entry::Endpoint { id, .. } => Some(*id),
        Entry::Stranger(_) => None,
    }
}

/// A map that is not there has nothing to remove.
fn present<T>(map: Result<T, MapsError>) -> Result<Option<T>, MapsError> {
    match map {
        Ok(map) => Ok(Some(map)),
        Err(MapsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
