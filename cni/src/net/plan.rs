//! What a pod's network looks like: addresses and routes, decided from what IPAM gave. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::result::{Address, Outcome, Route};

/// Where the gateway of a network without a first address of its own is said to be. It need not exist: the
/// datapath answers for every address but the pod's.
const LINK_LOCAL: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(169, 254, 1, 1),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1),
);
/// IPv6 on a link with a smaller MTU does not exist (RFC 8200, 5).
const SMALLEST_MTU_OF_IPV6: u32 = 1280;
const MAIN_TABLE: u32 = 254;
/// `RT_SCOPE_LINK`.
const LINK_SCOPE: u8 = 253;

/// Addresses and routes of a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The pod's addresses; each gets a route on the host.
    pub(crate) addresses: Vec<IpAddr>,
    /// The pod's routes, in the order in which they can be added.
    pub(crate) routes: Vec<PodRoute>,
}

/// A route inside the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRoute {
    /// Where it leads.
    pub(crate) destination: IpNet,
    /// Its next hop.
    pub(crate) hop: Hop,
    /// The MTU along it.
    pub(crate) mtu: Option<u32>,
    /// The segment size told to TCP peers.
    pub(crate) advmss: Option<u32>,
    /// The metric.
    pub(crate) priority: Option<u32>,
    /// The routing table.
    pub(crate) table: u32,
    /// The kernel's scope, where the configuration sets one.
    pub(crate) scope: Option<u8>,
    /// Whether nobody asked for it: the default route that every pod gets, but for one that has it already.
    pub(crate) is_offer: bool,
}

/// The next hop of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    /// None: the destination is on the link.
    Link,
    /// A gateway that has a route of its own.
    Gateway(IpAddr),
    /// A gateway without one, to be taken as on the link.
    Neighbor(IpAddr),
}

impl Hop {
    /// The gateway, where there is one.
    pub(super) fn gateway(self) -> Option<IpAddr> {
        match self {
            Self::Link => None,
            Self::Gateway(gateway) | Self::Neighbor(gateway) => Some(gateway),
        }
    }
}

/// Why there is no plan: what IPAM or the configuration says cannot be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    /// An IPv4 route via IPv6, or the other way round.
    #[error("the gateway {gateway} of {destination} is of the other address family")]
    OtherFamily {
        /// The route's destination, or the address.
        destination: IpNet,
        /// The gateway.
        gateway: IpAddr,
    },
    /// IPv6 does not fit.
    #[error(
        "the MTU {0} is too small for IPv6, which needs {SMALLEST_MTU_OF_IPV6}: raise `mtu` or leave IPv6 out"
    )]
    SmallMtu(u32),
}

impl Plan {
    /// The plan for all addresses and routes of an outcome, on a link of this MTU.
    ///
    /// Routes of a family in which the pod has no address are left out: conflists commonly name both default
    /// routes for single-stack pods.
    pub(crate) fn new(outcome: &Outcome, mtu: u32) -> Result<Self, PlanError> {
        let mut plan = Self {
            addresses: Vec::new(),
            routes: Vec::new(),
        };
        let (mut v4, mut v6) = (None, None);
        for given in &outcome.ips {
            let gateway = gateway_of(given)?;
            let first = if given.address.addr().is_ipv4() {
                &mut v4
            } else {
                &mut v6
            };
            first.get_or_insert(gateway);
            add_once(&mut plan.addresses, given.address.addr());
            // Link-local routers are on the link without a route.
            if !matches!(gateway, IpAddr::V6(address) if address.is_unicast_link_local()) {
                add_once(&mut plan.routes, PodRoute::to(gateway.into(), Hop::Link));
            }
        }
        if v6.is_some() && mtu < SMALLEST_MTU_OF_IPV6 {
            return Err(PlanError::SmallMtu(mtu));
        }
        for gateway in [v4, v6].into_iter().flatten() {
            let is_family = |route: &&Route| route.dst.addr().is_ipv4() == gateway.is_ipv4();
            for route in outcome.routes.iter().filter(is_family) {
                let route = plan.route(route, gateway, mtu)?;
                add_once(&mut plan.routes, route);
            }
            plan.offer_default(gateway, mtu);
        }
        Ok(plan)
    }

    /// Whether the pod has an IPv4 address.
    pub(crate) fn has_ipv4(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv4)
    }

    /// Whether the pod has an IPv6 address.
    pub(crate) fn has_ipv6(&self) -> bool {
        self.addresses.iter().any(IpAddr::is_ipv6)
    }

    fn route(&self, given: &Route, gateway: IpAddr, mtu: u32) -> Result<PodRoute, PlanError> {
        let destination = given.dst.trunc();
        let hop = match given.gw {
            None if given.scope == Some(LINK_SCOPE) => Hop::Link,
            None => Hop::Gateway(gateway),
            Some(own) if own.is_ipv4() != destination.addr().is_ipv4() => {
                return Err(PlanError::OtherFamily {
                    destination,
                    gateway: own,
                });
            }
            Some(own) if self.has_on_link(own) => Hop::Gateway(own),
            Some(own) => Hop::Neighbor(own),
        };
        let mtu = given.mtu.or((destination.prefix_len() == 0).then_some(mtu));
        Ok(PodRoute {
            mtu,
            advmss: given.advmss,
            priority: given.priority,
            table: given.table.unwrap_or(MAIN_TABLE),
            scope: given.scope,
            ..PodRoute::to(destination, hop)
        })
    }

    fn has_on_link(&self, gateway: IpAddr) -> bool {
        let route = PodRoute::to(gateway.into(), Hop::Link);
        self.routes.contains(&route)
    }

    fn offer_default(&mut self, gateway: IpAddr, mtu: u32) {
        let any: IpAddr = match gateway {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let mut default = PodRoute::to(IpNet::from(any), Hop::Gateway(gateway));
        default.destination = IpNet::new_assert(any, 0);
        let is_there = |route: &PodRoute| {
            route.destination == default.destination && route.table == MAIN_TABLE
        };
        if !self.routes.iter().any(is_there) {
            default.mtu = Some(mtu);
            default.is_offer = true;
            self.routes.push(default);
        }
    }
}

impl PodRoute {
    fn to(destination: IpNet, hop: Hop) -> Self {
        Self {
            destination,
            hop,
            mtu: None,
            advmss: None,
            priority: None,
            table: MAIN_TABLE,
            scope: None,
            is_offer: false,
        }
    }
}

/// The gateway of an address: IPAM's; else the first address of its network, as `host-local` has it; else,
/// where the network has none or it is the pod's, a link-local one.
pub(crate) fn gateway_of(given: &Address) -> Result<IpAddr, PlanError> {
    let own = given.address.addr();
    match given.gateway {
        Some(gateway) if gateway.is_ipv4() != own.is_ipv4() => Err(PlanError::OtherFamily {
            destination: given.address,
            gateway,
        }),
        Some(gateway) if !gateway.is_unspecified() && gateway != own => Ok(gateway),
        _ => Ok(first_address(given.address)
            .filter(|first| *first != own)
            .unwrap_or_else(|| link_local(own))),
    }
}

fn link_local(own: IpAddr) -> IpAddr {
    match own {
        IpAddr::V4(_) => LINK_LOCAL.0.into(),
        IpAddr::V6(_) => LINK_LOCAL.1.into(),
    }
}

/// None for a network of one or two addresses: neither is a router's by custom.
fn first_address(network: IpNet) -> Option<IpAddr> {
    if network.max_prefix_len() - network.prefix_len() < 2 {
        return None;
    }
    Some(match network.network() {
        IpAddr::V4(address) => Ipv4Addr::from_bits(address.to_bits() + 1).into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() + 1).into(),
    })
}

fn add_once<T: PartialEq>(list: &mut Vec<T>, item: T) {
    if !list.contains(&item) {
        list.push(item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::tests::{address, outcome};

    #[test]
    fn a_gateway_is_ipams_or_the_networks_first_or_link_local() {
        for (given, expected) in [
            ("10.88.3.5/16>10.88.9.9", "10.88.9.9"),
            ("10.88.3.5/16>192.0.2.1", "192.0.2.1"),
            ("10.88.3.5/16", "10.88.0.1"),
            ("10.88.3.5/16>0.0.0.0", "10.88.0.1"),
            ("10.88.3.5/16>10.88.3.5", "10.88.0.1"),
            ("10.88.3.6/30", "10.88.3.5"),
            ("10.88.0.1/16", "169.254.1.1"),
            ("10.88.3.5/31", "169.254.1.1"),
            ("10.88.3.5/32", "169.254.1.1"),
            ("255.255.255.255/0", "0.0.0.1"),
            ("fd88::3:5/64", "fd88::1"),
            ("fd88::3:5/64>fe80::9", "fe80::9"),
            ("fd88::1/64", "fe80::1"),
            ("fd88::5/127", "fe80::1"),
            ("fd88::5/128", "fe80::1"),
        ] {
            assert_eq!(
                gateway_of(&address(given)).unwrap().to_string(),
                expected,
                "{given}"
            );
        }
        let error = gateway_of(&address("10.88.3.5/16>fd88::1")).unwrap_err();
        assert!(error.to_string().contains("other address family"));
    }

    /// Routes as text: destination, next hop, MTU, and whether it was offered.
    fn told(addresses: &[&str], routes: &[&str]) -> Vec<String> {
        let plan = Plan::new(&outcome(addresses, routes), 1400).unwrap();
        let tell = |route: &PodRoute| {
            let hop = match route.hop {
                Hop::Link => String::new(),
                Hop::Gateway(gateway) => format!(" via {gateway}"),
                Hop::Neighbor(gateway) => format!(" at {gateway}"),
            };
            let mtu = route.mtu.map(|m| format!(" mtu {m}")).unwrap_or_default();
            let offer = if route.is_offer { " offered" } else { "" };
            format!("{}{hop}{mtu}{offer}", route.destination)
        };
        plan.routes.iter().map(tell).collect()
    }

    #[test]
    fn every_family_of_the_pod_has_one_default_route_and_no_other_has() {
        let v4 = "10.88.0.1/32";
        let v6 = "fd88::1/128";
        for (addresses, routes, expected) in [
            (&[][..], &["0.0.0.0/0", "::/0"][..], &[][..]),
            (
                &["10.88.0.5/16"],
                &["::/0"],
                &[v4, "0.0.0.0/0 via 10.88.0.1 mtu 1400 offered"],
            ),
            (
                &["10.88.0.5/16", "fd88::5/64"],
                &["0.0.0.0/0", "0.0.0.0/0"],
                &[
                    v4,
                    v6,
                    "0.0.0.0/0 via 10.88.0.1 mtu 1400",
                    "::/0 via fd88::1 mtu 1400 offered",
                ],
            ),
            // The first address of a family has the default route; each gateway is on the link.
            (
                &["10.88.0.5/16", "10.99.0.5/16", "10.88.0.6/16"],
                &[
                    "10.96.0.9/12",
                    "10.1.0.0/16>10.99.0.1",
                    "10.2.0.0/16>10.3.0.1",
                ],
                &[
                    v4,
                    "10.99.0.1/32",
                    "10.96.0.0/12 via 10.88.0.1",
                    "10.1.0.0/16 via 10.99.0.1",
                    "10.2.0.0/16 at 10.3.0.1",
                    "0.0.0.0/0 via 10.88.0.1 mtu 1400 offered",
                ],
            ),
            (
                &["fd88::5/128"],
                &[],
                &["::/0 via fe80::1 mtu 1400 offered"],
            ),
        ] {
            assert_eq!(
                told(addresses, routes),
                expected,
                "{addresses:?} {routes:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let plan = |addresses, routes, mtu| Plan::new(&outcome(addresses, routes), mtu);
        assert_eq!(
            plan(&["fd88::5/64"], &[], 1279),
            Err(PlanError::SmallMtu(1279))
        );
        assert!(plan(&["fd88::5/64"], &[], 1280).is_ok());
        assert!(plan(&["10.88.0.5/16"], &[], 576).is_ok());
        let mixed = plan(&["10.88.0.5/16"], &["10.1.0.0/16>fd88::1"], 1500);
        assert!(matches!(mixed, Err(PlanError::OtherFamily { .. })));
    }
}
