//! From what was asked and given to the result.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ep_builder::health;

use super::mac::Macs;
use crate::error::{Failure, Kind};
use crate::net::gateway_of;
use crate::netconf::NetConf;
use crate::request::Add;
use crate::result::{Dns, Extra, Interface, Outcome};

/// Refuses what this version cannot do: a pod that comes up without what was asked for would be found out
/// much later.
pub(super) fn refuse_unsupported(conf: &NetConf) -> Result<(), Failure> {
    if conf.prev_result.is_some() {
        return Err(Failure::new(
            Kind::Config,
            "cannot go on from the prevResult of another plugin: weir-cni makes the pod's interface itself",
        )
        .advice("make it the first plugin of the list; others may follow it"));
    }
    Ok(())
}

/// Refuses a pod under the name of the health endpoint: it would be in no namespace that policy knows, and no GC would
/// remove it. The health endpoint itself is known by the namespace `own`, in a folder that is root's alone.
pub(super) fn refuse_reserved(request: &Add, own: &Path) -> Result<(), Failure> {
    let attachment = &request.attachment;
    let is_reserved = attachment.container.as_str() == health::CONTAINER;
    if !is_reserved || attachment.is_health() && Path::new(&request.netns) == own {
        return Ok(());
    }
    Err(Failure::new(
        Kind::Config,
        format!(
            "cannot wire a pod as container {}: that is the node's health endpoint",
            health::CONTAINER
        ),
    )
    .advice("give the container another id; `weir node init --health` makes the health endpoint"))
}

/// The result: the host end, the pod end, and all addresses on the latter.
pub(super) fn outcome(request: &Add, given: Outcome, macs: Macs, mtu: u32) -> Outcome {
    let interface = |name: &str, mac: String, sandbox| Interface {
        name: name.to_owned(),
        mac,
        mtu: Some(mtu),
        sandbox,
        extra: Extra::new(),
    };
    let attachment = &request.attachment;
    let mut outcome = given;
    outcome.interfaces = vec![
        interface(&attachment.host_name(), macs.host.to_string(), None),
        interface(
            attachment.ifname.as_str(),
            macs.pod.to_string(),
            // As the runtime gave it: others compare the text.
            Some(request.netns.clone()),
        ),
    ];
    for address in &mut outcome.ips {
        address.interface = Some(1);
        // The one the pod's default route takes; plugins that follow build routes of their own on it.
        address.gateway = address.gateway.or_else(|| gateway_of(address).ok());
    }
    outcome.dns = resolver(&request.conf, outcome.dns);
    outcome
}

/// The nearest to the pod wins: what the runtime says of this pod, what the administrator says of the
/// network, what came with the addresses.
fn resolver(conf: &NetConf, given: Dns) -> Dns {
    let mut asked = conf.runtime.dns.iter().chain([&conf.dns]);
    let first = asked.find(|dns| **dns != Dns::default());
    first.cloned().unwrap_or(given)
}

/// The one IPv4 address of a pod.
pub(super) fn only_ipv4(addresses: &[IpAddr]) -> Result<Option<Ipv4Addr>, Failure> {
    only(addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(*address),
        IpAddr::V6(_) => None,
    }))
}

/// The one IPv6 address of a pod.
pub(super) fn only_ipv6(addresses: &[IpAddr]) -> Result<Option<Ipv6Addr>, Failure> {
    only(addresses.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(*address),
        IpAddr::V4(_) => None,
    }))
}

/// The datapath takes a packet from one address of each family for the pod's own.
fn only<T: std::fmt::Display>(addresses: impl Iterator<Item = T>) -> Result<Option<T>, Failure> {
    let mut addresses = addresses;
    match (addresses.next(), addresses.next()) {
        (first, None) => Ok(first),
        (first, Some(second)) => Err(Failure::new(
            Kind::Config,
            format!(
                "cannot give the pod two addresses of one family, {} and {second}",
                first.map(|address| address.to_string()).unwrap_or_default()
            ),
        )
        .advice("give `ipam` one range set for each family")),
    }
}
