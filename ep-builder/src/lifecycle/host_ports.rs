//! Ports of the node that lead to an endpoint: opened when it comes, closed when it goes.
//!
//! The map has the node's truth: who has a port is who has its entry. Entries that name an endpoint are there
//! from after its first pin until before its last one, so what a killed process left is found by the id.

use std::net::IpAddr;
use std::time::Duration;

use super::introduce::addresses;
use super::removal::present;
use super::{Endpoints, LifecycleError, Removal};
use crate::bpf::wait_for_running_programs;
use crate::endpoint::{Endpoint, EndpointId, HostPort};
use crate::error::chain;
use crate::lock::{FileLock, LockError};
use crate::maps::{Family, HostPortsMap, Lead, MapName, Maps, MapsError, NodePort};
use crate::state::{Entry, Status, Store};
use crate::whole_file::is_absent;

/// Some times what the slowest holder needs.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// Beside the locks of endpoints, and named like none of them.
const LOCK: &str = "host_ports";

/// Why a port of the node was not opened.
#[derive(Debug, thiserror::Error)]
pub enum HostPortError {
    /// Another endpoint has it.
    #[error("host port {port} is taken: {there} leads to {owner}")]
    Taken {
        /// What was wished.
        port: HostPort,
        /// What is there; at every address of the node, or at one of them.
        there: NodePort,
        /// Whose it is.
        owner: String,
    },
    /// Others are at it.
    #[error("cannot change the host ports of this node")]
    Locked(#[from] LockError),
}

impl HostPortError {
    /// What to do about it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => Some("take another port, or remove that pod first"),
            Self::Locked(_) => None,
        }
    }
}

/// The ports of an endpoint and where each must lead. One of a family that it does not have leads nowhere.
pub(super) fn wanted(endpoint: &Endpoint) -> Vec<(HostPort, NodePort, Lead)> {
    let addresses = addresses(endpoint);
    let lead = |port: &HostPort| {
        let of_family = addresses
            .iter()
            .find(|address| address.is_ipv4() == port.host_ip.is_ipv4());
        of_family.map(|address| Lead::new(endpoint.id, *address, port))
    };
    let ports = endpoint.host_ports.iter();
    ports
        .filter_map(|port| Some((*port, NodePort::of(port), lead(port)?)))
        .collect()
}

impl Endpoints<'_> {
    /// Opens the host ports of an endpoint whose programs are loaded, all of them or, if one is another's, none
    /// that was not open before.
    pub fn open_host_ports(&self, endpoint: &Endpoint) -> Result<(), LifecycleError> {
        let wanted = wanted(endpoint);
        if wanted.is_empty() {
            return Ok(());
        }
        // A port at every address and one at a single address have different keys: two of them are told to be
        // in each other's way by looking, and while one looks nobody else may come.
        let path = self.store.layout().locks().join(LOCK);
        let _lock = FileLock::acquire(&path, LOCK_WAIT).map_err(HostPortError::from)?;
        self.open_all(endpoint.id, &wanted)?;
        self.forget_lost_flows(&wanted)
    }

    fn open_all(
        &self,
        id: EndpointId,
        wanted: &[(HostPort, NodePort, Lead)],
    ) -> Result<(), LifecycleError> {
        let mut map = self.maps.host_ports()?;
        let there = map.entries()?;
        for (found, lead) in &there {
            self.make_way(&mut map, (found, lead), id, wanted)?;
        }
        let mut opened = Vec::new();
        for (port, node_port, lead) in wanted {
            if there.contains(&(*node_port, *lead)) {
                continue;
            }
            if let Err(error) = self.open_one(&mut map, port, node_port, lead) {
                for done in opened {
                    map.remove(done)?;
                }
                return Err(error);
            }
            opened.push(node_port);
        }
        Ok(())
    }

    /// A flow to a pod that is gone would never come to the one that has the port now: whoever asks by datagrams
    /// keeps it alive. Pods forget theirs when they go, and a packet on another processor may have made one again.
    fn forget_lost_flows(
        &self,
        wanted: &[(HostPort, NodePort, Lead)],
    ) -> Result<(), LifecycleError> {
        let local = self.maps.endpoints()?.entries()?;
        let is_local = |address: IpAddr| local.iter().any(|(own, _)| *own == address);
        for family in [Family::Ipv4, Family::Ipv6] {
            let is_of_family =
                |(_, port, _): &&(_, NodePort, _)| port.host.is_ipv4() == (family == Family::Ipv4);
            let ports: Vec<_> = wanted.iter().filter(is_of_family).collect();
            if ports.is_empty() {
                continue;
            }
            let Some(mut nat) = present(self.maps.nat(family))? else {
                continue;
            };
            nat.remove_where(|half| {
                let at = NodePort {
                    host: half.node,
                    protocol: half.protocol,
                };
                !is_local(half.pod.ip()) && ports.iter().any(|(_, port, _)| port.meets(&at))
            })?;
        }
        Ok(())
    }

    fn open_one(
        &self,
        map: &mut HostPortsMap,
        port: &HostPort,
        node_port: &NodePort,
        lead: &Lead,
    ) -> Result<(), LifecycleError> {
        if map.insert_new(node_port, lead)? {
            return Ok(());
        }
        // Somebody who does not know our lock: a weir with another state folder.
        match map.get(node_port)? {
            Some(other) => Err(self.taken(port, node_port, &other)),
            None => Ok(map.insert(node_port, lead)?),
        }
    }

    /// Refuses what another endpoint has; what one that is gone has left, or this one had before, is closed.
    fn make_way(
        &self,
        map: &mut HostPortsMap,
        (found, lead): (&NodePort, &Lead),
        id: EndpointId,
        wanted: &[(HostPort, NodePort, Lead)],
    ) -> Result<(), LifecycleError> {
        let is_in_the_way = if lead.id == id.get() {
            let is_wanted = |(_, port, to): &(_, NodePort, Lead)| (port, to) == (found, lead);
            !wanted.iter().any(is_wanted)
        } else {
            match wanted.iter().find(|(_, port, _)| port.meets(found)) {
                Some((port, ..)) if !self.removal().is_lost(lead.id) => {
                    return Err(self.taken(port, found, lead));
                }
                met => met.is_some(),
            }
        };
        if is_in_the_way {
            map.remove(found)?;
        }
        Ok(())
    }

    fn taken(&self, port: &HostPort, there: &NodePort, lead: &Lead) -> LifecycleError {
        HostPortError::Taken {
            port: *port,
            there: *there,
            owner: owner(self.store, lead),
        }
        .into()
    }

    /// Opens the host ports of all endpoints, where they are not: the map may be new. Says what hinders that.
    pub fn reopen_all_host_ports(&self) -> Result<Vec<String>, LifecycleError> {
        let endpoints = self.store.list()?.into_iter().filter_map(endpoint_of);
        let notices = endpoints.filter_map(|endpoint| self.reopen_host_ports(&endpoint));
        let notices = notices.collect();
        // Of one that was deleted meanwhile.
        self.removal().close_lost_host_ports()?;
        Ok(notices)
    }

    /// Opens the host ports of an endpoint that runs, where they are not; says what hinders that. Its programs do
    /// not depend on it.
    pub(super) fn reopen_host_ports(&self, endpoint: &Endpoint) -> Option<String> {
        let error = self.open_host_ports(endpoint).err()?;
        Some(format!(
            "the host ports of endpoint {} are not all open: {}",
            endpoint.id,
            chain(&error)
        ))
    }
}

/// The endpoint of an entry, if that much is known of it.
fn endpoint_of(entry: Entry) -> Option<Endpoint> {
    let Entry::Endpoint { status, .. } = entry else {
        return None;
    };
    match *status {
        Status::Ok(record) | Status::Restored { record, .. } => Some(record.endpoint),
        Status::Damaged { record, .. } => record.map(|record| record.endpoint),
        Status::Claimed { .. } | Status::Leftover => None,
    }
}

/// Who has a port, in the names of those who made it.
fn owner(store: &Store, lead: &Lead) -> String {
    let id = EndpointId::new(lead.id).ok();
    let record = id.and_then(|id| store.read(id).ok());
    let Some(endpoint) = record.map(|live| live.record.endpoint) else {
        return format!("{}, endpoint {}", lead.pod, lead.id);
    };
    let pod = endpoint.pod.as_ref().map_or(String::new(), |pod| {
        format!("pod {}/{}, ", pod.namespace, pod.name)
    });
    format!(
        "{pod}container {}, endpoint {} ({})",
        endpoint.container_id, endpoint.id, lead.pod
    )
}

impl Removal<'_> {
    /// Closes the ports that lead to an endpoint, and waits for the packets that have found them open: whatever
    /// they leave in other maps is there when it returns.
    pub(super) fn close_host_ports(&self, id: EndpointId) -> Result<(), LifecycleError> {
        let closed = self.close_where(|lead| lead.id == id.get())?;
        if !closed.is_empty() {
            wait_for_running_programs();
        }
        Ok(())
    }

    /// Closes ports that lead to endpoints of which neither the disk nor the kernel has anything.
    pub fn close_lost_host_ports(&self) -> Result<Vec<NodePort>, LifecycleError> {
        self.close_where(|lead| self.is_lost(lead.id))
    }

    /// What [`Self::close_lost_host_ports`] would close.
    pub fn lost_host_ports(&self) -> Result<Vec<NodePort>, LifecycleError> {
        let Some(map) = present(self.maps.host_ports())? else {
            return Ok(Vec::new());
        };
        let entries = map.entries()?.into_iter();
        let lost = entries.filter(|(_, lead)| self.is_lost(lead.id));
        Ok(lost.map(|(port, _)| port).collect())
    }

    fn close_where(&self, chosen: impl Fn(&Lead) -> bool) -> Result<Vec<NodePort>, LifecycleError> {
        let Some(mut map) = present(self.maps.host_ports())? else {
            return Ok(Vec::new());
        };
        let mut closed = Vec::new();
        for (port, lead) in map.entries()? {
            if chosen(&lead) && map.remove(&port)? {
                closed.push(port);
            }
        }
        Ok(closed)
    }

    /// Whether there is nothing of an endpoint of this number. One in the making has pins before it has ports.
    fn is_lost(&self, id: u16) -> bool {
        let Ok(id) = EndpointId::new(id) else {
            return true;
        };
        !self.is_on_disk(id) && is_absent(&self.maps.pin(MapName::Policy(id)))
    }
}

/// The first port that does not lead where it must.
pub(super) fn first_difference(
    maps: &Maps,
    endpoint: &Endpoint,
) -> Result<Option<(NodePort, Option<Lead>)>, MapsError> {
    let wanted = wanted(endpoint);
    if wanted.is_empty() {
        return Ok(None);
    }
    let map = maps.host_ports()?;
    for (_, port, lead) in wanted {
        let found = map.get(&port)?;
        if found != Some(lead) {
            return Ok(Some((port, found)));
        }
    }
    Ok(None)
}
