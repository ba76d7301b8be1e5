//! The units of the datapath: each is one C file that is compiled, with the same headers, to one object.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::device::DeviceId;
use crate::endpoint::EndpointId;

/// What is compiled.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// The programs of an endpoint, at the host end of its veth.
    #[default]
    Lxc,
    /// The programs of the node, at its own devices.
    Host,
    /// The programs at sockets of the node and of its pods.
    Sock,
}

/// The number in the names of a device's maps before it is patched: the kernel's numbers end far below it.
const NO_DEVICE: DeviceId = DeviceId::Native(u32::MAX);

impl Unit {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Lxc, Self::Host, Self::Sock];

    /// Its name in manifests, lists and keys.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lxc => "lxc",
            Self::Host => "host",
            Self::Sock => "sock",
        }
    }

    /// The C file, below the folder of the sources.
    pub fn source(self) -> &'static str {
        match self {
            Self::Lxc => "bpf_lxc.c",
            Self::Host => "bpf_host.c",
            Self::Sock => "bpf_sock.c",
        }
    }

    /// The object, also by which filters are known to be ours.
    pub fn object(self) -> &'static str {
        match self {
            Self::Lxc => "bpf_lxc.o",
            Self::Host => "bpf_host.o",
            Self::Sock => "bpf_sock.o",
        }
    }

    /// How the names of those maps of a template end that are an endpoint's or a device's own: as long as what takes
    /// its place. None if the unit has no such maps.
    pub fn placeholder(self) -> Option<String> {
        match self {
            Self::Lxc => Some(format!("{:05}", EndpointId::PLACEHOLDER)),
            Self::Host => Some(NO_DEVICE.digits()),
            Self::Sock => None,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
