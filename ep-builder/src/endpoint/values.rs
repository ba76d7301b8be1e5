//! The constants of an endpoint: what is patched into a copy of the template.
//!
//! A new constant is one row of [`CONSTANTS`], one line of C (`ep_config.h.hbs` or
//! `bpf-src/lib/constants.h`) and one arm of [`EndpointValues::of`]. A row without the C side, or the
//! C side without a row, is an error of the patch, not a silent zero.

use super::{Endpoint, EndpointId};

/// Where the C side defines a constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefinedBy {
    /// The rendered `ep_config.h`, with the endpoint's own value in it.
    Header,
    /// `bpf-src/lib/constants.h`, always with a placeholder.
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

/// Every constant there is. A MAC takes 8 bytes: six octets and two of padding.
pub const CONSTANTS: [Constant; 9] = [
    header("LXC_IP", 16),
    header("LXC_IPV4", 4),
    header("LXC_ID", 4),
    header("NODE_MAC", 8),
    header("SECLABEL", 4),
    header("SECLABEL_NB", 4),
    header("POLICY_VERDICT_LOG_FILTER", 4),
    datapath("LXC_MAC", 8),
    datapath("LXC_IFINDEX", 4),
];

/// The values of all [`CONSTANTS`] for one endpoint, as they lie in memory, and its id for the names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointValues {
    /// The endpoint.
    pub id: EndpointId,
    constants: [([u8; 16], usize); CONSTANTS.len()],
}

impl EndpointValues {
    /// Computes the values. Addresses are in network order, numbers in the byte order of the target.
    pub fn of(endpoint: &Endpoint) -> Self {
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
                // `every_constant_has_a_value` holds this arm unreachable.
                _ => padded(&[]),
            }
        };
        Self {
            id: endpoint.id,
            constants: CONSTANTS.each_ref().map(|c| (value(c), c.size)),
        }
    }

    /// Each constant with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Constant, &[u8])> {
        CONSTANTS
            .iter()
            .zip(&self.constants)
            .map(|(constant, (bytes, size))| (constant, bytes.get(..*size).unwrap_or(bytes)))
    }
}

fn padded(bytes: &[u8]) -> [u8; 16] {
    let mut value = [0; 16];
    value
        .iter_mut()
        .zip(bytes)
        .for_each(|(to, from)| *to = *from);
    value
}
