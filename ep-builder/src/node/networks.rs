//! The networks of pods on this node: what their pods call it, and the route of the whole network, by which
//! packets for addresses that no pod has come to a program that drops them.

use std::net::IpAddr;

use super::ensure::Ensured;
use super::error::NodeError;
use super::network::Network;
use super::plan::{GatewayPlace, node_addresses, place_of, routed};
use super::record::{Folder, NodeAddress, PodNetwork, Record, Stage};
use crate::maps::Maps;
use crate::settings::Settings;

/// Takes up the networks that the addresses of a pod come with, on a node that was just ensured. Networks that are
/// known cost nothing. Says what the operator should know.
pub fn join(
    settings: &Settings,
    ensured: &Ensured,
    networks: &[PodNetwork],
) -> Result<Vec<String>, NodeError> {
    let is_known = |record: &Record| networks.iter().all(|it| record.networks.contains(it));
    if is_known(&ensured.record) {
        return Ok(Vec::new());
    }
    let folder = Folder::of(settings);
    let _lock = folder.lock()?;
    let Some(mut record) = folder.read()? else {
        // Somebody cleaned up meanwhile: the next setup brings all of it.
        return Ok(Vec::new());
    };
    let mut notices = Vec::new();
    if is_known(&record) && record.state == Stage::Ready {
        return Ok(notices);
    }
    let Some(host) = record.host().map(|host| host.facts.ifindex) else {
        return Ok(notices);
    };
    let was = record.state;
    for network in networks {
        // A gateway that has changed is the newer one's.
        record.networks.retain(|it| it.network != network.network);
        record.networks.push(*network);
    }
    record.state = Stage::Begun;
    folder.write(&record)?;
    let mut kernel = Network::open()?;
    record.addresses = settle(settings, &mut kernel, &record.networks, host, &mut notices)?;
    route(settings, &mut kernel, &record.networks, host, &mut notices)?;
    let maps = Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix);
    let addresses = record.addresses.iter();
    let addresses = addresses.map(|it| (it.address, it.ifindex)).collect();
    maps.node_addresses()?.replace(&addresses)?;
    // What another process left half made is still to be finished.
    record.state = was;
    folder.write(&record)?;
    Ok(notices)
}

/// Gives the node's own device the addresses of the gateways, and returns those that the node has then.
pub(super) fn settle(
    settings: &Settings,
    network: &mut Network,
    networks: &[PodNetwork],
    host: u32,
    notices: &mut Vec<String>,
) -> Result<Vec<NodeAddress>, NodeError> {
    let there = network.addresses()?;
    let node = &settings.node;
    let is_on = |it: &IpAddr| if it.is_ipv4() { node.ipv4 } else { node.ipv6 };
    for gateway in networks.iter().filter_map(|it| it.gateway).filter(is_on) {
        match place_of(gateway, &there, host) {
            GatewayPlace::Own => network.add_address(host, gateway)?,
            GatewayPlace::Elsewhere => {}
            GatewayPlace::Neighbour(index) => {
                let device = network.link_at(index)?.map(|link| link.name);
                notices.push(format!(
                    "the gateway {gateway} of the pods is in the network of {}, so the node does not take that address: pods reach the node by its other addresses",
                    device.unwrap_or_default()
                ));
            }
        }
    }
    Ok(node_addresses(&network.addresses()?))
}

/// Routes the networks of pods to the node's own device, and no others.
pub(super) fn route(
    settings: &Settings,
    network: &mut Network,
    networks: &[PodNetwork],
    host: u32,
    notices: &mut Vec<String>,
) -> Result<(), NodeError> {
    let wanted = routed(settings, networks);
    let there = network.networks_on(host)?;
    for new in wanted.iter().filter(|it| !there.contains(it)) {
        if !network.add_route(host, *new)? {
            notices.push(format!(
                "there is a route to {new} that is not ours: packets to addresses there that no pod has take it"
            ));
        }
    }
    // The kernel's own routes are those of single addresses.
    let whole = there
        .iter()
        .filter(|it| **it != crate::maps::Prefix::of(it.address()));
    for old in whole.filter(|it| !wanted.contains(it)) {
        network.remove_route(host, *old)?;
    }
    Ok(())
}
