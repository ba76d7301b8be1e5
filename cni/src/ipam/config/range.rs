//! Ranges of addresses, checked, and sets of them. A set gives one address to each interface.
//!
//! Addresses are counted as numbers, those of IPv4 in their mapped form, so that one order holds for all.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::ConfigError;

/// The number of an address.
pub(in crate::ipam) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address of a number.
pub(in crate::ipam) fn address(number: u128) -> IpAddr {
    Ipv6Addr::from_bits(number).to_canonical()
}

/// A range as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ipam) struct RawRange {
    /// The network the range is a part of.
    pub(in crate::ipam) subnet: IpNet,
    /// The first address to give out.
    pub(in crate::ipam) start: Option<IpAddr>,
    /// The last address to give out.
    pub(in crate::ipam) end: Option<IpAddr>,
    /// The router.
    pub(in crate::ipam) gateway: Option<IpAddr>,
}

/// A range with every default decided. Its ends can be given out; its gateway lies anywhere in the subnet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ipam) struct Range {
    subnet: IpNet,
    first: u128,
    last: u128,
    gateway: IpAddr,
}

impl Range {
    /// Checks a range. `at` is its place in the configuration.
    pub(in crate::ipam) fn new(raw: &RawRange, at: &str) -> Result<Self, ConfigError> {
        let subnet = raw.subnet;
        let here = || at.to_owned();
        if subnet != subnet.trunc() {
            return Err(ConfigError::HostBits { at: here(), subnet });
        }
        // One address for the network, one for the router, one for a pod.
        if subnet.prefix_len() + 2 > subnet.max_prefix_len() {
            return Err(ConfigError::TooSmall { at: here(), subnet });
        }
        let inside = |what, address: Option<IpAddr>| match address {
            Some(address) if !subnet.contains(&address) => Err(ConfigError::Outside {
                at: here(),
                what,
                address,
                subnet,
            }),
            other => Ok(other.map(number)),
        };
        let (lowest, highest) = assignable(subnet);
        let first = inside("rangeStart", raw.start)?.unwrap_or(lowest);
        let last = inside("rangeEnd", raw.end)?.unwrap_or(highest);
        let gateway = inside("gateway", raw.gateway)?.unwrap_or(lowest);
        if first > last {
            let (start, end) = (address(first), address(last));
            return Err(ConfigError::Reversed {
                at: here(),
                start,
                end,
            });
        }
        let (first, last) = (first.max(lowest), last.min(highest));
        if first > last {
            return Err(ConfigError::NothingLeft { at: here(), subnet });
        }
        let gateway = address(gateway);
        Ok(Self {
            subnet,
            first,
            last,
            gateway,
        })
    }

    /// The lowest number to give out.
    pub(in crate::ipam) fn first(&self) -> u128 {
        self.first
    }

    /// The highest number to give out.
    pub(in crate::ipam) fn last(&self) -> u128 {
        self.last
    }

    /// The router of the range's network.
    pub(in crate::ipam) fn gateway(&self) -> IpAddr {
        self.gateway
    }

    /// Whether the number can be given out from here.
    pub(in crate::ipam) fn contains(&self, number: u128) -> bool {
        (self.first..=self.last).contains(&number)
    }

    /// How many numbers there are; a /64 has fewer than this can count.
    pub(in crate::ipam) fn size(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// An address of the range with the prefix of its network.
    pub(in crate::ipam) fn with_prefix(&self, address: IpAddr) -> IpNet {
        let length = self.subnet.prefix_len();
        // Both lengths come from networks of the same family, so this never falls back.
        IpNet::new(address, length).unwrap_or_else(|_| IpNet::from(address))
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// What of a network may be a pod's: neither the network's own address nor the broadcast one of IPv4.
fn assignable(subnet: IpNet) -> (u128, u128) {
    let (network, highest) = (number(subnet.network()), number(subnet.broadcast()));
    let highest = match subnet {
        IpNet::V4(_) => highest - 1,
        IpNet::V6(_) => highest,
    };
    (network + 1, highest)
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", address(self.first), address(self.last))
    }
}

/// Ranges of one family that stand in for one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ipam) struct RangeSet {
    ranges: Vec<Range>,
}

impl RangeSet {
    /// Checks a set. `at` is its place in the configuration.
    pub(in crate::ipam) fn new(ranges: Vec<Range>, at: &str) -> Result<Self, ConfigError> {
        let here = || at.to_owned();
        let Some(first) = ranges.first() else {
            return Err(ConfigError::EmptySet { at: here() });
        };
        let is_v4 = first.gateway.is_ipv4();
        if ranges.iter().any(|range| range.gateway.is_ipv4() != is_v4) {
            return Err(ConfigError::MixedFamilies { at: here() });
        }
        for (index, range) in ranges.iter().enumerate() {
            if let Some(other) = ranges[..index].iter().find(|other| other.overlaps(range)) {
                return Err(ConfigError::Overlap {
                    at: here(),
                    range: range.to_string(),
                    other: other.to_string(),
                });
            }
        }
        Ok(Self { ranges })
    }

    /// The ranges, at least one.
    pub(in crate::ipam) fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Whether it gives addresses of IPv4.
    pub(in crate::ipam) fn is_v4(&self) -> bool {
        self.ranges.iter().all(|range| range.gateway.is_ipv4())
    }

    /// The range that can give this number out.
    pub(in crate::ipam) fn range_of(&self, number: u128) -> Option<&Range> {
        self.ranges.iter().find(|range| range.contains(number))
    }

    /// Two ranges, one of each set, that share an address.
    pub(in crate::ipam) fn overlap<'a>(
        &'a self,
        other: &'a Self,
    ) -> Option<(&'a Range, &'a Range)> {
        let pairs = self
            .ranges
            .iter()
            .flat_map(|ours| other.ranges.iter().map(move |theirs| (ours, theirs)));
        pairs.into_iter().find(|(a, b)| a.overlaps(b))
    }

    /// Everything once, from the number after `last` round to `last` itself: what was given out longest ago
    /// comes first. Without a `last` of this set it starts at the beginning.
    pub(in crate::ipam) fn round_from(&self, last: Option<u128>) -> Vec<(u128, u128)> {
        let whole = |range: &Range| (range.first, range.last);
        let place = last.and_then(|last| {
            let index = self.ranges.iter().position(|range| range.contains(last));
            index.map(|index| (index, last))
        });
        let Some((index, last)) = place else {
            return self.ranges.iter().map(whole).collect();
        };
        let (before, after) = self.ranges.split_at(index);
        let mut round: Vec<_> = after.iter().chain(before).map(whole).collect();
        let here = round[0];
        round[0].0 = last + 1;
        round.push((here.0, last));
        round.retain(|(first, last)| first <= last);
        round
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ranges: Vec<_> = self.ranges.iter().map(Range::to_string).collect();
        f.write_str(&ranges.join(", "))
    }
}
