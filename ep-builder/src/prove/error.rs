//! Why nothing could be proven.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use crate::attach::AttachError;
use crate::error::Error;
use crate::lifecycle::LifecycleError;
use crate::maps::MapsError;
use crate::state::StateError;
use crate::whole_file::FileError;

/// Why the traffic could not be sent, or the endpoint not be replaced.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The other end of the device is in this namespace.
    #[error("the other end of {0} is in no other network namespace: there is no pod to send from")]
    NoPeer(String),
    /// No name and no process leads to the pod's namespace.
    #[error("cannot find the network namespace of the pod behind {0}: name it with --netns PATH")]
    Nameless(String),
    /// A file that is no network namespace, or may not be entered.
    #[error("cannot enter the network namespace {}", path.display())]
    Enter {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// There is no address on both sides of the same family.
    #[error("there is no way to send to the endpoint and back{}", Reasons(reasons))]
    NoWay {
        /// Why, for each family.
        reasons: Vec<String>,
    },
    /// A socket.
    #[error("cannot open a socket for traffic from {from} to {to}")]
    Socket {
        /// The sender.
        from: IpAddr,
        /// The receiver.
        to: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Nothing arrives, without any replacement.
    #[error(
        "nothing that {from} sends to {to} arrives, before anything is replaced: UDP between the two must be allowed and routed"
    )]
    Blocked {
        /// The sender.
        from: IpAddr,
        /// The receiver.
        to: IpAddr,
    },
    /// A sender that cannot send any more.
    #[error("cannot send from {from} to {to}")]
    Send {
        /// The sender.
        from: IpAddr,
        /// The receiver.
        to: IpAddr,
        /// The kernel's answer.
        source: io::Error,
    },
    /// A replacement that failed.
    #[error("replacement {number} failed")]
    Replacement {
        /// Which, from 1.
        number: u32,
        /// Why.
        source: Box<LifecycleError>,
    },
    /// The object.
    #[error(transparent)]
    Build(#[from] Error),
    /// The endpoint.
    #[error(transparent)]
    State(#[from] StateError),
    /// The counters.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// The device.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The file of a namespace.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ProveError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoWay { .. } => Some(
                "give the node an address and a route to the pod, or prove between two endpoints with --peer ID",
            ),
            Self::Enter { .. } => {
                Some("run as root, and name a file like /proc/PID/ns/net or /run/netns/NAME")
            }
            Self::Blocked { .. } => Some(
                "`weir monitor --type drop` says why a packet is dropped; --peer ID takes another endpoint for the other end",
            ),
            Self::Replacement { source, .. } => source.advice(),
            Self::Build(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Maps(error) => error.advice(),
            Self::Attach(error) => error.advice(),
            _ => None,
        }
    }
}

/// Reasons behind a statement.
struct Reasons<'a>(&'a [String]);

impl std::fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, reason) in self.0.iter().enumerate() {
            write!(f, "{}{reason}", if at == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}
