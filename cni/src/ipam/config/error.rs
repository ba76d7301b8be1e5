//! Why an `ipam` block is refused: each says where, what stands there, and what should.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::document::Fault;
use crate::version::Version;

/// Why a configuration is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A field is missing or holds something else than it must.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// `ipam` says nothing about ranges.
    #[error(
        "ipam names no range of addresses: give it \"ranges\": [[{{\"subnet\": \"10.88.0.0/16\"}}]], or a type \
         of another address manager"
    )]
    NoRanges,
    /// An address where a network must stand.
    #[error("{at}.subnet is {subnet}, an address inside a network: the network is {}", subnet.trunc())]
    HostBits {
        /// The range.
        at: String,
        /// What stands there.
        subnet: IpNet,
    },
    /// No room for a pod.
    #[error(
        "{at}.subnet {subnet} has no room for a pod beside the network's own address and the gateway: use /{} or shorter",
        subnet.max_prefix_len() - 2
    )]
    TooSmall {
        /// The range.
        at: String,
        /// The network.
        subnet: IpNet,
    },
    /// An end or the gateway is elsewhere.
    #[error("{at}.{what} {address} is not inside the subnet {subnet}")]
    Outside {
        /// The range.
        at: String,
        /// Which of its fields.
        what: &'static str,
        /// The field's address.
        address: IpAddr,
        /// The network.
        subnet: IpNet,
    },
    /// The ends are the wrong way round.
    #[error("{at} starts at {start}, after its end {end}")]
    Reversed {
        /// The range.
        at: String,
        /// Its start.
        start: IpAddr,
        /// Its end.
        end: IpAddr,
    },
    /// The ends leave only the network's own address or its broadcast address.
    #[error(
        "{at} holds nothing but an address that no pod may have in {subnet}: widen rangeStart and rangeEnd"
    )]
    NothingLeft {
        /// The range.
        at: String,
        /// The network.
        subnet: IpNet,
    },
    /// A set without ranges.
    #[error("{at} is an empty set of ranges: remove it, or give it a subnet")]
    EmptySet {
        /// The set.
        at: String,
    },
    /// IPv4 beside IPv6 in one set.
    #[error(
        "{at} mixes IPv4 and IPv6: a set gives one address, so put each family into a set of its own"
    )]
    MixedFamilies {
        /// The set.
        at: String,
    },
    /// An address would be given out twice.
    #[error("{at}: the range {range} overlaps with {other}")]
    Overlap {
        /// The later set.
        at: String,
        /// Its range.
        range: String,
        /// The other one.
        other: String,
    },
    /// Old versions have room for one address of each family.
    #[error(
        "version {version} of the protocol has room for one address of each family: use 0.3.0 or newer, or fewer sets of ranges"
    )]
    OnePerFamily {
        /// The version of the request.
        version: Version,
    },
    /// A request for an address that no set can meet.
    #[error(
        "the requested address {address} cannot be given: no set of ranges has it left, and there are {sets}"
    )]
    NoSetFor {
        /// The address.
        address: IpAddr,
        /// All sets.
        sets: String,
    },
    /// A request for the router's address, or the like.
    #[error(
        "the requested address {address} is kept for a gateway or for the node: ask for another one"
    )]
    Excluded {
        /// The address.
        address: IpAddr,
    },
}
