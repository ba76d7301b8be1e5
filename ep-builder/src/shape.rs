//! The shape tier: everything that decides which code and which maps an object contains.
//!
//! Equal shapes give equal templates. Nothing here differs per endpoint or per boot of a node: addresses,
//! MACs and interface numbers are constants (`endpoint::values`), patched and never hashed.

use std::fmt;

use crate::options::{EndpointOptions, OptionError};
use crate::unit::Unit;

/// The prefix of every map and pin name. Nothing else in the code spells it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MapPrefix(String);

impl MapPrefix {
    /// The longest prefix: `<prefix>_ct_any4_global` stays far below every limit of bpffs.
    pub const MAX_LEN: usize = 24;

    /// Accepts a lower-case C identifier.
    pub fn new(text: &str) -> Result<Self, ShapeError> {
        let head = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase());
        let tail = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if head && tail && text.len() <= Self::MAX_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(ShapeError::MapPrefix(text.to_owned()))
        }
    }

    /// `<prefix>_<name>`: the name of a map and of its pin.
    pub fn map(&self, name: &str) -> String {
        format!("{}_{name}", self.0)
    }
}

impl Default for MapPrefix {
    fn default() -> Self {
        Self("weir".to_owned())
    }
}

impl fmt::Display for MapPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What all endpoints of a node share: `node_config.h`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeConfig {
    /// The prefix of map names.
    pub map_prefix: MapPrefix,
    /// Compile the IPv4 half.
    pub ipv4: bool,
    /// Compile the IPv6 half.
    pub ipv6: bool,
    /// Sizes of the maps that all endpoints share.
    pub sizes: MapSizes,
}

/// Entries of the shared maps; bytes for the ring buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapSizes {
    /// Local endpoints by address.
    pub endpoints: u32,
    /// Identities by prefix.
    pub ipcache: u32,
    /// Rules of one endpoint.
    pub policy: u32,
    /// Counters by reason and direction.
    pub metrics: u32,
    /// Bytes of the event ring buffer: a power of two, a multiple of the page size.
    pub events: u32,
    /// Fragmented datagrams whose first fragment was seen.
    pub fragments: u32,
    /// Halves of translated connections, of each family: a connection has two.
    pub snat: u32,
    /// Ports of the node that lead to pods.
    pub host_ports: u32,
}

impl Default for MapSizes {
    fn default() -> Self {
        Self {
            endpoints: 65_535,
            ipcache: 512_000,
            policy: 16_384,
            metrics: 1_024,
            events: 1 << 20,
            fragments: 8_192,
            snat: 524_288,
            host_ports: 16_384,
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            map_prefix: MapPrefix::default(),
            ipv4: true,
            ipv6: true,
            sizes: MapSizes::default(),
        }
    }
}

/// What may differ between the templates of a node: `ep_config.h` without its constants.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EndpointConfig {
    /// The options.
    pub options: EndpointOptions,
    /// The features that the node's way of routing decides.
    pub features: Features,
    /// Entries of the TCP conntrack maps.
    pub ct_tcp: u32,
    /// Entries of the conntrack maps of all other protocols.
    pub ct_any: u32,
}

/// The features in the order of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an independent macro of the header"
)]
pub struct Features {
    /// The receiver's ingress policy runs at the sender, before delivery.
    pub force_local_policy_eval_at_source: bool,
    /// The datapath routes between local endpoints itself.
    pub routing: bool,
    /// The datapath answers ARP.
    pub arp_responder: bool,
    /// Local delivery goes to the peer device, past the host stack.
    pub host_redirect: bool,
    /// Local delivery counts in the metrics of both sides.
    pub local_delivery_metrics: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self {
            force_local_policy_eval_at_source: true,
            routing: true,
            arp_responder: true,
            host_redirect: true,
            local_delivery_metrics: true,
        }
    }
}

impl Features {
    /// Each with its macro, in the order of the header.
    pub fn defines(self) -> [(&'static str, bool); 5] {
        [
            (
                "FORCE_LOCAL_POLICY_EVAL_AT_SOURCE",
                self.force_local_policy_eval_at_source,
            ),
            ("ENABLE_ROUTING", self.routing),
            ("ENABLE_ARP_RESPONDER", self.arp_responder),
            ("ENABLE_HOST_REDIRECT", self.host_redirect),
            ("LOCAL_DELIVERY_METRICS", self.local_delivery_metrics),
        ]
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            options: EndpointOptions::default(),
            features: Features::default(),
            ct_tcp: 524_288,
            ct_any: 262_144,
        }
    }
}

impl EndpointConfig {
    /// As much of a shape as a unit has a part in: shapes that differ in nothing else have one template.
    #[must_use]
    pub fn of_unit(&self, unit: Unit) -> Self {
        match unit {
            Unit::Lxc => self.clone(),
            // The node has no connections of its own to keep apart from those of its pods.
            Unit::Host => {
                let mut shape = self.clone();
                // The name is one of the table.
                shape.options.set("ConntrackLocal", 0).unwrap_or_default();
                shape
            }
            Unit::Sock => Self::default(),
        }
    }
}

/// What is switched on in a shape, in the words of the headers: for people who tell templates apart.
pub fn summary(node: &NodeConfig, endpoint: &EndpointConfig) -> Vec<String> {
    let families = [("ENABLE_IPV4", node.ipv4), ("ENABLE_IPV6", node.ipv6)];
    let switches = families.into_iter().chain(endpoint.features.defines());
    let switches = switches
        .filter(|(_, on)| *on)
        .map(|(name, _)| name.to_owned());
    let options = endpoint
        .options
        .iter()
        .filter_map(|(spec, value)| match value {
            0 => None,
            1 => Some(spec.define.to_owned()),
            level => Some(format!("{}={level}", spec.define)),
        });
    switches.chain(options).collect()
}

/// Refuses shapes that cannot work, before anything is rendered.
pub fn validate(node: &NodeConfig, endpoint: &EndpointConfig) -> Result<(), ShapeError> {
    if !node.ipv4 && !node.ipv6 {
        return Err(ShapeError::NoFamily);
    }
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
    let sizes = [
        ("endpoints", endpoints),
        ("ipcache", ipcache),
        ("policy", policy),
        ("metrics", metrics),
        ("fragments", fragments),
        ("snat", snat),
        ("host_ports", host_ports),
        ("ct_tcp", endpoint.ct_tcp),
        ("ct_any", endpoint.ct_any),
    ];
    if let Some((map, size)) = sizes
        .into_iter()
        .find(|(_, size)| !(1..=1 << 26).contains(size))
    {
        return Err(ShapeError::Size { map, size });
    }
    if !events.is_power_of_two() || !(4096..=1 << 30).contains(&events) {
        return Err(ShapeError::Events(events));
    }
    Ok(endpoint.options.validate()?)
}

/// Why a shape was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    /// The prefix is no lower-case C identifier.
    #[error(
        "map_prefix {0:?} cannot name a map: lower-case letters, digits and '_' are allowed, a letter first, 24 at most"
    )]
    MapPrefix(String),
    /// Neither family is compiled.
    #[error("neither IPv4 nor IPv6 is enabled: a datapath needs one of them")]
    NoFamily,
    /// A map with no entries, or too many.
    #[error("map size {map} = {size} is out of range: 1 to 67108864")]
    Size {
        /// The key of the size.
        map: &'static str,
        /// What was given.
        size: u32,
    },
    /// A ring buffer the kernel refuses.
    #[error("events size {0} is no ring buffer: a power of two from 4096 to 1073741824 is needed")]
    Events(u32),
    /// An option.
    #[error(transparent)]
    Option(#[from] OptionError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_an_identifier() {
        assert_eq!(MapPrefix::new("cilium").unwrap().map("lxc"), "cilium_lxc");
        for bad in [
            "",
            "Weir",
            "1weir",
            "_weir",
            "we-ir",
            "we ir",
            "we/ir",
            "we.ir",
            &"w".repeat(25),
        ] {
            assert!(MapPrefix::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refuses_shapes_that_cannot_work() {
        let endpoint = EndpointConfig::default();
        let none = NodeConfig {
            ipv4: false,
            ipv6: false,
            ..NodeConfig::default()
        };
        assert_eq!(validate(&none, &endpoint), Err(ShapeError::NoFamily));
        let mut odd = NodeConfig::default();
        odd.sizes.events = 5000;
        assert_eq!(validate(&odd, &endpoint), Err(ShapeError::Events(5000)));
        let mut nat = EndpointConfig::default();
        nat.options.set("NAT46", 1).unwrap();
        assert!(matches!(
            validate(&NodeConfig::default(), &nat),
            Err(ShapeError::Option(OptionError::Later {
                option: "NAT46",
                ..
            }))
        ));
    }
}
