//! Why a program was not attached.

use std::fmt;

use nix::errno::Errno;

use crate::bpf::BpfError;
use crate::error::KernelSays;

/// A failed step of attaching or detaching.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// There is no such device.
    #[error("there is no network device {0} in this network namespace")]
    NoDevice(String),
    /// The netlink socket.
    #[error("cannot speak netlink with the kernel")]
    Socket(#[source] std::io::Error),
    /// The kernel refused.
    #[error("cannot {request} {device}{}", KernelSays(detail))]
    Kernel {
        /// What was asked.
        request: Request,
        /// Of which device.
        device: String,
        /// The kernel's own words; often empty.
        detail: String,
        /// The kernel's answer.
        source: Errno,
    },
    /// Every priority is taken by others.
    #[error("there is no free priority for a filter on the {direction} of {device}")]
    Full {
        /// The device.
        device: String,
        /// The hook.
        direction: &'static str,
    },
    /// A link, or a program of a filter that must be put back.
    #[error(transparent)]
    Bpf(#[from] BpfError),
}

impl AttachError {
    /// What to do, where it is not in the message.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoDevice(_) => Some(
                "the host end of the pod's veth pair is expected; `ip link` shows what there is",
            ),
            Self::Kernel {
                source: Errno::EPERM,
                ..
            } => Some(
                "run as root, or with CAP_NET_ADMIN in the namespace that owns the device's network",
            ),
            Self::Kernel {
                request: Request::AddClsact,
                source: Errno::EINVAL | Errno::EEXIST,
                ..
            } => Some(
                "another queueing discipline is in the place of clsact (`tc qdisc show dev DEVICE`): remove it, or set attach = \"tcx\" in weir.toml",
            ),
            Self::Kernel {
                request: Request::AddClsact,
                source: Errno::ENOENT | Errno::EOPNOTSUPP,
                ..
            } => Some("the kernel has no clsact: load the module sch_ingress"),
            Self::Kernel {
                request: Request::AddFilter | Request::ReplaceFilter,
                source: Errno::ENOENT | Errno::EOPNOTSUPP,
                ..
            } => Some("the kernel has no BPF classifier: load the module cls_bpf"),
            Self::Full { .. } => {
                Some("`tc filter show` names the filters; remove those that nobody needs")
            }
            Self::Bpf(error) => match error.errno() {
                Some(Errno::EINVAL) => {
                    Some("attach = \"tcx\" needs Linux 6.6 or newer: set attach = \"tc\"")
                }
                _ => error.advice(),
            },
            Self::Kernel { .. } | Self::Socket(_) => None,
        }
    }
}

/// A request to the kernel; displayed as a verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The facts of a device.
    FindDevice,
    /// The number of a network namespace.
    FindNamespace,
    /// What stands in the place of a device's queue.
    FindQueue,
    /// Putting a bucket there.
    Bound,
    /// The way to an address.
    FindRoute,
    /// Looking for clsact.
    FindClsact,
    /// Adding clsact.
    AddClsact,
    /// Removing it.
    RemoveClsact,
    /// Listing filters.
    ListFilters,
    /// Adding a filter.
    AddFilter,
    /// Replacing a filter.
    ReplaceFilter,
    /// Removing a filter.
    RemoveFilter,
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FindDevice => "find",
            Self::FindQueue => "look for the queue of",
            Self::Bound => "limit what is sent by",
            Self::FindRoute => "find the route to",
            Self::FindNamespace => "find the network namespace of",
            Self::FindClsact => "look for clsact on",
            Self::AddClsact => "add clsact to",
            Self::RemoveClsact => "remove clsact from",
            Self::ListFilters => "list the filters of",
            Self::AddFilter => "add a filter to",
            Self::ReplaceFilter => "replace the filter of",
            Self::RemoveFilter => "remove a filter from",
        })
    }
}
