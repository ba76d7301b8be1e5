//! Programs on the host end of a veth: classic tc, or tcx links.
//!
//! Classic tc is the default because it is the fast one (`docs/decisions/`). One filter of ours stands on
//! each hook, named after the object and its section, and is replaced by one atomic message. What is not
//! ours is never touched: [`classic`] takes the next free priority and says so.

mod bytes;
mod classic;
mod device;
mod error;
mod filter;
mod netlink;
mod occupant;
mod peer;
mod tcx;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use classic::{Attached, Ground, attach, attach_on, detach, filter_program, ground};
pub use device::Device;
pub use error::{AttachError, Request};
pub use filter::Filter;
pub use netlink::Rtnl;
pub use occupant::{Holder, Occupant, Standing, Suspect, listed};
pub use tcx::{LinkPin, attach_link, detach_link, linked_program};

use crate::bpf::TcxHook;

/// The file that filters are named after, as stock tc names them.
const OBJECT: &str = "bpf_lxc.o";

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

/// Where a program of an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// The ingress of the device: what the pod sends.
    FromContainer,
    /// The egress of the device: what the pod gets.
    ToContainer,
}

impl Hook {
    /// Both.
    pub const ALL: [Self; 2] = [Self::FromContainer, Self::ToContainer];

    /// The section of its program, and its own name.
    pub fn section(self) -> &'static str {
        match self {
            Self::FromContainer => "from-container",
            Self::ToContainer => "to-container",
        }
    }

    /// The name of our filter there, by which it is known to be ours.
    pub fn filter_name(self) -> String {
        format!("{OBJECT}:[{}]", self.section())
    }

    /// The device's side, in the words of tc.
    pub fn direction(self) -> &'static str {
        match self {
            Self::FromContainer => "ingress",
            Self::ToContainer => "egress",
        }
    }

    fn tcx(self) -> TcxHook {
        match self {
            Self::FromContainer => TcxHook::Ingress,
            Self::ToContainer => TcxHook::Egress,
        }
    }

    /// The minor number of the hook's place below clsact.
    fn minor(self) -> u16 {
        match self {
            Self::FromContainer => 0xfff2,
            Self::ToContainer => 0xfff3,
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.section())
    }
}
