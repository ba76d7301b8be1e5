//! A port of the node that leads to an endpoint.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::policy::Protocol;

/// A port of the node that leads to an endpoint, in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPort {
    /// Where the node is called. 0.0.0.0 and :: stand for every address that it has of their family.
    #[serde(rename = "hostIP")]
    pub host_ip: IpAddr,
    /// Its port there.
    pub host_port: u16,
    /// The protocol.
    pub protocol: Protocol,
    /// The endpoint's own port.
    pub container_port: u16,
}

impl HostPort {
    /// Where the node is called.
    pub fn host(&self) -> SocketAddr {
        SocketAddr::new(self.host_ip, self.host_port)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        };
        write!(f, "{}/{protocol}", self.host())
    }
}
