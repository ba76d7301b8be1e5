//! What is known of one attached interface: plain data, no file descriptors, no I/O.

mod bandwidth;
mod host_port;
mod id;
mod labels;
mod mac;
mod values;

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

pub use bandwidth::{Bandwidth, Limit};
pub use host_port::HostPort;
pub use id::{EndpointId, InvalidId};
pub use labels::{Label, Labels};
pub use mac::{InvalidMac, MacAddr};
pub use values::{CONSTANTS, Constant, DefinedBy, HOST_CONSTANTS, Values};

use crate::options::EndpointOptions;

/// The facts of one endpoint. JSON names are those of `endpoint.json` and of `weir endpoint -o json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its number on this node.
    pub id: EndpointId,
    /// The runtime's id of the container or sandbox.
    pub container_id: String,
    /// The runtime's name of the container, when it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub container_name: String,
    /// The interface's name inside the pod.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ifname: String,
    /// The host end of the pair.
    pub host_ifname: String,
    /// The kernel's number of the host end.
    pub host_ifindex: u32,
    /// The pod's own MAC address.
    pub mac: MacAddr,
    /// The host end's MAC address: what the pod sees as its gateway.
    pub host_mac: MacAddr,
    /// The pod's IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv4: Option<Ipv4Addr>,
    /// The pod's IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<Ipv6Addr>,
    /// The security identity: the number of its set of labels.
    pub identity: u32,
    /// The labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// What the datapath does for this endpoint.
    #[serde(default)]
    pub options: EndpointOptions,
    /// Which directions report policy verdicts: bit 0 ingress, bit 1 egress; 0 reports both.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub verdict_log_filter: u32,
    /// Whether it leaves the node with the node's address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masquerade: bool,
    /// Ports of the node that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_ports: Vec<HostPort>,
    /// The pod, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Pod>,
    /// The runtime's ids of the network and of this attachment, where it has them.
    #[serde(default, skip_serializing_if = "NetworkIds::is_empty")]
    pub network: NetworkIds,
    /// How fast it may send and be sent to.
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    pub bandwidth: Bandwidth,
}

impl Endpoint {
    /// One of which nothing is known but its number. Who makes some by hand says what they need beside it.
    pub fn bare(id: EndpointId) -> Self {
        Self {
            id,
            container_id: String::new(),
            container_name: String::new(),
            ifname: String::new(),
            host_ifname: String::new(),
            host_ifindex: 0,
            mac: MacAddr::default(),
            host_mac: MacAddr::default(),
            ipv4: None,
            ipv6: None,
            identity: 0,
            labels: Labels::default(),
            options: EndpointOptions::default(),
            verdict_log_filter: 0,
            masquerade: false,
            host_ports: Vec::new(),
            pod: None,
            network: NetworkIds::default(),
            bandwidth: Bandwidth::default(),
        }
    }
}

/// The Kubernetes names of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
    /// The unique id, when the runtime passes it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

/// Ids under which a runtime knows the network and the attachment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkIds {
    /// The network.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub network_id: String,
    /// The attachment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub attachment_id: String,
}

impl NetworkIds {
    fn is_empty(&self) -> bool {
        self.network_id.is_empty() && self.attachment_id.is_empty()
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(n: &u32) -> bool {
    *n == 0
}
