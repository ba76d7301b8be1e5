//! The facts of a device of the node that carries programs of ours.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::endpoint::MacAddr;

/// What a device is to the node: which programs stand on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceKind {
    /// It leads to the world.
    Native,
    /// It is the node's own end of the pair by which its stack reaches pods.
    Host,
}

/// A device of the node, and what its programs must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceFacts {
    /// Its name.
    pub name: String,
    /// Its number.
    pub ifindex: u32,
    /// Its address on the link; zeros where it has none.
    pub mac: MacAddr,
    /// What it is to the node.
    pub kind: DeviceKind,
    /// The address that pods have outside; none if they keep their own.
    pub ipv4_masquerade: Option<Ipv4Addr>,
    /// Likewise for IPv6.
    pub ipv6_masquerade: Option<Ipv6Addr>,
    /// Whether frames begin with an Ethernet header: those of tunnels do not.
    pub has_ethernet: bool,
}

impl DeviceFacts {
    /// The bits of `DEVICE_FLAGS`.
    pub fn flags(&self) -> u32 {
        const NO_ETHERNET: u32 = 1;
        if self.has_ethernet { 0 } else { NO_ETHERNET }
    }

    /// The device, as its maps and pins are named.
    pub fn id(&self) -> DeviceId {
        match self.kind {
            DeviceKind::Native => DeviceId::Native(self.ifindex),
            DeviceKind::Host => DeviceId::Host,
        }
    }
}

/// A device of the node, as its maps and pins are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeviceId {
    /// One that leads to the world, by its number.
    Native(u32),
    /// The node's own end of its pair: there is one.
    Host,
}

impl DeviceId {
    /// Characters of [`Self::digits`].
    pub const LENGTH: usize = 17;

    /// How the names of its own maps end; as long for every device.
    pub fn digits(self) -> String {
        match self {
            Self::Native(ifindex) => format!("netdev_{ifindex:010}"),
            Self::Host => format!("hostns_{:010}", 0),
        }
    }

    /// The device of which [`Self::digits`] gives this text.
    pub fn parse(digits: &str) -> Option<Self> {
        let (kind, number) = digits.split_once('_')?;
        let number = number.parse().ok()?;
        let id = match kind {
            "netdev" => Self::Native(number),
            _ => Self::Host,
        };
        (id.digits() == digits).then_some(id)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(ifindex) => write!(f, "device {ifindex} of the node"),
            Self::Host => f.write_str("the node's own device"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written() {
        for id in [
            DeviceId::Native(1),
            DeviceId::Native(u32::MAX),
            DeviceId::Host,
        ] {
            assert_eq!(DeviceId::parse(&id.digits()), Some(id));
            assert_eq!(id.digits().len(), DeviceId::LENGTH);
        }
        for text in [
            "",
            "netdev_1",
            "netdev_+000000001",
            "netdev_4294967296",
            "hostns_0000000001",
            "other_0000000000",
        ] {
            assert_eq!(DeviceId::parse(text), None, "{text}");
        }
    }
}
