//! Links, addresses and routes of the node that nobody sees, where the calling thread is.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};

use ep_builder::attach::Rtnl;
use ep_builder::maps::Prefix;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressHeader, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

/// The number that `lo` has everywhere.
pub(super) const LOOPBACK: u32 = 1;

/// Makes a pair, with these numbers for its ends, of which the other one is in another namespace; both are down.
pub(super) fn pair(here: (&str, u32), there: (&str, u32), namespace: impl AsFd) -> io::Result<()> {
    let mut other = link(there.1);
    let namespace = LinkAttribute::NetNsFd(namespace.as_fd().as_raw_fd());
    other.attributes = vec![LinkAttribute::IfName(there.0.to_owned()), namespace];
    let mut own = link(here.1);
    own.attributes = vec![
        LinkAttribute::IfName(here.0.to_owned()),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other))),
        ]),
    ];
    request(RouteNetlinkMessage::NewLink(own), NLM_F_CREATE | NLM_F_EXCL)
}

/// Sets a device up.
pub(super) fn raise(index: u32) -> io::Result<()> {
    let mut message = link(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    request(RouteNetlinkMessage::SetLink(message), 0)
}

/// Gives a device an address, at once: nobody else has it.
pub(super) fn add_address(index: u32, address: IpAddr, bits: u8) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(owned(index, address, bits));
    request(message, NLM_F_CREATE | NLM_F_EXCL)
}

/// Takes an address away from a device.
pub(super) fn remove_address(index: u32, address: IpAddr, bits: u8) -> io::Result<()> {
    let message = RouteNetlinkMessage::DelAddress(owned(index, address, bits));
    request(message, 0)
}

/// Routes a network, or everything, by way of a neighbour of a device.
pub(super) fn add_route(network: Option<Prefix>, via: IpAddr, index: u32) -> io::Result<()> {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(via),
        destination_prefix_length: network.map_or(0, Prefix::bits),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Boot,
        scope: RouteScope::Universe,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    let destination = network.map(|it| RouteAttribute::Destination(it.address().into()));
    message.attributes = destination.into_iter().collect();
    message.attributes.extend([
        RouteAttribute::Gateway(via.into()),
        RouteAttribute::Oif(index),
    ]);
    request(
        RouteNetlinkMessage::NewRoute(message),
        NLM_F_CREATE | NLM_F_EXCL,
    )
}

fn link(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn owned(index: u32, address: IpAddr, bits: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: family(address),
        prefix_len: bits,
        index,
        ..AddressHeader::default()
    };
    if address.is_ipv6() {
        message.header.flags = AddressHeaderFlags::Nodad;
    }
    message.attributes = vec![
        AddressAttribute::Local(address),
        AddressAttribute::Address(address),
    ];
    message
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

fn request(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let mut rtnl = Rtnl::open().map_err(io::Error::other)?;
    rtnl.change(message, flags)
}
