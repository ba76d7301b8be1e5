//! Why the wiring of a pod failed.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use ep_builder::error::KernelSays;
use ipnet::IpNet;
use nix::errno::Errno;

use super::link::Link;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    /// The path of the namespace leads nowhere: the pod is gone, or never was.
    #[error("the network namespace {0} does not exist")]
    NoNamespace(PathBuf),
    /// Something else is at the path.
    #[error("{path} is no network namespace but {found}")]
    NotNamespace {
        /// The path.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// The path leads to where the plugin runs: wiring it would cut the host off.
    #[error("the network namespace {0} is the one that the plugin runs in")]
    OwnNamespace(PathBuf),
    /// The namespace cannot be opened or looked at.
    #[error("cannot open the network namespace {path}")]
    OpenNamespace {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The namespace cannot be entered.
    #[error("cannot enter the network namespace {path}")]
    Enter {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The thread is in the pod's namespace and cannot leave it: nothing more may be done in this process.
    #[error("cannot return from the network namespace {path} to the host's")]
    Stranded {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The netlink socket.
    #[error("cannot speak netlink with the kernel {place}")]
    Socket {
        /// Whose socket.
        place: Place,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a request.
    #[error("cannot {task} {link} {place}{}", KernelSays(detail))]
    Kernel {
        /// What was asked.
        task: Task,
        /// Of which link.
        link: String,
        /// Where.
        place: Place,
        /// The kernel's own words; often empty.
        detail: String,
        /// The kernel's answer.
        #[source]
        source: Errno,
    },
    /// A link of the host end's name is there.
    #[error("the link {} exists already {}", .0.name, Place::Host)]
    HostLinkExists(Box<Link>),
    /// A link of the pod end's name is there.
    #[error("the link {0} exists already {place}", place = Place::Pod)]
    PodLinkExists(String),
    /// A setting has another value than the pod needs and cannot be written.
    #[error("{path} is {found:?} and cannot be set to {wanted:?}")]
    Setting {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What it must say.
        wanted: &'static str,
        /// Why it cannot be written.
        #[source]
        source: io::Error,
    },
    /// A setting that must be read is not there or not readable.
    #[error("cannot read {path}, which must be {wanted:?}")]
    NoSetting {
        /// The file.
        path: PathBuf,
        /// What it must say.
        wanted: &'static str,
        /// Why it cannot be read; none if there is no such file.
        #[source]
        source: Option<io::Error>,
    },
}

/// What kind of failure it is: the protocol has codes for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// `CNI_NETNS` is not what it must be: code 8.
    Namespace,
    /// A name or an address is taken.
    Exists,
    /// A right is missing.
    Permission,
    /// Anything else.
    Other,
}

/// Where a request was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The plugin's own namespace.
    Host,
    /// The pod's.
    Pod,
}

/// A request to the kernel; displayed as a verb before the link's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// The veth pair.
    CreatePair,
    /// The owner's mark and the settings of the host end.
    MarkLink,
    /// Setting it up.
    RaiseLink,
    /// Removing it.
    RemoveLink,
    /// The facts of a link.
    FindLink,
    /// All links.
    ListLinks,
    /// An address.
    AddAddress(IpAddr),
    /// All addresses.
    ListAddresses,
    /// A route.
    AddRoute(IpNet),
    /// All routes.
    ListRoutes,
    /// The rate of a link.
    Limit,
    /// What stands in the place of its queue.
    FindQueue,
    /// Where packets to an address go.
    FindRoute(IpAddr),
}

impl NetError {
    /// What kind of failure it is.
    pub(crate) fn class(&self) -> Class {
        match self {
            // The last are paths that lead to no file at all.
            Self::NoNamespace(_)
            | Self::NotNamespace { .. }
            | Self::OwnNamespace(_)
            | Self::OpenNamespace {
                source: Errno::ENOTDIR | Errno::ELOOP | Errno::ENAMETOOLONG,
                ..
            } => Class::Namespace,
            Self::HostLinkExists(_)
            | Self::PodLinkExists(_)
            | Self::Kernel {
                source: Errno::EEXIST,
                ..
            } => Class::Exists,
            _ if self.is_permission() => Class::Permission,
            _ => Class::Other,
        }
    }

    fn is_permission(&self) -> bool {
        match self {
            Self::OpenNamespace { source, .. }
            | Self::Enter { source, .. }
            | Self::Kernel { source, .. } => matches!(source, Errno::EPERM | Errno::EACCES),
            Self::Socket { source, .. } | Self::Setting { source, .. } => {
                source.kind() == io::ErrorKind::PermissionDenied
            }
            _ => false,
        }
    }

    /// What to do, where it is not in the message.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoNamespace(_) => {
                Some("the pod may have been stopped meanwhile; CNI_NETNS names the path")
            }
            Self::NotNamespace { .. } => {
                Some("CNI_NETNS must name a file like /run/netns/NAME or /proc/PID/ns/net")
            }
            Self::OwnNamespace(_) => Some(
                "give the pod a namespace of its own; pods in the host's network need no plugin",
            ),
            Self::HostLinkExists(_) => Some(
                "its name follows from the container's id: remove it if nobody uses it (`ip -d link show`)",
            ),
            Self::PodLinkExists(_) => {
                Some("each network of a pod needs an interface name of its own (CNI_IFNAME)")
            }
            Self::Setting { source, .. } if source.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                Some("/proc/sys is read-only here: set the value outside, or mount it writable")
            }
            Self::NoSetting { source: None, .. } => {
                Some("the kernel has no such setting: IPv6 may be switched off (ipv6.disable=1)")
            }
            Self::Kernel {
                task: Task::AddRoute(_),
                place: Place::Host,
                source: Errno::EEXIST,
                ..
            } => Some(
                "another link has a route to this address: the address is in use, or its owner left the route behind (`ip route show`)",
            ),
            Self::Kernel {
                task: Task::CreatePair,
                source: Errno::EOPNOTSUPP,
                ..
            } => Some("the kernel has no veth links: load the module veth"),
            Self::Kernel {
                task: Task::Limit,
                source: Errno::ENOENT,
                ..
            } => Some("the kernel has no token buckets: load the module sch_tbf"),
            _ if self.is_permission() => Some(
                "run as root with CAP_NET_ADMIN and CAP_SYS_ADMIN, on the host and towards the pod's namespace",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "on the host",
            Self::Pod => "in the pod",
        })
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreatePair => f.write_str("create the link"),
            Self::MarkLink => f.write_str("mark the link"),
            Self::RaiseLink => f.write_str("set up the link"),
            Self::RemoveLink => f.write_str("remove the link"),
            Self::FindLink => f.write_str("look up the link"),
            Self::ListLinks => f.write_str("list the links like"),
            Self::AddAddress(address) => write!(f, "give the address {address} to the link"),
            Self::ListAddresses => f.write_str("list the addresses of the link"),
            Self::AddRoute(destination) => write!(f, "add the route to {destination} to the link"),
            Self::ListRoutes => f.write_str("list the routes of the link"),
            Self::Limit => f.write_str("limit the rate of the link"),
            Self::FindQueue => f.write_str("look up the queue of the link"),
            Self::FindRoute(address) => write!(f, "look up the route to {address} for the link"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel(task: Task, place: Place, source: Errno) -> NetError {
        NetError::Kernel {
            task,
            link: "eth0".to_owned(),
            place,
            detail: String::new(),
            source,
        }
    }

    fn route() -> Task {
        Task::AddRoute(IpNet::new_assert([10, 88, 0, 5].into(), 32))
    }

    #[test]
    fn every_error_has_its_class_its_text_and_its_advice() {
        let path = || PathBuf::from("/run/netns/a");
        for (error, class, text, advice) in [
            (
                NetError::NoNamespace(path()),
                Class::Namespace,
                "the network namespace /run/netns/a does not exist",
                "stopped",
            ),
            (
                NetError::OwnNamespace(path()),
                Class::Namespace,
                "the network namespace /run/netns/a is the one that the plugin runs in",
                "of its own",
            ),
            (
                NetError::Enter {
                    path: path(),
                    source: Errno::EPERM,
                },
                Class::Permission,
                "cannot enter the network namespace /run/netns/a",
                "CAP_SYS_ADMIN",
            ),
            (
                NetError::PodLinkExists("eth0".to_owned()),
                Class::Exists,
                "the link eth0 exists already in the pod",
                "CNI_IFNAME",
            ),
            (
                kernel(route(), Place::Host, Errno::EEXIST),
                Class::Exists,
                "cannot add the route to 10.88.0.5/32 to the link eth0 on the host",
                "in use",
            ),
            (
                kernel(Task::CreatePair, Place::Host, Errno::EOPNOTSUPP),
                Class::Other,
                "cannot create the link eth0 on the host",
                "veth",
            ),
            (
                kernel(Task::Limit, Place::Pod, Errno::ENOENT),
                Class::Other,
                "cannot limit the rate of the link eth0 in the pod",
                "sch_tbf",
            ),
            (
                kernel(Task::RaiseLink, Place::Pod, Errno::EPERM),
                Class::Permission,
                "cannot set up the link eth0 in the pod",
                "CAP_NET_ADMIN",
            ),
        ] {
            assert_eq!((error.class(), error.to_string()), (class, text.to_owned()));
            let advised = error.advice().unwrap_or_default();
            assert!(advised.contains(advice), "{error}: {advised}");
        }
    }

    #[test]
    fn the_kernels_words_are_told() {
        let NetError::Kernel {
            task,
            link,
            place,
            source,
            ..
        } = kernel(route(), Place::Pod, Errno::EINVAL)
        else {
            unreachable!()
        };
        let detail = "Nexthop has invalid gateway".to_owned();
        let error = NetError::Kernel {
            task,
            link,
            place,
            detail,
            source,
        };
        assert!(
            error
                .to_string()
                .ends_with("(the kernel says: Nexthop has invalid gateway)")
        );
    }
}
