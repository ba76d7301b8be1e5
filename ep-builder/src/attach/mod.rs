//! Programs on the host end of a veth or on a device of the node: classic tc, or tcx links.
//!
//! Classic tc is the default because it is the fast one (`docs/decisions/`). One filter of ours stands on
//! each hook, named after the object and its section, and is replaced by one atomic message. What is not
//! ours is never touched: [`classic`] takes the next free priority and says so.

mod bucket;
pub(crate) mod bytes;
mod classic;
mod device;
mod error;
mod filter;
pub(crate) mod netlink;
mod occupant;
mod peer;
pub(crate) mod route;
mod tcx;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use bucket::{Queue, find_queue, new_bucket};
pub use classic::{
    Attached, Clsact, Ground, attach, attach_on, detach, filter_program, filter_program_id, ground,
};
pub use device::Device;
pub use error::{AttachError, Request};
pub use filter::Filter;
pub use netlink::Rtnl;
pub use occupant::{Holder, Occupant, Standing, Suspect, listed};
pub use tcx::{LinkPin, attach_link, detach_link, linked_program, linked_program_id};

use crate::bpf::TcxHook;
use crate::unit::Unit;

/// How programs are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    /// Classic tc: clsact and a filter on each hook.
    #[default]
    Tc,
    /// Links of tcx, pinned in bpffs: for hosts where something else needs the place of clsact.
    Tcx,
}

impl AttachMode {
    /// Its name in `weir.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tc => "tc",
            Self::Tcx => "tcx",
        }
    }
}

/// Where a program of ours stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// The ingress of a pod's host end: what the pod sends.
    FromContainer,
    /// Its egress: what the pod gets.
    ToContainer,
    /// The ingress of a native device: what comes from the world.
    FromNetdev,
    /// Its egress: what goes there.
    ToNetdev,
    /// The egress of the node's own device: what its stack sends to pods.
    FromHost,
    /// Its ingress: what comes to the stack.
    ToHost,
}

/// A side of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ingress,
    Egress,
}

impl Hook {
    /// Those of a pod's host end.
    pub const OF_ENDPOINT: [Self; 2] = [Self::FromContainer, Self::ToContainer];
    /// Those of a native device.
    pub const OF_NATIVE: [Self; 2] = [Self::FromNetdev, Self::ToNetdev];
    /// Those of the node's own device.
    pub const OF_HOST: [Self; 2] = [Self::FromHost, Self::ToHost];
    /// All.
    pub const ALL: [Self; 6] = [
        Self::FromContainer,
        Self::ToContainer,
        Self::FromNetdev,
        Self::ToNetdev,
        Self::FromHost,
        Self::ToHost,
    ];

    /// The section of its program, and its own name.
    pub fn section(self) -> &'static str {
        match self {
            Self::FromContainer => "from-container",
            Self::ToContainer => "to-container",
            Self::FromNetdev => "from-netdev",
            Self::ToNetdev => "to-netdev",
            Self::FromHost => "from-host",
            Self::ToHost => "to-host",
        }
    }

    /// What its program is compiled from.
    pub fn unit(self) -> Unit {
        match self {
            Self::FromContainer | Self::ToContainer => Unit::Lxc,
            Self::FromNetdev | Self::ToNetdev | Self::FromHost | Self::ToHost => Unit::Host,
        }
    }

    /// Whether it is the first of its device's two.
    pub(crate) fn is_from(self) -> bool {
        matches!(
            self,
            Self::FromContainer | Self::FromNetdev | Self::FromHost
        )
    }

    fn side(self) -> Side {
        match self {
            Self::FromContainer | Self::FromNetdev | Self::ToHost => Side::Ingress,
            Self::ToContainer | Self::ToNetdev | Self::FromHost => Side::Egress,
        }
    }

    /// The name of our filter there, by which it is known to be ours.
    pub fn filter_name(self) -> String {
        format!("{}:[{}]", self.unit().object(), self.section())
    }

    /// The device's side, in the words of tc.
    pub fn direction(self) -> &'static str {
        match self.side() {
            Side::Ingress => "ingress",
            Side::Egress => "egress",
        }
    }

    fn tcx(self) -> TcxHook {
        match self.side() {
            Side::Ingress => TcxHook::Ingress,
            Side::Egress => TcxHook::Egress,
        }
    }

    /// The minor number of the hook's place below clsact.
    fn minor(self) -> u16 {
        match self.side() {
            Side::Ingress => 0xfff2,
            Side::Egress => 0xfff3,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section())
    }
}
