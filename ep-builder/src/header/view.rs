//! What the templates see: every value formatted, none left to decide in a template.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Serialize;

use super::{RenderError, envelope, escape};
use crate::endpoint::{Endpoint, EndpointId, MacAddr};
use crate::shape::{EndpointConfig, MapPrefix, MapSizes, NodeConfig};
use crate::unit::Unit;

/// A 32-bit constant as hex and as decimal.
#[derive(Serialize)]
struct Number {
    hex: String,
    dec: u32,
}

impl From<u32> for Number {
    fn from(number: u32) -> Self {
        Self {
            hex: format!("{number:#010x}"),
            dec: number,
        }
    }
}

/// A macro that is defined to its value, or undefined when that is 0.
#[derive(Serialize)]
struct Define {
    name: &'static str,
    value: u8,
}

impl Define {
    fn of(name: &'static str, on: bool) -> Self {
        Self {
            name,
            value: u8::from(on),
        }
    }
}

/// The data of `ep_config.h.hbs`.
#[derive(Serialize)]
pub(super) struct EndpointView {
    envelope: String,
    container_id: String,
    ipv6: String,
    ipv4: String,
    identity: u32,
    labels: Vec<String>,
    node_mac: String,
    lxc_ip: Option<String>,
    lxc_ipv4: Option<Number>,
    lxc_id: Number,
    node_mac_octets: String,
    seclabel: Number,
    seclabel_nb: Number,
    verdict_log_filter: Number,
    policy_map: String,
    calls_map: String,
    ct_map_tcp4: String,
    ct_map_any4: String,
    ct_map_tcp6: String,
    ct_map_any6: String,
    ct_map_size_tcp: u32,
    ct_map_size_any: u32,
    features: [Define; 4],
    local_delivery_metrics: Define,
    options: Vec<Define>,
}

/// The values that stand in a header, of an endpoint or of the template.
struct Facts {
    id: u16,
    ipv4: Option<Ipv4Addr>,
    ipv6: Option<Ipv6Addr>,
    node_mac: MacAddr,
    identity: u32,
    verdict_log_filter: u32,
}

/// What a template carries: documentation addresses, the identity `world`, an id that no map has room
/// for. A template that is loaded by mistake fails, or admits nobody.
const PLACEHOLDER: Facts = Facts {
    id: EndpointId::PLACEHOLDER,
    ipv4: Some(Ipv4Addr::new(192, 0, 2, 3)),
    ipv6: Some(Ipv6Addr::new(
        0x2001, 0xdb8, 0xbad, 0xcafe, 0x600d, 0xbee2, 0xbad, 0xcafe,
    )),
    node_mac: MacAddr([0x02, 0x00, 0x60, 0x0d, 0xf0, 0x0d]),
    identity: 2,
    verdict_log_filter: 0xffff,
};

/// The node's own programs: no address and no MAC is the node's only one.
const NODE: Facts = Facts {
    id: 0,
    ipv4: None,
    ipv6: None,
    node_mac: MacAddr([0; 6]),
    identity: 1,
    verdict_log_filter: 0,
};

impl EndpointView {
    pub(super) fn of_template(prefix: &MapPrefix, shape: &EndpointConfig) -> Self {
        let note = "Template: placeholders stand where an endpoint has its values.".to_owned();
        Self::new(prefix, shape, &PLACEHOLDER, note, String::new(), Vec::new())
    }

    /// The node itself, as number 0, and a device that nobody has.
    pub(super) fn of_node(prefix: &MapPrefix, shape: &EndpointConfig) -> Self {
        let note = "Template: the node is number 0, and its device a placeholder.".to_owned();
        let calls = Unit::Host.placeholder().unwrap_or_default();
        // The node's connections are one device's as much as another's, and an endpoint's own maps are none of theirs.
        let conntrack = |stem: &str| prefix.map(&format!("{stem}_global"));
        Self {
            calls_map: prefix.map(&format!("calls_{calls}")),
            ct_map_tcp4: conntrack("ct4"),
            ct_map_any4: conntrack("ct_any4"),
            ct_map_tcp6: conntrack("ct6"),
            ct_map_any6: conntrack("ct_any6"),
            ..Self::new(prefix, shape, &NODE, note, String::new(), Vec::new())
        }
    }

    pub(super) fn of_endpoint(
        prefix: &MapPrefix,
        shape: &EndpointConfig,
        endpoint: &Endpoint,
    ) -> Result<Self, RenderError> {
        let facts = Facts {
            id: endpoint.id.get(),
            ipv4: endpoint.ipv4,
            ipv6: endpoint.ipv6,
            node_mac: endpoint.host_mac,
            identity: endpoint.identity,
            verdict_log_filter: endpoint.verdict_log_filter,
        };
        let labels = endpoint.labels.iter().map(|label| {
            let text = format!("{{{} {} {}}}", label.key, label.value, label.source);
            escape::comment(text.as_bytes())
        });
        let container_id = escape::comment(endpoint.container_id.as_bytes());
        let envelope = envelope::encode(endpoint)?;
        Ok(Self::new(
            prefix,
            shape,
            &facts,
            envelope,
            container_id,
            labels.collect(),
        ))
    }

    /// Whether there is an address of each family: IPv4, IPv6.
    pub(super) fn families(&self) -> (bool, bool) {
        (self.lxc_ipv4.is_some(), self.lxc_ip.is_some())
    }

    /// Two endpoints with addresses of these families that differ in all values, and are of the same shape.
    pub(super) fn samples(
        prefix: &MapPrefix,
        shape: &EndpointConfig,
        (has_ipv4, has_ipv6): (bool, bool),
    ) -> [Self; 2] {
        let zero = Facts {
            id: EndpointId::MIN,
            ipv4: Some(Ipv4Addr::UNSPECIFIED),
            ipv6: Some(Ipv6Addr::UNSPECIFIED),
            node_mac: MacAddr([0; 6]),
            identity: 0,
            verdict_log_filter: 0,
        };
        [(PLACEHOLDER, "a"), (zero, "")].map(|(facts, text)| {
            let facts = Facts {
                ipv4: facts.ipv4.filter(|_| has_ipv4),
                ipv6: facts.ipv6.filter(|_| has_ipv6),
                ..facts
            };
            let [envelope, container] = [text; 2].map(str::to_owned);
            Self::new(prefix, shape, &facts, envelope, container, Vec::new())
        })
    }

    fn new(
        prefix: &MapPrefix,
        shape: &EndpointConfig,
        facts: &Facts,
        envelope: String,
        container_id: String,
        labels: Vec<String>,
    ) -> Self {
        let defines = shape.features.defines();
        let [features @ .., local_delivery_metrics] =
            defines.map(|(name, on)| Define::of(name, on));
        let id = format!("{:05}", facts.id);
        let own_conntrack = shape.options.get("ConntrackLocal") == Some(1);
        let ct_scope = if own_conntrack { id.as_str() } else { "global" };
        Self {
            envelope,
            container_id,
            ipv6: facts.ipv6.map_or(String::new(), |a| a.to_string()),
            ipv4: facts.ipv4.map_or(String::new(), |a| a.to_string()),
            identity: facts.identity,
            labels,
            node_mac: facts.node_mac.to_string(),
            lxc_ip: facts.ipv6.map(|a| octets(&a.octets())),
            lxc_ipv4: facts.ipv4.map(|a| u32::from_le_bytes(a.octets()).into()),
            lxc_id: u32::from(facts.id).into(),
            node_mac_octets: octets(&facts.node_mac.0),
            seclabel: facts.identity.into(),
            seclabel_nb: facts.identity.swap_bytes().into(),
            verdict_log_filter: facts.verdict_log_filter.into(),
            policy_map: prefix.map(&format!("policy_{id}")),
            calls_map: prefix.map(&format!("calls_{id}")),
            ct_map_tcp4: prefix.map(&format!("ct4_{ct_scope}")),
            ct_map_any4: prefix.map(&format!("ct_any4_{ct_scope}")),
            ct_map_tcp6: prefix.map(&format!("ct6_{ct_scope}")),
            ct_map_any6: prefix.map(&format!("ct_any6_{ct_scope}")),
            ct_map_size_tcp: shape.ct_tcp,
            ct_map_size_any: shape.ct_any,
            features,
            local_delivery_metrics,
            options: shape
                .options
                .iter()
                .map(|(spec, value)| Define {
                    name: spec.define,
                    value,
                })
                .collect(),
        }
    }
}

fn octets(bytes: &[u8]) -> String {
    let hex: Vec<_> = bytes.iter().map(|b| format!("{b:#04x}")).collect();
    hex.join(", ")
}

/// The data of `node_config.h.hbs`.
#[derive(Serialize)]
pub(super) struct NodeView {
    families: [Define; 2],
    maps: Vec<MapName>,
    sizes: [MapSize; 8],
}

#[derive(Serialize)]
struct MapName {
    define: &'static str,
    name: String,
}

#[derive(Serialize)]
struct MapSize {
    define: &'static str,
    size: u32,
}

/// Macro and name of the maps that all endpoints share and `ep_config.h` does not name.
const SHARED_MAPS: [(&str, &str); 18] = [
    ("CALL_POLICY_MAP", "call_policy"),
    ("ENDPOINTS_MAP", "lxc"),
    ("EVENTS_MAP", "events"),
    ("FRAG4_MAP", "frag4"),
    ("FRAG6_MAP", "frag6"),
    ("HOST_PORTS_MAP", "host_ports"),
    ("IPCACHE_MAP", "ipcache"),
    ("METRICS_MAP", "metrics"),
    ("NATIVE_CIDRS_MAP", "native_cidrs"),
    ("NETNS_MAP", "netns"),
    ("NODE_ADDRESSES_MAP", "node_addresses"),
    ("NODE_OPEN_MAP", "node_open"),
    ("POLICY_REVISION_MAP", "policy_rev"),
    ("POLICY_VERDICT_MAP", "verdict"),
    ("SELF_MAP", "self"),
    ("SNAT_MAP4", "snat_v4_external"),
    ("SNAT_MAP6", "snat_v6_external"),
    ("SOCK_ASKED_MAP", "sock_asked"),
];

impl NodeView {
    pub(super) fn of(node: &NodeConfig) -> Self {
        let MapSizes {
            endpoints,
            ipcache,
            policy,
            metrics,
            events,
            fragments,
            snat,
            host_ports,
        } = node.sizes;
        let maps = SHARED_MAPS
            .map(|(define, name)| MapName {
                define,
                name: node.map_prefix.map(name),
            })
            .into();
        let size = |define, size| MapSize { define, size };
        Self {
            families: [
                Define::of("ENABLE_IPV4", node.ipv4),
                Define::of("ENABLE_IPV6", node.ipv6),
            ],
            maps,
            sizes: [
                size("ENDPOINTS_MAP_SIZE", endpoints),
                size("EVENTS_MAP_SIZE", events),
                size("FRAG_MAP_SIZE", fragments),
                size("HOST_PORTS_MAP_SIZE", host_ports),
                size("IPCACHE_MAP_SIZE", ipcache),
                size("METRICS_MAP_SIZE", metrics),
                size("POLICY_MAP_SIZE", policy),
                size("SNAT_MAP_SIZE", snat),
            ],
        }
    }
}
