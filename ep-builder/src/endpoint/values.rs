//! The constants of an endpoint or of a device: what is patched into a copy of the template.
//!
//! A new constant is one row of [`CONSTANTS`] or [`HOST_CONSTANTS`], one line of C (`ep_config.h.hbs`,
//! `bpf-src/lib/constants.h` or `bpf-src/lib/host_constants.h`) and one arm of [`Values::of_endpoint`] or
//! [`Values::of_device`]. A row without the C side, or the C side without a row, is an error of the patch, not a
//! silent zero.

use super::Endpoint;
use crate::device::DeviceFacts;
use crate::unit::Unit;

/// Where the C side defines a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinedBy {
    /// The rendered `ep_config.h`, with the endpoint's own value in it.
    Header,
    /// `bpf-src/lib/constants.h` or `bpf-src/lib/host_constants.h`, always with a placeholder.
    Datapath,
}

/// One constant of `.rodata.config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Constant {
    /// The name in C, without the `__config_` of its symbol.
    pub name: &'static str,
    /// Bytes it takes in the object.
    pub size: usize,
    /// Where it is defined.
    pub defined_by: DefinedBy,
}

const fn header(name: &'static str, size: usize) -> Constant {
    Constant {
        name,
        size,
        defined_by: DefinedBy::Header,
    }
}

const fn datapath(name: &'static str, size: usize) -> Constant {
    Constant {
        name,
        size,
        defined_by: DefinedBy::Datapath,
    }
}

/// The constants of an endpoint. A MAC takes 8 bytes: six octets and two of padding.
pub const CONSTANTS: [Constant; 10] = [
    header("LXC_IP", 16),
    header("LXC_IPV4", 4),
    header("LXC_ID", 4),
    header("NODE_MAC", 8),
    header("SECLABEL", 4),
    header("SECLABEL_NB", 4),
    header("POLICY_VERDICT_LOG_FILTER", 4),
    datapath("LXC_MAC", 8),
    datapath("LXC_IFINDEX", 4),
    datapath("LXC_FLAGS", 4),
];

/// What the programs of a device of the node have beyond [`CONSTANTS`].
pub const HOST_CONSTANTS: [Constant; 5] = [
    datapath("NATIVE_DEV_IFINDEX", 4),
    datapath("NATIVE_DEV_MAC", 8),
    datapath("IPV4_MASQUERADE", 4),
    datapath("IPV6_MASQUERADE", 16),
    datapath("DEVICE_FLAGS", 4),
];

impl Unit {
    /// The constants that each of its objects has.
    pub fn constants(self) -> impl Iterator<Item = &'static Constant> {
        let (of_all, own): (&[Constant], &[Constant]) = match self {
            Self::Lxc => (&CONSTANTS, &[]),
            Self::Host => (&CONSTANTS, &HOST_CONSTANTS),
            Self::Sock => (&[], &[]),
        };
        of_all.iter().chain(own)
    }
}

/// The node itself, where an endpoint has its identity.
const IDENTITY_OF_NODE: u32 = 1;

/// A constant's bytes, as they lie in memory, and as many more as the longest has.
type Bytes = [u8; 16];

/// The values of all constants of a unit, in the order of [`Unit::constants`], and what its own maps are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    name: String,
    constants: Vec<(&'static Constant, Bytes)>,
}

impl Values {
    /// The values of an endpoint. Addresses are in network order, numbers in the byte order of the target.
    pub fn of_endpoint(endpoint: &Endpoint) -> Self {
        let value = |constant: &Constant| {
            let ipv6 = endpoint.ipv6.map_or([0; 16], |a| a.octets());
            let ipv4 = endpoint.ipv4.map_or([0; 4], |a| a.octets());
            match constant.name {
                "LXC_IP" => padded(&ipv6),
                "LXC_IPV4" => padded(&ipv4),
                "LXC_ID" => padded(&u32::from(endpoint.id.get()).to_le_bytes()),
                "NODE_MAC" => padded(&endpoint.host_mac.0),
                "SECLABEL" => padded(&endpoint.identity.to_le_bytes()),
                "SECLABEL_NB" => padded(&endpoint.identity.to_be_bytes()),
                "POLICY_VERDICT_LOG_FILTER" => padded(&endpoint.verdict_log_filter.to_le_bytes()),
                "LXC_MAC" => padded(&endpoint.mac.0),
                "LXC_IFINDEX" => padded(&endpoint.host_ifindex.to_le_bytes()),
                "LXC_FLAGS" => padded(&flags(endpoint).to_le_bytes()),
                // Unreachable: `every_constant_has_a_value`.
                _ => padded(&[]),
            }
        };
        Self {
            name: endpoint.id.five_digits(),
            constants: Unit::Lxc.constants().map(|c| (c, value(c))).collect(),
        }
    }

    /// The values of a device of the node: what is an endpoint's has the node's number 0, and no address.
    pub fn of_device(device: &DeviceFacts) -> Self {
        let value = |constant: &Constant| {
            let ipv4 = device.ipv4_masquerade.map_or([0; 4], |a| a.octets());
            let ipv6 = device.ipv6_masquerade.map_or([0; 16], |a| a.octets());
            match constant.name {
                "SECLABEL" => padded(&IDENTITY_OF_NODE.to_le_bytes()),
                "SECLABEL_NB" => padded(&IDENTITY_OF_NODE.to_be_bytes()),
                "NODE_MAC" | "NATIVE_DEV_MAC" => padded(&device.mac.0),
                "LXC_IFINDEX" | "NATIVE_DEV_IFINDEX" => padded(&device.ifindex.to_le_bytes()),
                "IPV4_MASQUERADE" => padded(&ipv4),
                "IPV6_MASQUERADE" => padded(&ipv6),
                "DEVICE_FLAGS" => padded(&device.flags().to_le_bytes()),
                // LXC_IP, LXC_IPV4, LXC_ID, LXC_MAC, LXC_FLAGS, POLICY_VERDICT_LOG_FILTER.
                _ => padded(&[]),
            }
        };
        Self {
            name: device.id().digits(),
            constants: Unit::Host.constants().map(|c| (c, value(c))).collect(),
        }
    }

    /// What takes the place of [`Unit::placeholder`] in the names of maps, and is as long.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Each constant with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Constant, &[u8])> {
        let constants = self.constants.iter();
        constants.map(|(constant, bytes)| {
            let value = bytes.get(..constant.size).unwrap_or(bytes);
            (*constant, value)
        })
    }
}

/// `enum self_flag` of `bpf-src/lib/self.h`.
const IS_QUEUED: u32 = 0x0001;

fn flags(endpoint: &Endpoint) -> u32 {
    if endpoint.bandwidth.ingress.is_some() {
        IS_QUEUED
    } else {
        0
    }
}

fn padded(bytes: &[u8]) -> Bytes {
    let mut value = [0; 16];
    value
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceKind;
    use crate::endpoint::{Bandwidth, EndpointId, Limit, MacAddr};

    fn zeros(values: &Values) -> Vec<&'static str> {
        let zeros = values
            .iter()
            .filter(|(_, bytes)| bytes.iter().all(|b| *b == 0));
        zeros.map(|(constant, _)| constant.name).collect()
    }

    fn device(kind: DeviceKind) -> DeviceFacts {
        DeviceFacts {
            name: "eth0".into(),
            ifindex: 7,
            mac: MacAddr([2, 0, 0, 0, 0, 7]),
            kind,
            ipv4_masquerade: Some([192, 0, 2, 7].into()),
            ipv6_masquerade: Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7].into()),
            has_ethernet: false,
        }
    }

    #[test]
    fn every_constant_has_a_value() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let endpoint = Endpoint {
            host_ifindex: 7,
            mac,
            host_mac: mac,
            ipv4: Some([10, 0, 0, 7].into()),
            ipv6: Some([0xfd00, 0, 0, 0, 0, 0, 0, 7].into()),
            identity: 7,
            verdict_log_filter: 1,
            bandwidth: Bandwidth {
                ingress: Some(Limit { rate: 1, burst: 1 }),
                egress: None,
            },
            ..Endpoint::bare(EndpointId::new(7).unwrap())
        };
        assert!(zeros(&Values::of_endpoint(&endpoint)).is_empty());
        // The node has no number, no address and no pod.
        let not_the_node_s = [
            "LXC_IP",
            "LXC_IPV4",
            "LXC_ID",
            "POLICY_VERDICT_LOG_FILTER",
            "LXC_MAC",
            "LXC_FLAGS",
        ];
        let of_node = Values::of_device(&device(DeviceKind::Native));
        assert_eq!(zeros(&of_node), not_the_node_s);
    }

    #[test]
    fn names_are_as_long_as_the_placeholder() {
        let placeholder = Unit::Host.placeholder().unwrap();
        for (kind, ifindex, want) in [
            (DeviceKind::Native, 7, "netdev_0000000007"),
            (DeviceKind::Native, u32::MAX - 1, "netdev_4294967294"),
            (DeviceKind::Host, 7, "hostns_0000000000"),
        ] {
            let facts = DeviceFacts {
                ifindex,
                ..device(kind)
            };
            let values = Values::of_device(&facts);
            assert_eq!(values.name(), want);
            assert_eq!(values.name().len(), placeholder.len());
        }
        let endpoint = EndpointId::new(7).unwrap().five_digits();
        let placeholder = Unit::Lxc.placeholder();
        assert_eq!(placeholder.map(|text| text.len()), Some(endpoint.len()));
    }
}
