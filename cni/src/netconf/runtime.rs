//! `runtimeConfig`: what the runtime asks for this pod, in the spellings of every runtime.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::document::{Fault, Object, Placed, list, text};
use crate::result::Dns;

/// The key of the pod's annotations, which containerd and CRI-O agree on.
const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// What the runtime asks for this pod. Addresses and the MAC are in [`super::Wishes`].
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RuntimeConfig {
    /// Ports of the host that lead to the pod.
    pub(crate) port_mappings: Vec<PortMapping>,
    /// Towards the pod.
    pub(crate) ingress: Option<Limit>,
    /// Out of the pod.
    pub(crate) egress: Option<Limit>,
    /// The pod's resolver, where the runtime sets one.
    pub(crate) dns: Option<Dns>,
    /// Ranges that go before those of `ipam`, for the allocator to read.
    pub(crate) ip_ranges: Option<Value>,
    /// Further names of the pod.
    pub(crate) aliases: Vec<String>,
    /// The pod's cgroup below its root.
    pub(crate) cgroup_path: Option<String>,
    /// The pod's annotations.
    pub(crate) annotations: BTreeMap<String, String>,
}

/// A port of the host that leads to the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortMapping {
    /// The host's.
    pub(crate) host_port: u16,
    /// The pod's.
    pub(crate) container_port: u16,
    /// Of which protocol.
    pub(crate) protocol: Protocol,
    /// The host's address; none means any.
    pub(crate) host_ip: Option<IpAddr>,
}

/// A protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// TCP, and what is meant where none is named.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

/// A bound of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limit {
    /// Bits a second.
    pub(crate) rate: u64,
    /// Bits at once; none where the runtime means "as much as there is".
    pub(crate) burst: Option<u64>,
}

impl RuntimeConfig {
    /// Reads what stands under `runtimeConfig`.
    pub(crate) fn read(object: &mut Object) -> Result<Self, Fault> {
        let mut bandwidth = object.object("bandwidth")?.unwrap_or_default();
        Ok(Self {
            port_mappings: port_mappings(object)?,
            ingress: limit(&mut bandwidth, "ingressRate", "ingressBurst")?,
            egress: limit(&mut bandwidth, "egressRate", "egressBurst")?,
            dns: object.object("dns")?.map(dns).transpose()?.flatten(),
            ip_ranges: object.take("ipRanges"),
            aliases: aliases(object)?,
            cgroup_path: object.text("cgroupPath")?.filter(|path| !path.is_empty()),
            annotations: annotations(object)?,
        })
    }
}

fn port_mappings(object: &mut Object) -> Result<Vec<PortMapping>, Fault> {
    let entries = object.list("portMappings")?.into_iter();
    let mappings = entries.map(|entry| port_mapping(Object::new(entry)?));
    mappings.filter_map(Result::transpose).collect()
}

/// A mapping; one of no port of the host maps nothing.
fn port_mapping(mut object: Object) -> Result<Option<PortMapping>, Fault> {
    let host_port = object.number("hostPort")?.unwrap_or(0);
    if host_port == 0 {
        return Ok(None);
    }
    let place = object.place("containerPort");
    let container_port = object.number("containerPort")?.unwrap_or(0);
    if container_port == 0 {
        return Err(Fault::value(
            &place,
            container_port,
            "a port of the pod is needed",
        ));
    }
    Ok(Some(PortMapping {
        host_port,
        container_port,
        protocol: protocol(&mut object)?,
        host_ip: object.parsed("hostIP", "it must be an IP address")?,
    }))
}

fn protocol(object: &mut Object) -> Result<Protocol, Fault> {
    let name = object.text("protocol")?.unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => {
            let place = object.place("protocol");
            let shown = format_args!("{name:?}");
            Err(Fault::value(&place, shown, "it must be tcp, udp or sctp"))
        }
    }
}

/// A limit. A rate of 0 is no limit; for "no bound of the burst" containerd sends the largest number of 32
/// bits and CRI-O eight times it.
fn limit(object: &mut Object, rate: &str, burst: &str) -> Result<Option<Limit>, Fault> {
    let rate = object.number(rate)?.filter(|rate| *rate > 0);
    let burst = object.number(burst)?;
    let burst = burst.filter(|bits| *bits > 0 && *bits < u64::from(u32::MAX));
    Ok(rate.map(|rate| Limit { rate, burst }))
}

/// The names here are not those of the `dns` of a result.
fn dns(mut object: Object) -> Result<Option<Dns>, Fault> {
    let dns = Dns {
        nameservers: object.texts("servers")?,
        search: object.texts("searches")?,
        options: object.texts("options")?,
        ..Dns::default()
    };
    Ok((dns != Dns::default()).then_some(dns))
}

/// A list by the conventions; podman sends the lists of all networks by their names.
fn aliases(object: &mut Object) -> Result<Vec<String>, Fault> {
    let place = object.place("aliases");
    let lists: Vec<Placed> = match object.take("aliases") {
        None => Vec::new(),
        Some(Value::Object(networks)) => {
            let placed = networks.into_iter();
            placed
                .map(|(network, names)| (format!("{place}.{network}"), names))
                .collect()
        }
        Some(other) => vec![(place, other)],
    };
    let mut aliases = Vec::new();
    for names in lists.into_iter().filter(|(_, names)| !names.is_null()) {
        for name in list(names)? {
            aliases.push(text(name)?);
        }
    }
    Ok(aliases)
}

fn annotations(object: &mut Object) -> Result<BTreeMap<String, String>, Fault> {
    let Some(own) = object.object(ANNOTATIONS)? else {
        return Ok(BTreeMap::new());
    };
    own.into_texts()
}
