//! The messages about addresses and routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteMetric,
    RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::error::Task;
use super::plan::{Hop, PodRoute};
use super::socket::Request;

/// Gives an address to a link, as a host of its own. No duplicate is looked for in IPv6, which would keep the
/// address unusable for a second or two: IPAM answers for it, and the pod has no neighbours.
pub(super) fn add_address(link: &str, index: u32, address: IpAddr) -> Request {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: family(address),
        prefix_len: IpNet::from(address).prefix_len(),
        index,
        ..AddressHeader::default()
    };
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
        let flags = AddressFlags::Nodad | AddressFlags::Noprefixroute;
        message.attributes.push(AddressAttribute::Flags(flags));
    }
    Request {
        task: Task::AddAddress(address),
        link: link.to_owned(),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        message: RouteNetlinkMessage::NewAddress(message),
    }
}

/// Routes an address of a pod to its host end. A route that is there already is somebody's who has this
/// address: it is not replaced.
pub(super) fn add_host_route(link: &str, index: u32, address: IpAddr) -> Request {
    let destination = IpNet::from(address);
    let message = route(destination, index, RouteScope::Link);
    Request {
        task: Task::AddRoute(destination),
        link: link.to_owned(),
        flags: NLM_F_CREATE | NLM_F_EXCL,
        message: RouteNetlinkMessage::NewRoute(message),
    }
}

/// Adds a route inside a pod. One that the configuration asks for goes behind others to the same
/// destination: a second network of a pod brings a second default route.
pub(super) fn add_pod_route(link: &str, index: u32, planned: &PodRoute) -> Request {
    let scope = match (planned.scope, planned.hop) {
        (Some(scope), _) => RouteScope::from(scope),
        (None, Hop::Link) => RouteScope::Link,
        (None, _) => RouteScope::Universe,
    };
    let mut message = route(planned.destination, index, scope);
    if let Hop::Neighbor(_) = planned.hop {
        message.header.flags = RouteFlags::Onlink;
    }
    let gateway = planned.hop.gateway().map(RouteAddress::from);
    let gateway = gateway.map(RouteAttribute::Gateway);
    message.attributes.extend(gateway);
    // The header has room for a small number only.
    message.header.table = RouteHeader::RT_TABLE_UNSPEC;
    message
        .attributes
        .push(RouteAttribute::Table(planned.table));
    let priority = planned.priority.map(RouteAttribute::Priority);
    message.attributes.extend(priority);
    let mtu = planned.mtu.map(RouteMetric::Mtu);
    let metrics: Vec<_> = mtu
        .into_iter()
        .chain(planned.advmss.map(RouteMetric::Advmss))
        .collect();
    if !metrics.is_empty() {
        message.attributes.push(RouteAttribute::Metrics(metrics));
    }
    let how = if planned.is_offer {
        NLM_F_EXCL
    } else {
        NLM_F_APPEND
    };
    Request {
        task: Task::AddRoute(planned.destination),
        link: link.to_owned(),
        flags: NLM_F_CREATE | how,
        message: RouteNetlinkMessage::NewRoute(message),
    }
}

/// Asks where packets to an address go: the route in the table, not the path of one flow.
pub(super) fn find_route(link: &str, address: IpAddr) -> Request {
    let destination = IpNet::from(address);
    let mut message = RouteMessage::default();
    message.header.address_family = family(address);
    message.header.destination_prefix_length = destination.prefix_len();
    message.header.flags = RouteFlags::FibMatch;
    message.attributes = vec![RouteAttribute::Destination(address.into())];
    Request {
        task: Task::FindRoute(address),
        link: link.to_owned(),
        flags: 0,
        message: RouteNetlinkMessage::GetRoute(message),
    }
}

/// Asks for all addresses of a namespace.
pub(super) fn list_addresses(link: &str) -> Request {
    Request {
        task: Task::ListAddresses,
        link: link.to_owned(),
        flags: 0,
        message: RouteNetlinkMessage::GetAddress(AddressMessage::default()),
    }
}

/// Asks for all routes of a namespace, of both families and in all tables.
pub(super) fn list_routes(link: &str) -> Request {
    Request {
        task: Task::ListRoutes,
        link: link.to_owned(),
        flags: 0,
        message: RouteNetlinkMessage::GetRoute(RouteMessage::default()),
    }
}

fn route(destination: IpNet, index: u32, scope: RouteScope) -> RouteMessage {
    let address = destination.addr();
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(address),
        destination_prefix_length: destination.prefix_len(),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Boot,
        scope,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    if destination.prefix_len() > 0 {
        message
            .attributes
            .push(RouteAttribute::Destination(address.into()));
    }
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

/// A route as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenRoute {
    /// Where it leads.
    pub(crate) destination: IpNet,
    /// Its gateway.
    pub(crate) gateway: Option<IpAddr>,
    /// The link it takes.
    pub(crate) index: u32,
    /// The MTU along it.
    pub(crate) mtu: Option<u32>,
}

impl SeenRoute {
    /// Reads a route that carries packets; several for one with several hops.
    pub(super) fn read(message: &RouteNetlinkMessage) -> Vec<Self> {
        let RouteNetlinkMessage::NewRoute(message) = message else {
            return Vec::new();
        };
        if message.header.kind != RouteType::Unicast {
            return Vec::new();
        }
        let any: IpAddr = match message.header.address_family {
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => Ipv4Addr::UNSPECIFIED.into(),
        };
        let (mut destination, mut mtu, mut hops) = (any, None, Vec::new());
        let (mut index, mut gateway) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(found) => destination = ip(found).unwrap_or(any),
                RouteAttribute::Metrics(metrics) => mtu = metrics.iter().find_map(route_mtu),
                RouteAttribute::MultiPath(all) => {
                    let each = all
                        .iter()
                        .map(|hop| (hop.interface_index, gateway_in(&hop.attributes)));
                    hops.extend(each);
                }
                RouteAttribute::Oif(found) => index = Some(*found),
                RouteAttribute::Gateway(found) => gateway = ip(found),
                _ => {}
            }
        }
        hops.extend(index.map(|index| (index, gateway)));
        let length = message.header.destination_prefix_length;
        let Ok(destination) = IpNet::new(destination, length) else {
            return Vec::new();
        };
        let seen = |(index, gateway)| Self {
            destination,
            gateway,
            index,
            mtu,
        };
        hops.into_iter().map(seen).collect()
    }
}

fn gateway_in(attributes: &[RouteAttribute]) -> Option<IpAddr> {
    attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(found) => ip(found),
        _ => None,
    })
}

fn route_mtu(metric: &RouteMetric) -> Option<u32> {
    match metric {
        RouteMetric::Mtu(mtu) => Some(*mtu),
        _ => None,
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some((*address).into()),
        RouteAddress::Inet6(address) => Some((*address).into()),
        _ => None,
    }
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
