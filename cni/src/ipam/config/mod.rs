//! The `ipam` block of the embedded allocator: that of `host-local`, so that a user can switch.

mod error;
mod range;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub(crate) use error::ConfigError;
use range::RawRange;
pub(super) use range::{Range, RangeSet, address, number};

use crate::document::{Fault, Object, Placed, list};
use crate::netconf::Ipam;
use crate::result::Route;
use crate::version::Version;

const IP: &str = "it must be an IP address";
const NETWORK: &str = "it must be a network with the length of its prefix, as 10.88.0.0/16";

/// What ADD needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Config {
    /// Where addresses come from, one of each.
    pub(super) pools: Vec<Pool>,
    /// What no pool gives out, although it lies inside: routers, and what the caller keeps for itself.
    pub(super) excluded: BTreeSet<u128>,
    /// Handed to the pod with the addresses.
    pub(super) routes: Vec<Route>,
    /// The file whose resolver configuration the result carries.
    pub(super) resolv_conf: Option<PathBuf>,
}

/// A set of ranges, and the address of it that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    /// The ranges.
    pub(super) set: RangeSet,
    /// The address to give, if it is free; any one otherwise.
    pub(super) requested: Option<IpAddr>,
}

/// The configuration and what came beside it.
#[derive(Clone, Debug)]
pub(super) struct Sources<'a> {
    /// The version of the protocol.
    pub(super) version: Version,
    /// The block.
    pub(super) ipam: &'a Ipam,
    /// `runtimeConfig.ipRanges`.
    pub(super) ip_ranges: Option<&'a Value>,
    /// The addresses asked for.
    pub(super) wished: BTreeSet<IpAddr>,
    /// Addresses the node keeps for itself.
    pub(super) reserved: &'a [IpAddr],
}

/// Reads what ADD and STATUS need.
pub(super) fn read(sources: Sources<'_>) -> Result<Config, ConfigError> {
    let mut ipam = block(sources.ipam)?;
    let sets = sets(sources.ip_ranges, &mut ipam)?;
    one_per_family(sources.version, &sets)?;
    let ranges = sets.iter().flat_map(RangeSet::ranges);
    let kept = ranges
        .map(Range::gateway)
        .chain(sources.reserved.iter().copied());
    let excluded = kept.map(number).collect();
    let resolv_conf = ipam.text("resolvConf")?.filter(|path| !path.is_empty());
    Ok(Config {
        pools: pools(sets, sources.wished, &excluded)?,
        excluded,
        routes: routes(&mut ipam)?,
        resolv_conf: resolv_conf.map(PathBuf::from),
    })
}

/// Where the addresses of all networks lie: `ipam.dataDir`, or the usual place below the state folder.
pub(super) fn data_dir(ipam: &Ipam, state_dir: &Path) -> Result<PathBuf, ConfigError> {
    let path = block(ipam)?
        .text("dataDir")?
        .filter(|path| !path.is_empty());
    match path {
        None => Ok(default_data_dir(state_dir)),
        Some(path) if path.starts_with('/') && !path.contains('\0') => Ok(PathBuf::from(path)),
        Some(path) => {
            let shown = format_args!("{path:?}");
            Err(Fault::value("ipam.dataDir", shown, "it must be an absolute path").into())
        }
    }
}

/// The usual place.
pub(super) fn default_data_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("ipam")
}

fn block(ipam: &Ipam) -> Result<Object, Fault> {
    Object::new(("ipam".to_owned(), Value::Object(ipam.block.clone())))
}

/// The runtime's ranges, the one of the old style, and the listed ones, in this order.
fn sets(ip_ranges: Option<&Value>, ipam: &mut Object) -> Result<Vec<RangeSet>, ConfigError> {
    let mut sets = Vec::new();
    if let Some(ranges) = ip_ranges.filter(|ranges| !ranges.is_null()) {
        let place = "runtimeConfig.ipRanges".to_owned();
        sets.extend(listed(list((place, ranges.clone()))?)?);
    }
    if let Some(range) = old_style(ipam)? {
        sets.push(RangeSet::new(vec![range], "ipam")?);
    }
    sets.extend(listed(ipam.list("ranges")?)?);
    if sets.is_empty() {
        return Err(ConfigError::NoRanges);
    }
    for (index, set) in sets.iter().enumerate() {
        let clash = sets[..index].iter().find_map(|other| set.overlap(other));
        if let Some((ours, other)) = clash {
            return Err(ConfigError::Overlap {
                at: format!("set {index} of the ranges"),
                range: ours.to_string(),
                other: other.to_string(),
            });
        }
    }
    Ok(sets)
}

/// A range that stands in the block itself.
fn old_style(ipam: &mut Object) -> Result<Option<Range>, ConfigError> {
    match raw_range(ipam)? {
        None => Ok(None),
        Some(raw) => Ok(Some(Range::new(&raw, "ipam")?)),
    }
}

fn listed(sets: Vec<Placed>) -> Result<Vec<RangeSet>, ConfigError> {
    sets.into_iter().map(set).collect()
}

fn set((place, value): Placed) -> Result<RangeSet, ConfigError> {
    let ranges = list((place.clone(), value))?.into_iter().map(range);
    RangeSet::new(ranges.collect::<Result<_, _>>()?, &place)
}

fn range((place, value): Placed) -> Result<Range, ConfigError> {
    let mut object = Object::new((place.clone(), value))?;
    let missing = Fault::Missing {
        place: object.place("subnet"),
        advice: NETWORK,
    };
    let raw = raw_range(&mut object)?.ok_or(missing)?;
    Range::new(&raw, &place)
}

/// The fields of a range; none without a subnet.
fn raw_range(object: &mut Object) -> Result<Option<RawRange>, Fault> {
    let Some(subnet) = object.parsed("subnet", NETWORK)? else {
        return Ok(None);
    };
    Ok(Some(RawRange {
        subnet,
        start: ip(object, "rangeStart")?,
        end: ip(object, "rangeEnd")?,
        gateway: ip(object, "gateway")?,
    }))
}

fn ip(object: &mut Object, key: &str) -> Result<Option<IpAddr>, Fault> {
    let address: Option<IpAddr> = object.parsed(key, IP)?;
    Ok(address.map(|address| address.to_canonical()))
}

fn one_per_family(version: Version, sets: &[RangeSet]) -> Result<(), ConfigError> {
    let v4 = sets.iter().filter(|set| set.is_v4()).count();
    if version < Version::V0_3_0 && (v4 > 1 || sets.len() - v4 > 1) {
        return Err(ConfigError::OnePerFamily { version });
    }
    Ok(())
}

/// Gives each requested address to the one set that has it. No two sets overlap, so there is one at most.
fn pools(
    sets: Vec<RangeSet>,
    mut wished: BTreeSet<IpAddr>,
    excluded: &BTreeSet<u128>,
) -> Result<Vec<Pool>, ConfigError> {
    if let Some(address) = wished.iter().find(|a| excluded.contains(&number(**a))) {
        return Err(ConfigError::Excluded { address: *address });
    }
    let mut pools = Vec::new();
    for set in sets {
        let fits = |address: &&IpAddr| set.range_of(number(**address)).is_some();
        let requested = wished.iter().find(fits).copied();
        if let Some(address) = requested {
            wished.remove(&address);
        }
        pools.push(Pool { set, requested });
    }
    match wished.first() {
        None => Ok(pools),
        Some(address) => {
            let sets: Vec<_> = pools.iter().map(|pool| pool.set.to_string()).collect();
            Err(ConfigError::NoSetFor {
                address: *address,
                sets: sets.join("; "),
            })
        }
    }
}

fn routes(ipam: &mut Object) -> Result<Vec<Route>, ConfigError> {
    let routes = ipam.list("routes")?.into_iter().map(route);
    Ok(routes.collect::<Result<_, Fault>>()?)
}

fn route(placed: Placed) -> Result<Route, Fault> {
    let mut object = Object::new(placed)?;
    let missing = Fault::Missing {
        place: object.place("dst"),
        advice: NETWORK,
    };
    let dst: ipnet::IpNet = object.parsed("dst", NETWORK)?.ok_or(missing)?;
    let gw = ip(&mut object, "gw")?;
    Ok(Route {
        mtu: object.number("mtu")?,
        advmss: object.number("advmss")?,
        priority: object.number("priority")?,
        table: object.number("table")?,
        scope: object.number("scope")?,
        extra: object.rest(),
        // The kernel takes no destination with host bits.
        ..Route::new(dst.trunc(), gw)
    })
}

#[cfg(test)]
mod tests;
