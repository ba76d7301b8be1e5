//! What the node should have, from what it has and what is configured: no I/O.

use std::net::IpAddr;

use super::addresses::{Address, Hints, source};
use super::links::{Framing, Link};
use super::record::{DeviceRecord, NodeAddress, PodNetwork};
use super::routes::DefaultRoute;
use crate::device::{DeviceFacts, DeviceKind};
use crate::endpoint::MacAddr;
use crate::maps::Prefix;
use crate::settings::Settings;

/// Of a node that leads nowhere.
const ETHERNET_MTU: u32 = 1500;
/// The least that IPv6 works with, and the most that a veth takes.
const MTU: [u32; 2] = [1280, 65_535];

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The devices.
    pub links: Vec<Link>,
    /// The addresses that others may know.
    pub addresses: Vec<Address>,
    /// The default routes, the best of each family first.
    pub routes: Vec<DefaultRoute>,
}

/// What there should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The devices that lead outside.
    pub natives: Vec<DeviceRecord>,
    /// The MTU of the node's own pair.
    pub mtu: u32,
    /// What the operator should know.
    pub notices: Vec<String>,
}

impl Plan {
    /// Decides. `before` are the devices of the setup so far.
    pub fn new(settings: &Settings, facts: &Facts, before: &[DeviceRecord]) -> Self {
        let mut notices = Vec::new();
        let links = match settings.host.devices.as_slice() {
            [] => of_default_routes(facts, &mut notices),
            names => named(names, facts, &mut notices),
        };
        let links: Vec<_> = links
            .into_iter()
            .filter(|link| is_readable(link, &mut notices))
            .collect();
        let mtu = links.iter().map(|link| link.mtu).min();
        let mtu = mtu.unwrap_or(ETHERNET_MTU).clamp(MTU[0], MTU[1]);
        let native = |link: &Link| {
            let hints = [false, true].map(|is_ipv6| hints(facts, link.index, is_ipv6));
            let before = before.iter().find(|it| it.facts.ifindex == link.index);
            let had_clsact = before.is_some_and(|it| it.had_clsact);
            let (facts, missing) = facts_of(settings, facts, link, hints, before);
            let record = DeviceRecord {
                facts,
                hints,
                template: None,
                had_clsact,
            };
            (record, missing)
        };
        let mut natives = Vec::new();
        for (native, missing) in links.iter().map(|link| native(link)) {
            natives.push(native);
            notices.extend(missing);
        }
        Self {
            natives,
            mtu,
            notices,
        }
    }
}

/// The devices of the default routes, each once.
fn of_default_routes<'a>(facts: &'a Facts, notices: &mut Vec<String>) -> Vec<&'a Link> {
    let mut found: Vec<&Link> = Vec::new();
    for route in &facts.routes {
        let link = facts.links.iter().find(|link| link.index == route.index);
        let is_new = |link: &&Link| found.iter().all(|it| it.index != link.index);
        found.extend(link.filter(|link| leads_outside(link)).filter(is_new));
    }
    if found.is_empty() {
        notices.push(
            "no device leads outside: there is no default route, and `devices` of [node] in weir.toml names none; `weir node init` takes one up when there is one"
                .to_owned(),
        );
    }
    found
}

/// The devices of these names that are there.
fn named<'a>(names: &[String], facts: &'a Facts, notices: &mut Vec<String>) -> Vec<&'a Link> {
    let mut found = Vec::new();
    for name in names {
        match facts.links.iter().find(|link| link.name == *name) {
            Some(link) if leads_outside(link) => found.push(link),
            Some(_) => notices.push(format!(
                "{name}, which `devices` of [node] in weir.toml names, does not lead outside"
            )),
            None => notices.push(format!(
                "there is no device {name}, which `devices` of [node] in weir.toml names; `weir node init` takes it up when it is there"
            )),
        }
    }
    found
}

fn leads_outside(link: &Link) -> bool {
    !link.is_loopback && !link.is_ours() && !link.is_pods()
}

fn is_readable(link: &Link, notices: &mut Vec<String>) -> bool {
    if let Framing::Other(hardware) = link.framing {
        notices.push(format!(
            "what {} carries cannot be read (it is hardware of type {hardware}): nothing is masqueraded there",
            link.name
        ));
        return false;
    }
    true
}

/// What the best default route through a device says.
fn hints(facts: &Facts, index: u32, is_ipv6: bool) -> Hints {
    let route = route(facts, index, is_ipv6);
    route.map(|route| route.hints).unwrap_or_default()
}

fn route(facts: &Facts, index: u32, is_ipv6: bool) -> Option<&DefaultRoute> {
    let mut routes = facts.routes.iter();
    routes.find(|route| (route.index, route.is_ipv6) == (index, is_ipv6))
}

/// The facts of a device that leads outside, and what is missing there.
fn facts_of(
    settings: &Settings,
    facts: &Facts,
    link: &Link,
    hints: [Hints; 2],
    before: Option<&DeviceRecord>,
) -> (DeviceFacts, Vec<String>) {
    let mut device = DeviceFacts {
        name: link.name.clone(),
        ifindex: link.index,
        mac: link.mac.unwrap_or(MacAddr([0; 6])),
        kind: DeviceKind::Native,
        ipv4_masquerade: None,
        ipv6_masquerade: None,
        has_ethernet: link.framing == Framing::Ethernet,
    };
    choose_sources(&mut device, settings, &facts.addresses, hints, before);
    let node = &settings.node;
    let families = [
        (node.ipv4, false, device.ipv4_masquerade.is_none(), "IPv4"),
        (node.ipv6, true, device.ipv6_masquerade.is_none(), "IPv6"),
    ];
    let missing = families
        .into_iter()
        .filter(|(is_on, is_ipv6, is_missing, _)| {
            *is_on && *is_missing && route(facts, link.index, *is_ipv6).is_some()
        });
    let missing = missing.map(|(.., family)| {
        format!(
            "{} has no {family} address to masquerade pods with, though the {family} default route takes it; `weir node init` takes one up when it is there",
            link.name
        )
    });
    (device, missing.collect())
}

/// Sets the addresses that packets of pods leave a device with.
pub(super) fn choose_sources(
    device: &mut DeviceFacts,
    settings: &Settings,
    addresses: &[Address],
    hints: [Hints; 2],
    before: Option<&DeviceRecord>,
) {
    let (node, index) = (&settings.node, device.ifindex);
    let [hints4, hints6] = hints;
    let ipv4 = addresses
        .iter()
        .filter(|it| node.ipv4 && it.address.is_ipv4());
    let ipv6 = addresses
        .iter()
        .filter(|it| node.ipv6 && it.address.is_ipv6());
    let before4 = before
        .and_then(|it| it.facts.ipv4_masquerade)
        .map(IpAddr::V4);
    let before6 = before
        .and_then(|it| it.facts.ipv6_masquerade)
        .map(IpAddr::V6);
    device.ipv4_masquerade = match source(ipv4, index, hints4, before4) {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    };
    device.ipv6_masquerade = match source(ipv6, index, hints6, before6) {
        Some(IpAddr::V6(address)) => Some(address),
        _ => None,
    };
}

/// The addresses at which the node is called, in their order.
pub(super) fn node_addresses(addresses: &[Address]) -> Vec<NodeAddress> {
    let mut all: Vec<_> = addresses
        .iter()
        .map(|it| NodeAddress {
            address: it.address,
            ifindex: it.index,
        })
        .collect();
    all.sort_unstable();
    all.dedup_by_key(|it| it.address);
    all
}

/// What is to be done with the address that pods call the node by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GatewayPlace {
    /// The node's own device gets it, or has it.
    Own,
    /// Another device of the node has it: the node answers already.
    Elsewhere,
    /// It is in the network of another device, whose neighbour it may be: only that device's owner knows.
    Neighbour(u32),
}

/// Decides about a gateway's address; `host` is the node's own device.
pub(super) fn place_of(gateway: IpAddr, addresses: &[Address], host: u32) -> GatewayPlace {
    if let Some(there) = addresses.iter().find(|it| it.address == gateway) {
        return if there.index == host {
            GatewayPlace::Own
        } else {
            GatewayPlace::Elsewhere
        };
    }
    let has_it = |it: &&Address| {
        let network = it.network().filter(|_| it.index != host);
        network.is_some_and(|network| network.contains(Prefix::of(gateway)))
    };
    let neighbour = addresses.iter().find(has_it);
    neighbour.map_or(GatewayPlace::Own, |it| GatewayPlace::Neighbour(it.index))
}

/// The networks that are routed to the node's own device: what is configured, else what pods came with. A
/// network of one address is a pod's, and has its own route.
pub(super) fn routed(settings: &Settings, networks: &[PodNetwork]) -> Vec<Prefix> {
    let node = &settings.node;
    let is_whole = |network: &Prefix| {
        let address = network.address();
        let is_on = if address.is_ipv4() {
            node.ipv4
        } else {
            node.ipv6
        };
        is_on && network.bits() > 0 && *network != Prefix::of(address)
    };
    let mut all: Vec<_> = match settings.host.pod_cidrs.as_slice() {
        [] => networks.iter().map(|it| it.network).collect(),
        configured => configured.to_vec(),
    };
    all.retain(is_whole);
    all.sort_unstable();
    all.dedup();
    all
}

#[cfg(test)]
mod tests;
