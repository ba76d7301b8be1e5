//! The veth pair of one pod.

use ep_builder::endpoint::MacAddr;

/// What a pair is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PairSpec<'a> {
    /// The host end.
    pub(crate) host_name: &'a str,
    /// Its hardware address: what the pod sees as its gateway.
    pub(crate) host_mac: MacAddr,
    /// Its owner's mark.
    pub(crate) alias: &'a str,
    /// The pod end.
    pub(crate) pod_name: &'a str,
    /// Its hardware address.
    pub(crate) pod_mac: MacAddr,
    /// The MTU of both.
    pub(crate) mtu: u32,
    /// Whether the pod gets an IPv6 address.
    pub(crate) has_ipv6: bool,
}

/// A pair that exists, down on both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The host end.
    pub(crate) host_name: String,
    /// Its number.
    pub(crate) host_ifindex: u32,
    /// The pod end.
    pub(crate) pod_name: String,
    /// Its number inside the pod.
    pub(crate) pod_ifindex: u32,
}
