//! `runtimeConfig`: what the runtime asks for this pod, in the spellings of every runtime.

use std::collections::BTreeMap;

use serde_json::Value;

use super::mappings::{PortMapping, port_mappings};
use crate::document::{Fault, Object, Placed, list, text};
use crate::result::Dns;

/// The key of the pod's annotations, which containerd and CRI-O agree on.
const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// The kernel counts octets.
const OCTET: u64 = 8;

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

/// A limit. A rate of 0 is no limit; for "no bound of the burst" containerd sends the largest number of 32
/// bits and CRI-O eight times it.
fn limit(object: &mut Object, rate_key: &str, burst_key: &str) -> Result<Option<Limit>, Fault> {
    let rate: u64 = object.number(rate_key)?.unwrap_or(0);
    let burst = object.number(burst_key)?;
    let burst = burst.filter(|bits| *bits > 0 && *bits < u64::from(u32::MAX));
    if let (0, Some(bits)) = (rate, burst) {
        let rule = format!("a burst says nothing without {rate_key}");
        return Err(Fault::value(&object.place(burst_key), bits, rule));
    }
    if (1..OCTET).contains(&rate) {
        let rule = "it is in bits a second, and 8 are the least";
        return Err(Fault::value(&object.place(rate_key), rate, rule));
    }
    Ok((rate > 0).then_some(Limit { rate, burst }))
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
