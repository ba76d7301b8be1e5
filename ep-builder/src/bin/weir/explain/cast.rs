//! Who meets a packet: pods, and devices of the node.

use std::net::IpAddr;

use ep_builder::attach::Rtnl;
use ep_builder::endpoint::Endpoint;
use ep_builder::explain::{Packet, Sender};
use ep_builder::load::LoadError;
use ep_builder::maps::{LocalEndpoint, MapsError};
use ep_builder::node::{DeviceRecord, Record, recorded};
use ep_builder::policy::{Enforcement, Holder};

use super::ends::End;
use super::host_port::{has_address, refuse_host_port};
use super::scene::IDENTITY_OF_NODE;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// Whose programs a packet meets.
pub(super) struct Cast {
    /// Where it comes from.
    pub(super) sender: Sender,
    pub(super) pods: Vec<Endpoint>,
    /// That of the node whose programs judge; none where the node is neither end.
    pub(super) devices: Vec<DeviceRecord>,
}

impl Cast {
    /// Of a packet between these ends. `is_tried` says that other documents are to judge than those in force.
    pub(super) fn of(
        node: &Node,
        endpoints: &[Endpoint],
        (from, to): (&End, &End),
        packet: &Packet,
        is_tried: bool,
    ) -> Result<Self, Failure> {
        let receiver = receiver(node, endpoints, packet.addresses.to())?;
        let refuse_host_port = || match to {
            End::Host(_) => refuse_host_port(node, endpoints, from, packet),
            End::Pod(_) | End::Outside(_) => Ok(()),
        };
        let pods = |sender, pods| Self {
            sender,
            pods,
            devices: Vec::new(),
        };
        match (from, receiver) {
            (End::Pod(own), Some(other)) if other.id != own.id => Ok(pods(
                Sender::Pod(own.id),
                vec![own.as_ref().clone(), other.clone()],
            )),
            (End::Pod(own), Some(_)) => Ok(pods(Sender::Pod(own.id), vec![own.as_ref().clone()])),
            (End::Pod(own), None) => {
                refuse_host_port()?;
                Ok(Self {
                    sender: Sender::Pod(own.id),
                    pods: vec![own.as_ref().clone()],
                    devices: called(node, to, packet.addresses.to(), is_tried)?,
                })
            }
            (End::Host(_), Some(other)) => Ok(pods(Sender::Host, vec![other.clone()])),
            (End::Outside(_), Some(other)) => Ok(pods(Sender::Outside, vec![other.clone()])),
            (End::Host(_), None) => {
                refuse_host_port()?;
                from_node(node, to, packet.addresses.to())
            }
            (End::Outside(_), None) => {
                let cast = to_node(node, to, packet.addresses.from())?;
                // Where no program stands, none leads to a pod either.
                refuse_host_port()?;
                Ok(cast)
            }
        }
    }
}

/// The pod of this node that has the address.
fn receiver<'e>(
    node: &Node,
    endpoints: &'e [Endpoint],
    to: IpAddr,
) -> Result<Option<&'e Endpoint>, Failure> {
    let pod = local(node, to)?.filter(|local| !local.is_host);
    Ok(pod.and_then(|pod| endpoints.iter().find(|it| it.id.get() == pod.lxc_id)))
}

/// What the programs know of an address of this node.
fn local(node: &Node, address: IpAddr) -> Result<Option<LocalEndpoint>, Failure> {
    match maps(node).endpoints() {
        Ok(map) => Ok(map.get(address)?),
        Err(MapsError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The device whose programs pods call for what they send to the node: where it has a policy, or may have one.
fn called(
    node: &Node,
    to: &End,
    address: IpAddr,
    is_tried: bool,
) -> Result<Vec<DeviceRecord>, Failure> {
    // Nothing of the node's is needed, or has to be there, for what a pod sends to others.
    if !is_nodes(node, to, address)? {
        return Ok(Vec::new());
    }
    let is_judged = is_judged(node)?;
    if !is_judged && !is_tried {
        return Ok(Vec::new());
    }
    let record = recorded(&node.settings)?;
    let host = record.as_ref().and_then(Record::host).cloned();
    if is_judged && host.is_none() {
        // The wire judges, or drops where the program is gone, too: without it there is nothing to say.
        return Err(Failure::NotFound(
            "the node has a policy, but no programs of its own are on record: `weir node init` makes them"
                .to_owned(),
        ));
    }
    Ok(host.into_iter().collect())
}

/// Whether pods' programs take a receiver for the node, or may do so as soon as they know its address.
fn is_nodes(node: &Node, to: &End, address: IpAddr) -> Result<bool, Failure> {
    if matches!(to, End::Host(_)) {
        return Ok(true);
    }
    let known = match maps(node).ipcache() {
        Ok(map) => map.get(address)?,
        Err(MapsError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(known.is_some_and(|peer| peer.identity == IDENTITY_OF_NODE))
}

fn is_judged(node: &Node) -> Result<bool, Failure> {
    let store = node.store()?;
    let enforcement = Enforcement::new(&node.settings, &store);
    Ok(enforcement.has_node()? && enforcement.revision_of(Holder::Node)? != 0)
}

/// The node sends to somebody outside.
fn from_node(node: &Node, to: &End, address: IpAddr) -> Result<Cast, Failure> {
    if matches!(to, End::Host(_)) {
        return Err(Failure::Input(
            "what the node sends to itself meets no program of weir".to_owned(),
        ));
    }
    let device = towards(address)?;
    let natives = natives(node)?;
    let device = natives
        .into_iter()
        .find(|it| Some(it.facts.ifindex) == device);
    let device =
        device.ok_or_else(|| meets_none(&format!("what the node sends to {address} leaves by")))?;
    Ok(Cast {
        sender: Sender::FromNode(device.facts.ifindex),
        pods: Vec::new(),
        devices: vec![device],
    })
}

/// Somebody outside sends to the node: by the device by which the node would answer.
fn to_node(node: &Node, to: &End, from: IpAddr) -> Result<Cast, Failure> {
    let natives = natives(node)?;
    if !matches!(to, End::Host(_)) || natives.is_empty() {
        return Err(Failure::Input(
            "neither end is a pod of this node, nor the node with its devices that lead outside (`weir node status`): no policy judges such a packet"
                .to_owned(),
        ));
    }
    let device = match answers(node, from)? {
        Some(ifindex) => natives.into_iter().find(|it| it.facts.ifindex == ifindex),
        None => natives.into_iter().next(),
    };
    let device = device.ok_or_else(|| {
        meets_none(&format!(
            "what comes from {from} comes as the node would answer it, by"
        ))
    })?;
    Ok(Cast {
        sender: Sender::ToNode(device.facts.ifindex),
        pods: Vec::new(),
        devices: vec![device],
    })
}

/// The device by which the node answers somebody outside, if that says by which he comes: a link-local address is one
/// of each link, and who claims an address of the node or of its pods does not come from where the routes lead.
fn answers(node: &Node, from: IpAddr) -> Result<Option<u32>, Failure> {
    let is_of_link = matches!(from, IpAddr::V6(from) if from.is_unicast_link_local());
    if is_of_link || has_address(node, from)? || local(node, from)?.is_some() {
        return Ok(None);
    }
    towards(from)
}

/// Nothing of weir's stands where a packet comes or goes.
fn meets_none(passes_by: &str) -> Failure {
    Failure::Input(format!(
        "{passes_by} no device with programs of weir, and nothing judges it: `weir node status` shows those with"
    ))
}

fn natives(node: &Node) -> Result<Vec<DeviceRecord>, Failure> {
    let record = recorded(&node.settings)?;
    Ok(record.iter().flat_map(Record::natives).cloned().collect())
}

fn towards(address: IpAddr) -> Result<Option<u32>, Failure> {
    let found = Rtnl::open().and_then(|mut rtnl| rtnl.device_towards(address));
    Ok(found.map_err(LoadError::from)?)
}
