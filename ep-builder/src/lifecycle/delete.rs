//! Taking an endpoint away: out of the kernel, out of the maps, off the disk.

use super::introduce::addresses;
use super::{Endpoints, LifecycleError};
use crate::endpoint::EndpointId;
use crate::load::{self, Removed};
use crate::maps::{Conntrack, Maps, MapsError, Prefix};

/// What was removed.
#[derive(Debug, Default)]
pub struct Deleted {
    /// What the kernel had.
    pub kernel: Removed,
    /// Connections that were forgotten.
    pub connections: usize,
}

impl Endpoints<'_> {
    /// Deletes an endpoint. Repeatable: what is gone already is no error. The id is free when it returns.
    pub fn delete(&self, id: EndpointId) -> Result<Deleted, LifecycleError> {
        let endpoint = self.store.read(id)?.record.endpoint;
        let addresses = addresses(&endpoint);
        let kernel = load::uninstall(&self.target(&endpoint), &addresses)?;
        let mut deleted = Deleted {
            kernel,
            connections: 0,
        };
        for address in addresses {
            if let Some(mut ipcache) = present(self.maps.ipcache())? {
                ipcache.remove(Prefix::of(address))?;
            }
            deleted.connections += self.forget_connections(address)?;
        }
        // Last: while the folder is there, a repeated delete knows what to look for.
        self.store.remove(id)?;
        Ok(deleted)
    }

    /// The next endpoint with this address must not inherit what this one was allowed.
    fn forget_connections(&self, address: std::net::IpAddr) -> Result<usize, LifecycleError> {
        let mut forgotten = 0;
        for map in Conntrack::all(None) {
            if let Some(mut conntrack) = present(self.maps.conntrack(map))? {
                forgotten += conntrack.flush(address)?;
            }
        }
        Ok(forgotten)
    }

    /// The maps of this node.
    pub fn maps(&self) -> &Maps {
        &self.maps
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
