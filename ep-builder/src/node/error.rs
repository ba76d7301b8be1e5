//! Why the node was not set up, or not cleaned.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::attach::AttachError;
use crate::error::{Error as BuildError, KernelSays};
use crate::load::LoadError;
use crate::lock::LockError;
use crate::maps::{MapsError, Prefix};
use crate::policy::EnforceError;
use crate::sock::SockError;
use crate::state::StateError;
use crate::whole_file::FileError;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Another process works on the node for too long.
    #[error("cannot set up the node beside another process")]
    Locked(#[source] LockError),
    /// What is known of the node.
    #[error("cannot keep what is known of the node")]
    File(#[from] FileError),
    /// The netlink socket.
    #[error(transparent)]
    Netlink(#[from] AttachError),
    /// The kernel refused a request about devices, addresses or routes.
    #[error("cannot {task}{}", KernelSays(detail))]
    Kernel {
        /// What was asked.
        task: Task,
        /// The kernel's own words; often empty.
        detail: String,
        /// The kernel's answer.
        source: Errno,
    },
    /// A device of the pair's name that is not ours.
    #[error("cannot make the node's own pair of devices: {name} is there already and is not ours")]
    Foreign {
        /// The device's name.
        name: String,
    },
    /// The pair of another set of endpoints in the same network namespace.
    #[error(
        "cannot set up the node: {name} belongs to another set of endpoints, with the mark {alias}"
    )]
    OtherSet {
        /// The device's name.
        name: String,
        /// Its mark.
        alias: String,
    },
    /// A setting of the kernel.
    #[error("cannot set {} to {wanted}", path.display())]
    Setting {
        /// Its file.
        path: PathBuf,
        /// What it must be.
        wanted: String,
        /// The cause.
        source: io::Error,
    },
    /// The maps of the node's programs.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// The template of the node's programs.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The programs.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The programs of sockets.
    #[error(transparent)]
    Sockets(#[from] SockError),
    /// The endpoints of the node.
    #[error(transparent)]
    State(#[from] StateError),
    /// What policy says of the node.
    #[error("cannot give the node its policy")]
    Policy(#[source] Box<EnforceError>),
    /// Endpoints cannot do without.
    #[error("cannot clean the node up: {count} of its endpoints need it ({ids})")]
    Needed {
        /// How many.
        count: usize,
        /// Their ids, the first ones.
        ids: String,
    },
    /// A failed setup could not be undone, either.
    #[error("cannot undo a failed setup of the node ({first})")]
    Undo {
        /// Why it failed.
        first: String,
        /// Why it was not undone.
        source: Box<Self>,
    },
}

impl From<EnforceError> for NodeError {
    fn from(error: EnforceError) -> Self {
        Self::Policy(Box::new(error))
    }
}

impl NodeError {
    /// What to do, where it is not in the message.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Locked(_) => Some("try again"),
            Self::Kernel {
                source: Errno::EPERM,
                ..
            } => Some("run as root, with CAP_NET_ADMIN in the node's network namespace"),
            Self::Kernel {
                task: Task::CreatePair,
                source: Errno::EOPNOTSUPP,
                ..
            } => Some("the kernel has no veth devices: load the module veth"),
            Self::Foreign { .. } => {
                Some("remove or rename that device; `ip -d link show` tells what it is")
            }
            Self::OtherSet { .. } => Some(
                "one set of endpoints has the node's part: `weir node cleanup` with its configuration, or a network namespace for each",
            ),
            Self::Setting { .. } => {
                Some("set it before the first pod comes, or let weir write to /proc/sys/net")
            }
            Self::Needed { .. } => {
                Some("remove those pods first, or add --force: they lose what leads outside")
            }
            Self::Undo { .. } => Some("`weir node cleanup` takes the rest away"),
            Self::Netlink(error) => error.advice(),
            Self::Maps(error) => error.advice(),
            Self::Build(error) => error.advice(),
            Self::Load(error) => error.advice(),
            Self::Sockets(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Policy(error) => error.advice(),
            Self::File(_) | Self::Kernel { .. } => None,
        }
    }

    /// Whether another process was in the way.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Locked(LockError::Busy { .. })
            | Self::Build(BuildError::Cache(crate::cache::CacheError::Lock(LockError::Busy {
                ..
            }))) => true,
            Self::Policy(error) => error.is_busy(),
            Self::Undo { source, .. } => source.is_busy(),
            _ => false,
        }
    }
}

/// A request to the kernel; displayed as a verb with its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Task {
    /// Listing devices.
    ListLinks,
    /// The facts of a device.
    FindLink(String),
    /// Listing addresses.
    ListAddresses,
    /// Listing routes.
    ListRoutes,
    /// Making the pair.
    CreatePair,
    /// Marking an end of it.
    Mark(String),
    /// Setting an end up.
    Raise(String),
    /// Giving an end another MTU.
    Resize(String),
    /// Removing the pair.
    Remove(String),
    /// Giving an end an address.
    AddAddress(IpAddr),
    /// Routing a network there.
    AddRoute(Prefix),
    /// Taking a route away.
    RemoveRoute(Prefix),
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListLinks => f.write_str("list the devices of the node"),
            Self::FindLink(name) => write!(f, "find the device {name}"),
            Self::ListAddresses => f.write_str("list the addresses of the node"),
            Self::ListRoutes => f.write_str("list the routes of the node"),
            Self::CreatePair => f.write_str("make the node's own pair of devices"),
            Self::Mark(name) => write!(f, "mark the device {name}"),
            Self::Raise(name) => write!(f, "set the device {name} up"),
            Self::Resize(name) => write!(f, "change the MTU of the device {name}"),
            Self::Remove(name) => write!(f, "remove the device {name}"),
            Self::AddAddress(address) => write!(f, "give the node the gateway's address {address}"),
            Self::AddRoute(network) => write!(f, "route {network} to the node's own device"),
            Self::RemoveRoute(network) => write!(f, "take the route to {network} away"),
        }
    }
}
