//! What the shared maps must know of an endpoint.

use std::net::IpAddr;

use super::LifecycleError;
use crate::endpoint::Endpoint;
use crate::maps::{LocalEndpoint, Maps, Peer, Prefix};

/// Says who has the endpoint's addresses. Entries are written whole: one that is there is replaced.
pub(super) fn introduce(maps: &Maps, endpoint: &Endpoint) -> Result<(), LifecycleError> {
    let local = LocalEndpoint {
        lxc_id: endpoint.id.get(),
        ifindex: endpoint.host_ifindex,
        mac: endpoint.mac,
        host_mac: endpoint.host_mac,
        identity: endpoint.identity,
        is_host: false,
        masquerade: endpoint.masquerade,
    };
    let (mut ipcache, mut endpoints) = (maps.ipcache()?, maps.endpoints()?);
    for address in addresses(endpoint) {
        // Where it is names the endpoint, so from there a killed process's entries are found. Until the
        // second entry its own packets are the world's, and a pod in the making sends none.
        endpoints.insert(address, &local)?;
        ipcache.insert(Prefix::of(address), Peer::with_identity(endpoint.identity))?;
    }
    Ok(())
}

/// The addresses of an endpoint.
pub(super) fn addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let ipv4 = endpoint.ipv4.map(IpAddr::V4);
    ipv4.into_iter()
        .chain(endpoint.ipv6.map(IpAddr::V6))
        .collect()
}
