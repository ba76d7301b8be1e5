//! What an ADD made, free of any version of the protocol.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Map, Value};

/// The fields nobody here knows: those of a later version or of another plugin. A chain must hand them on.
pub(crate) type Extra = Map<String, Value>;

/// The outcome of an ADD: ours, a delegate's, or that of the plugins before us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The links, in the order that [`Address::interface`] counts.
    pub(crate) interfaces: Vec<Interface>,
    /// The addresses.
    pub(crate) ips: Vec<Address>,
    /// The routes inside the pod.
    pub(crate) routes: Vec<Route>,
    /// The resolver's configuration.
    pub(crate) dns: Dns,
    /// What else stood there.
    pub(crate) extra: Extra,
}

/// A link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interface {
    /// Its name in its namespace.
    pub(crate) name: String,
    /// Its hardware address in lower case, as the kernel's tools print it: other plugins compare the text.
    pub(crate) mac: String,
    /// Its MTU, told from 1.1.0 on.
    pub(crate) mtu: Option<u32>,
    /// The namespace as the runtime named it; none for a link of the host.
    pub(crate) sandbox: Option<String>,
    /// What else stood there.
    pub(crate) extra: Extra,
}

/// An address with its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "the protocol's name")]
pub(crate) struct Address {
    /// The address and the length of its network's prefix.
    pub(crate) address: IpNet,
    /// The router of that network.
    pub(crate) gateway: Option<IpAddr>,
    /// The link it stands on, an index into [`Outcome::interfaces`].
    pub(crate) interface: Option<usize>,
    /// What else stood there.
    pub(crate) extra: Extra,
}

/// A route inside the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// The destination.
    pub(crate) dst: IpNet,
    /// The next hop; none means the network's gateway.
    pub(crate) gw: Option<IpAddr>,
    /// The MTU along the route.
    pub(crate) mtu: Option<u32>,
    /// The segment size told to TCP peers.
    pub(crate) advmss: Option<u32>,
    /// The metric.
    pub(crate) priority: Option<u32>,
    /// The routing table.
    pub(crate) table: Option<u32>,
    /// The kernel's scope.
    pub(crate) scope: Option<u8>,
    /// What else stood there.
    pub(crate) extra: Extra,
}

/// The resolver's configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dns {
    /// The servers' addresses.
    pub(crate) nameservers: Vec<String>,
    /// The local domain; empty for none.
    pub(crate) domain: String,
    /// The domains to search in.
    pub(crate) search: Vec<String>,
    /// The resolver's options.
    pub(crate) options: Vec<String>,
    /// What else stood there.
    pub(crate) extra: Extra,
}

impl Route {
    /// A route with nothing set but where it leads.
    pub(crate) fn new(dst: IpNet, gw: Option<IpAddr>) -> Self {
        Self {
            dst,
            gw,
            mtu: None,
            advmss: None,
            priority: None,
            table: None,
            scope: None,
            extra: Extra::new(),
        }
    }
}
