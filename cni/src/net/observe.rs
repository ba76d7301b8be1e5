//! What is there of a pod's wiring, and the first thing that is not as it was made. For CHECK.
//!
//! Not compared is what other plugins of a chain may change behind us: hardware addresses and MTU (`tuning`), and
//! in which table a route is (`sbr`, `vrf`).

use std::net::IpAddr;

use ep_builder::attach::Queue;
use ep_builder::endpoint::{Bandwidth, Limit};
use ipnet::IpNet;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressAttribute;

use super::error::NetError;
use super::link::{Link, Owner};
use super::plan::{Plan, PodRoute};
use super::route::{self, SeenRoute};
use super::shaping;
use super::socket::Socket;
use super::wire::Wire;
use crate::names::Attachment;

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Observed {
    /// The link of the host end's name.
    pub(crate) host: Option<Link>,
    /// The link of the pod end's name.
    pub(crate) pod: Option<Link>,
    /// The addresses of the latter.
    pub(crate) addresses: Vec<IpAddr>,
    /// All routes of the pod.
    pub(crate) routes: Vec<SeenRoute>,
    /// Which link the host takes to each of the plan's addresses.
    pub(crate) ways: Vec<Option<u32>>,
    /// The queues of both, where they are to have a limit.
    pub(crate) queues: Queues,
}

/// The queues of a pair's ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Queues {
    host: Option<Queue>,
    pod: Option<Queue>,
}

/// Something that is not as it was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Difference {
    /// No host end.
    #[error("the host has no link {0}")]
    NoHostLink(String),
    /// A host end without our mark.
    #[error("the host's link {0} is another one: its alias is {1:?}")]
    OtherHostLink(String, String),
    /// No pod end.
    #[error("the pod has no link {0}")]
    NoPodLink(String),
    /// Two links that do not belong together.
    #[error("the host's link {host} and the pod's link {pod} are not the two ends of one pair")]
    NoPair {
        /// The host end's name.
        host: String,
        /// The pod end's name.
        pod: String,
    },
    /// A link that is down.
    #[error("the link {0} is down")]
    Down(String),
    /// An address is gone.
    #[error("the pod's link {link} has no address {address}")]
    NoAddress {
        /// The link.
        link: String,
        /// The address.
        address: IpAddr,
    },
    /// A route is gone from all tables, or has another next hop.
    #[error("the pod has no route to {destination}{}", Via(*gateway))]
    NoRoute {
        /// The destination.
        destination: IpNet,
        /// The gateway.
        gateway: Option<IpAddr>,
    },
    /// The host's route to the pod is gone, or another one is before it.
    #[error("the host does not send packets for {address} to {link}")]
    OtherWay {
        /// The pod's address.
        address: IpAddr,
        /// The host end's name.
        link: String,
    },
    /// A limit is gone, or another one is in its place.
    #[error("the link {link} is not limited to {limit}: it has {}", Has(found.as_ref()))]
    OtherQueue {
        /// The link.
        link: String,
        /// The limit.
        limit: Limit,
        /// What is there.
        found: Option<Queue>,
    },
}

impl Wire<'_> {
    /// Looks at everything that an ADD with this plan and these limits made.
    pub(crate) fn observe(
        &self,
        attachment: &Attachment,
        plan: &Plan,
        bandwidth: &Bandwidth,
    ) -> Result<Observed, NetError> {
        let name = attachment.ifname.as_str();
        let pod = self.pod_link(name)?;
        let socket = self.pod()?;
        let addresses = socket.list(&route::list_addresses(name))?;
        let routes = socket.list(&route::list_routes(name))?;
        let index = pod.as_ref().map(|link| link.index);
        let host = self.host().find(&attachment.host_name())?;
        let queues = Queues {
            host: queue(&self.host().socket, host.as_ref(), bandwidth.ingress)?,
            pod: queue(socket, pod.as_ref(), bandwidth.egress)?,
        };
        Ok(Observed {
            host,
            queues,
            addresses: addresses
                .iter()
                .filter_map(|message| address_on(message, index?))
                .collect(),
            routes: routes.iter().flat_map(SeenRoute::read).collect(),
            ways: self.host().ways_to(&plan.addresses)?,
            pod,
        })
    }
}

/// The queue of a link that is to have a limit.
fn queue(
    socket: &Socket,
    link: Option<&Link>,
    limit: Option<Limit>,
) -> Result<Option<Queue>, NetError> {
    let Some((link, _)) = link.zip(limit) else {
        return Ok(None);
    };
    let answers = socket.demand(vec![shaping::look(link)])?;
    Ok(answers.iter().flatten().find_map(Queue::read))
}

fn address_on(message: &RouteNetlinkMessage, index: u32) -> Option<IpAddr> {
    let RouteNetlinkMessage::NewAddress(message) = message else {
        return None;
    };
    if message.header.index != index {
        return None;
    }
    // IPv6 has no local address beside the address; of IPv4 the local one is the link's.
    let local = message.attributes.iter().find_map(|a| match a {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        message.attributes.iter().find_map(|a| match a {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// The first thing that is not as an ADD with this plan and these limits made it.
pub(crate) fn first_difference(
    attachment: &Attachment,
    plan: &Plan,
    bandwidth: &Bandwidth,
    observed: &Observed,
) -> Option<Difference> {
    let (host_name, pod_name) = (attachment.host_name(), attachment.ifname.as_str());
    let Some(host) = &observed.host else {
        return Some(Difference::NoHostLink(host_name));
    };
    let is_its = matches!(host.owner(), Owner::Marked(alias) if attachment.id_in(alias).is_some());
    if !is_its {
        return Some(Difference::OtherHostLink(host_name, host.alias.clone()));
    }
    let Some(pod) = &observed.pod else {
        return Some(Difference::NoPodLink(pod_name.to_owned()));
    };
    let is_pair =
        host.is_veth && pod.is_veth && host.peer == Some(pod.index) && pod.peer == Some(host.index);
    if !is_pair {
        return Some(Difference::NoPair {
            host: host_name,
            pod: pod_name.to_owned(),
        });
    }
    if let Some(down) = [host, pod].into_iter().find(|link| !link.is_up) {
        return Some(Difference::Down(down.name.clone()));
    }
    missing_address(plan, pod, observed)
        .or_else(|| missing_route(plan, pod, observed))
        .or_else(|| other_way(plan, host, observed))
        .or_else(|| other_queue(host, bandwidth.ingress, observed.queues.host.as_ref()))
        .or_else(|| other_queue(pod, bandwidth.egress, observed.queues.pod.as_ref()))
}

fn missing_address(plan: &Plan, pod: &Link, observed: &Observed) -> Option<Difference> {
    let mut planned = plan.addresses.iter();
    let missing = planned.find(|address| !observed.addresses.contains(address))?;
    Some(Difference::NoAddress {
        link: pod.name.clone(),
        address: *missing,
    })
}

fn missing_route(plan: &Plan, pod: &Link, observed: &Observed) -> Option<Difference> {
    let is_there = |planned: &&PodRoute| {
        observed.routes.iter().any(|seen| {
            let is_same = seen.index == pod.index && seen.gateway == planned.hop.gateway();
            // A default route that was offered may have been there, on another link.
            seen.destination == planned.destination && (planned.is_offer || is_same)
        })
    };
    let missing = plan.routes.iter().find(|planned| !is_there(planned))?;
    Some(Difference::NoRoute {
        destination: missing.destination,
        gateway: missing.hop.gateway(),
    })
}

fn other_way(plan: &Plan, host: &Link, observed: &Observed) -> Option<Difference> {
    let mut planned = plan.addresses.iter().zip(&observed.ways);
    let (address, _) = planned.find(|(_, way)| **way != Some(host.index))?;
    Some(Difference::OtherWay {
        address: *address,
        link: host.name.clone(),
    })
}

fn other_queue(link: &Link, limit: Option<Limit>, found: Option<&Queue>) -> Option<Difference> {
    let limit = limit?;
    if found.is_some_and(|queue| queue.keeps(limit)) {
        return None;
    }
    Some(Difference::OtherQueue {
        link: link.name.clone(),
        limit,
        found: found.cloned(),
    })
}

/// What a link has in the place of its queue.
struct Has<'a>(Option<&'a Queue>);

impl std::fmt::Display for Has<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(queue) => queue.fmt(f),
            None => f.write_str("no queue"),
        }
    }
}

/// The gateway of a route that has one.
struct Via(Option<IpAddr>);

impl std::fmt::Display for Via {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(gateway) => write!(f, " via {gateway}"),
            None => Ok(()),
        }
    }
}
