//! The wire form of an endpoint inside the header's comment line.
//!
//! Names and order are those of the system whose headers ours equal (DESIGN section 5), so that its
//! tools read ours. What it has no name for follows at the end and is left out when empty.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::endpoint::{
    Bandwidth, Endpoint, EndpointId, HostPort, Label, Labels, MacAddr, NetworkIds, Pod,
};
use crate::options::EndpointOptions;

/// The record. Fields that we never fill are written for the readers that expect them.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    #[serde(rename = "ID")]
    id: EndpointId,
    #[serde(rename = "ContainerName", default)]
    container_name: String,
    #[serde(rename = "dockerID")]
    container_id: String,
    #[serde(rename = "DockerNetworkID", default)]
    network_id: String,
    #[serde(rename = "DockerEndpointID", default)]
    attachment_id: String,
    #[serde(rename = "DatapathMapID", skip_deserializing)]
    datapath_map_id: u32,
    #[serde(rename = "IfName")]
    host_ifname: String,
    #[serde(rename = "IfIndex")]
    host_ifindex: u32,
    #[serde(rename = "OpLabels", default)]
    op_labels: OpLabels,
    #[serde(rename = "LXCMAC")]
    mac: MacAddr,
    #[serde(rename = "IPv6", default, with = "address")]
    ipv6: Option<Ipv6Addr>,
    #[serde(rename = "IPv4", default, with = "address")]
    ipv4: Option<Ipv4Addr>,
    #[serde(rename = "NodeMAC")]
    host_mac: MacAddr,
    #[serde(rename = "SecLabel")]
    identity: Identity,
    #[serde(rename = "Options", default)]
    options: Options,
    #[serde(rename = "DNSRules", skip_deserializing)]
    dns_rules: Option<Empty>,
    #[serde(rename = "DNSHistory", skip_deserializing)]
    dns_history: [Empty; 0],
    #[serde(rename = "DNSZombies", skip_deserializing)]
    dns_zombies: Empty,
    #[serde(rename = "K8sPodName", default)]
    pod_name: String,
    #[serde(rename = "K8sNamespace", default)]
    pod_namespace: String,
    #[serde(rename = "DatapathConfiguration", skip_deserializing)]
    datapath_configuration: Empty,
    #[serde(rename = "K8sUID", default, skip_serializing_if = "String::is_empty")]
    pod_uid: String,
    #[serde(
        rename = "ContainerIfName",
        default,
        skip_serializing_if = "String::is_empty"
    )]
    ifname: String,
    #[serde(
        rename = "VerdictLogFilter",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    verdict_log_filter: Option<u32>,
    #[serde(
        rename = "Masquerade",
        default,
        skip_serializing_if = "std::ops::Not::not"
    )]
    masquerade: bool,
    #[serde(rename = "HostPorts", default, skip_serializing_if = "Vec::is_empty")]
    host_ports: Vec<HostPort>,
    #[serde(
        rename = "Bandwidth",
        default,
        skip_serializing_if = "Bandwidth::is_unlimited"
    )]
    bandwidth: Bandwidth,
}

type LabelMap = BTreeMap<String, Label>;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct OpLabels {
    custom: LabelMap,
    orchestration_identity: LabelMap,
    disabled: LabelMap,
    orchestration_info: LabelMap,
}

#[derive(Serialize, Deserialize)]
struct Identity {
    id: u32,
    #[serde(default)]
    labels: LabelMap,
    #[serde(rename = "labelsSHA256", default)]
    digest: String,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Options {
    map: EndpointOptions,
}

#[derive(Default, Serialize)]
struct Empty {}

/// By key; a second source of the same key stands beside the first under both names.
fn label_map(labels: &Labels) -> LabelMap {
    let mut map = LabelMap::new();
    for label in labels.iter() {
        let name = if map.contains_key(&label.key) {
            format!("{}:{}", label.source, label.key)
        } else {
            label.key.clone()
        };
        map.insert(name, label.clone());
    }
    map
}

impl From<&Endpoint> for Record {
    fn from(endpoint: &Endpoint) -> Self {
        let labels = label_map(&endpoint.labels);
        let pod = endpoint.pod.clone().unwrap_or_default();
        Self {
            id: endpoint.id,
            container_name: endpoint.container_name.clone(),
            container_id: endpoint.container_id.clone(),
            network_id: endpoint.network.network_id.clone(),
            attachment_id: endpoint.network.attachment_id.clone(),
            datapath_map_id: 0,
            host_ifname: endpoint.host_ifname.clone(),
            host_ifindex: endpoint.host_ifindex,
            op_labels: OpLabels {
                orchestration_identity: labels.clone(),
                ..OpLabels::default()
            },
            mac: endpoint.mac,
            ipv6: endpoint.ipv6,
            ipv4: endpoint.ipv4,
            host_mac: endpoint.host_mac,
            identity: Identity {
                id: endpoint.identity,
                labels,
                digest: String::new(),
            },
            options: Options {
                map: endpoint.options.clone(),
            },
            dns_rules: None,
            dns_history: [],
            dns_zombies: Empty {},
            pod_name: pod.name,
            pod_namespace: pod.namespace,
            datapath_configuration: Empty {},
            pod_uid: pod.uid,
            ifname: endpoint.ifname.clone(),
            verdict_log_filter: (endpoint.verdict_log_filter != 0)
                .then_some(endpoint.verdict_log_filter),
            bandwidth: endpoint.bandwidth,
            masquerade: endpoint.masquerade,
            host_ports: endpoint.host_ports.clone(),
        }
    }
}

impl From<Record> for Endpoint {
    fn from(record: Record) -> Self {
        let pod = Pod {
            namespace: record.pod_namespace,
            name: record.pod_name,
            uid: record.pod_uid,
        };
        let OpLabels {
            custom,
            orchestration_identity,
            ..
        } = record.op_labels;
        let labels: Labels = [custom, orchestration_identity, record.identity.labels]
            .into_iter()
            .flat_map(BTreeMap::into_values)
            .collect();
        Self {
            id: record.id,
            container_id: record.container_id,
            container_name: record.container_name,
            ifname: record.ifname,
            host_ifname: record.host_ifname,
            host_ifindex: record.host_ifindex,
            mac: record.mac,
            host_mac: record.host_mac,
            ipv4: record.ipv4,
            ipv6: record.ipv6,
            identity: record.identity.id,
            labels,
            options: record.options.map,
            verdict_log_filter: record.verdict_log_filter.unwrap_or(0),
            masquerade: record.masquerade,
            host_ports: record.host_ports,
            pod: (pod != Pod::default()).then_some(pod),
            network: NetworkIds {
                network_id: record.network_id,
                attachment_id: record.attachment_id,
            },
            bandwidth: record.bandwidth,
        }
    }
}

/// An address as text, the empty text for none.
mod address {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub(super) fn serialize<A: Display, S: Serializer>(
        address: &Option<A>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match address {
            Some(address) => serializer.collect_str(address),
            None => serializer.serialize_str(""),
        }
    }

    pub(super) fn deserialize<'de, A, D>(deserializer: D) -> Result<Option<A>, D::Error>
    where
        A: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(D::Error::custom)
    }
}
