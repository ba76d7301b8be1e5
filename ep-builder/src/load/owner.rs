//! Whose programs they are, and what follows from it.

use std::fmt;

use crate::attach::Hook;
use crate::device::DeviceId;
use crate::endpoint::EndpointId;
use crate::unit::Unit;

/// The section of the program that delivers what other pods send to an endpoint.
pub(super) const POLICY: &str = "policy/ingress";
/// The section of the program that judges its connections.
pub(super) const VERDICT: &str = "policy/verdict";

/// Whose programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An endpoint's, on the host end of its pair.
    Endpoint(EndpointId),
    /// The node's, on one of its devices.
    Device(DeviceId),
}

impl Owner {
    /// What is compiled for it.
    pub fn unit(self) -> Unit {
        match self {
            Self::Endpoint(_) => Unit::Lxc,
            Self::Device(_) => Unit::Host,
        }
    }

    /// Where its programs stand.
    pub fn hooks(self) -> [Hook; 2] {
        match self {
            Self::Endpoint(_) => Hook::OF_ENDPOINT,
            Self::Device(DeviceId::Native(_)) => Hook::OF_NATIVE,
            Self::Device(DeviceId::Host) => Hook::OF_HOST,
        }
    }

    /// Its number in the programs; the node is 0.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Endpoint(id) => id.get().into(),
            Self::Device(_) => 0,
        }
    }

    /// How the names of its own maps end.
    pub(super) fn digits(self) -> String {
        match self {
            Self::Endpoint(id) => id.five_digits(),
            Self::Device(id) => id.digits(),
        }
    }

    /// The sections of its programs that others call by its number.
    pub(super) fn called(self) -> &'static [&'static str] {
        match self {
            // The one that judges comes before the one by which packets come.
            Self::Endpoint(_) => &[VERDICT, POLICY],
            // For the node one device has them: the one that there always is.
            Self::Device(DeviceId::Host) => &[POLICY],
            Self::Device(DeviceId::Native(_)) => &[],
        }
    }

    /// Those of each owner of the same unit.
    pub(super) fn called_in_unit(self) -> &'static [&'static str] {
        match self {
            Self::Endpoint(_) => self.called(),
            Self::Device(_) => Self::Device(DeviceId::Host).called(),
        }
    }

    /// Whether an object of its unit has this section for it: the programs of other devices stand in it, too.
    pub(super) fn has(self, section: &str) -> bool {
        let mut hooks = self.hooks().into_iter();
        hooks.any(|hook| hook.section() == section) || self.called().contains(&section)
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoint(id) => write!(f, "endpoint {id}"),
            Self::Device(id) => write!(f, "{id}"),
        }
    }
}
