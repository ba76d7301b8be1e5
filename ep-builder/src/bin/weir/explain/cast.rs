//! Who meets a packet: pods, and devices of the node.

use std::net::IpAddr;

use ep_builder::attach::Rtnl;
use ep_builder::endpoint::Endpoint;
use ep_builder::explain::{Packet, Sender};
use ep_builder::load::LoadError;
use ep_builder::maps::MapsError;
use ep_builder::node::{DeviceRecord, Record, recorded};
use ep_builder::policy::{Enforcement, Holder};

use super::ends::End;
use crate::failure::Failure;
use crate::map::maps;
use crate::node::Node;

/// Whose programs a packet meets.
pub(super) struct Cast {
    /// Where it comes from.
    pub(super) sender: Sender,
    pub(super) pods: Vec<Endpoint>,
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
            (End::Pod(own), receiver) => Ok(Self {
                sender: Sender::Pod(own.id),
                pods: vec![own.as_ref().clone()],
                devices: match receiver {
                    None => called(node, is_tried)?,
                    Some(_) => Vec::new(),
                },
            }),
            (End::Host(_), Some(other)) => Ok(pods(Sender::Host, vec![other.clone()])),
            (End::Outside(_), Some(other)) => Ok(pods(Sender::Outside, vec![other.clone()])),
            (End::Host(_), None) => from_node(node, to, packet.addresses.to()),
            (End::Outside(_), None) => to_node(node, to, packet),
        }
    }
}

/// The pod of this node that has the address.
fn receiver<'e>(
    node: &Node,
    endpoints: &'e [Endpoint],
    to: IpAddr,
) -> Result<Option<&'e Endpoint>, Failure> {
    let local = match maps(node).endpoints() {
        Ok(map) => map.get(to)?,
        Err(MapsError::Missing { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let pod = local.filter(|local| !local.is_host);
    Ok(pod.and_then(|pod| endpoints.iter().find(|it| it.id.get() == pod.lxc_id)))
}

/// The device whose programs pods call for what they send to the node: where it has a policy, or may have one.
fn called(node: &Node, is_tried: bool) -> Result<Vec<DeviceRecord>, Failure> {
    if !is_tried && !is_judged(node)? {
        return Ok(Vec::new());
    }
    let record = recorded(&node.settings)?;
    let host = record.as_ref().and_then(Record::host);
    Ok(host.cloned().into_iter().collect())
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
    let device = device.ok_or_else(|| {
        Failure::Input(format!(
            "what the node sends to {address} leaves by no device with programs of weir, and nothing judges it: `weir node status` shows those with"
        ))
    })?;
    Ok(Cast {
        sender: Sender::FromNode(device.facts.ifindex),
        pods: Vec::new(),
        devices: vec![device],
    })
}

/// Somebody outside sends to the node: by the device by which the node would answer, if packets from there are seen.
fn to_node(node: &Node, to: &End, packet: &Packet) -> Result<Cast, Failure> {
    let natives = natives(node)?;
    if !matches!(to, End::Host(_)) || natives.is_empty() {
        return Err(Failure::Input(
            "neither end is a pod of this node, nor the node with its devices that lead outside (`weir node status`): no policy judges such a packet"
                .to_owned(),
        ));
    }
    refuse_host_port(node, packet)?;
    let answers = towards(packet.addresses.from())?;
    let is_it = |device: &&DeviceRecord| Some(device.facts.ifindex) == answers;
    let device = natives.iter().find(is_it).or(natives.first()).cloned();
    let devices: Vec<_> = device.into_iter().collect();
    Ok(Cast {
        sender: Sender::ToNode(devices.first().map_or(0, |it| it.facts.ifindex)),
        pods: Vec::new(),
        devices,
    })
}

/// A port of the node that leads to a pod is the pod's.
fn refuse_host_port(node: &Node, packet: &Packet) -> Result<(), Failure> {
    let Some((_, port)) = packet.content.ports() else {
        return Ok(());
    };
    let ports = match maps(node).host_ports() {
        Ok(ports) => ports.entries()?,
        Err(MapsError::Missing { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let to = packet.addresses.to();
    let lead = ports.into_iter().find(|(it, _)| {
        let host = it.host.ip();
        (it.host.port(), it.protocol) == (port, packet.protocol())
            && host.is_ipv4() == to.is_ipv4()
            && (host == to || host.is_unspecified())
    });
    match lead {
        None => Ok(()),
        Some((port, lead)) => Err(Failure::Input(format!(
            "{port} is a host port: it leads to {} of endpoint {}, whose policy judges: ask with --to {}:{}",
            lead.pod,
            lead.id,
            lead.id,
            lead.pod.port()
        ))),
    }
}

fn natives(node: &Node) -> Result<Vec<DeviceRecord>, Failure> {
    let record = recorded(&node.settings)?;
    Ok(record.iter().flat_map(Record::natives).cloned().collect())
}

fn towards(address: IpAddr) -> Result<Option<u32>, Failure> {
    let found = Rtnl::open().and_then(|mut rtnl| rtnl.device_towards(address));
    Ok(found.map_err(LoadError::from)?)
}
