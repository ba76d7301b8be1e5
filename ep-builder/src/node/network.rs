//! The devices, addresses and routes of the node: asked for and changed.

use std::net::IpAddr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeader, AddressHeaderFlags, AddressMessage,
};
use netlink_packet_route::link::{LinkAttribute, LinkExtentMask, LinkMessage};
use netlink_packet_route::route::{
    RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;
use nix::libc;

use super::addresses::{Address, ip};
use super::error::{NodeError, Task};
use super::links::Link;
use super::pair;
use super::routes::DefaultRoute;
use crate::attach::Rtnl;
use crate::attach::bytes::{attributes, word};
use crate::attach::netlink::{Failure, Refusal};
use crate::maps::Prefix;
use crate::shape::MapPrefix;

/// `struct rtmsg`, and the attributes of a route that say where it leads.
const ROUTE_HEADER: usize = 12;
const DESTINATION: u16 = 1;
const OIF: u16 = 4;

/// The node's network, as the thread sees it.
#[derive(Debug)]
pub(super) struct Network {
    rtnl: Rtnl,
}

/// Both families.
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

impl Network {
    /// Opens a socket where the thread is.
    pub(super) fn open() -> Result<Self, NodeError> {
        let rtnl = Rtnl::open()?;
        // So that the kernel sends the routes of one table alone.
        rtnl.ask_strictly()?;
        Ok(Self { rtnl })
    }

    /// Every device.
    pub(super) fn links(&mut self) -> Result<Vec<Link>, NodeError> {
        let answers = self.list(&get_link(0, Vec::new()), Task::ListLinks)?;
        Ok(answers.iter().filter_map(|it| Link::read(it)).collect())
    }

    /// The device of this name.
    pub(super) fn link(&mut self, name: &str) -> Result<Option<Link>, NodeError> {
        let message = get_link(0, vec![LinkAttribute::IfName(name.to_owned())]);
        self.find_link(message, name)
    }

    /// The device of this number.
    pub(super) fn link_at(&mut self, index: u32) -> Result<Option<Link>, NodeError> {
        self.find_link(get_link(index, Vec::new()), &index.to_string())
    }

    fn find_link(
        &mut self,
        message: RouteNetlinkMessage,
        name: &str,
    ) -> Result<Option<Link>, NodeError> {
        match self.ask(message, 0, Task::FindLink(name.to_owned())) {
            Ok(answers) => Ok(answers.iter().find_map(|it| Link::read(it))),
            Err(NodeError::Kernel {
                source: Errno::ENODEV,
                ..
            }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every address that others may know, or packets leave with.
    pub(super) fn addresses(&mut self) -> Result<Vec<Address>, NodeError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let mut message = AddressMessage::default();
            message.header.family = family;
            let message = RouteNetlinkMessage::GetAddress(message);
            let answers = self.list(&message, Task::ListAddresses)?;
            let addresses = answers.iter().filter_map(|it| Address::read(it));
            found.extend(addresses.filter(Address::is_public));
        }
        Ok(found)
    }

    /// The default routes of the main table, the best of each family first.
    pub(super) fn default_routes(&mut self) -> Result<Vec<DefaultRoute>, NodeError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let answers = self.main_routes(family, None)?;
            let mut routes: Vec<_> = answers
                .iter()
                .flat_map(|it| DefaultRoute::read(it))
                .collect();
            routes.sort_by_key(|route| route.priority);
            found.extend(routes);
        }
        Ok(found)
    }

    /// The networks that are routed to a device.
    pub(super) fn networks_on(&mut self, index: u32) -> Result<Vec<Prefix>, NodeError> {
        let mut found = Vec::new();
        for family in FAMILIES {
            let answers = self.main_routes(family, Some(index))?;
            found.extend(answers.iter().filter_map(|it| destination(it, index)));
        }
        Ok(found)
    }

    fn main_routes(
        &mut self,
        family: AddressFamily,
        index: Option<u32>,
    ) -> Result<Vec<Vec<u8>>, NodeError> {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.attributes = index.map(RouteAttribute::Oif).into_iter().collect();
        self.list(&RouteNetlinkMessage::GetRoute(message), Task::ListRoutes)
    }

    /// Makes the pair, down on both ends.
    pub(super) fn create_pair(&mut self, mtu: u32) -> Result<(), NodeError> {
        let flags = NLM_F_CREATE | NLM_F_EXCL;
        self.ask(pair::create(mtu), flags, Task::CreatePair)
            .map(drop)
    }

    /// Marks an end of the pair, and sets it as it must be.
    pub(super) fn finish(
        &mut self,
        link: &Link,
        prefix: &MapPrefix,
        has_ipv6: bool,
    ) -> Result<(), NodeError> {
        let message = pair::finish(link.index, prefix, has_ipv6);
        self.ask(message, 0, Task::Mark(link.name.clone()))
            .map(drop)
    }

    /// Sets an end up.
    pub(super) fn raise(&mut self, link: &Link) -> Result<(), NodeError> {
        let task = Task::Raise(link.name.clone());
        self.ask(pair::raise(link.index), 0, task).map(drop)
    }

    /// Gives an end another MTU.
    pub(super) fn set_mtu(&mut self, link: &Link, mtu: u32) -> Result<(), NodeError> {
        let task = Task::Resize(link.name.clone());
        self.ask(pair::set_mtu(link.index, mtu), 0, task).map(drop)
    }

    /// Removes a link and its other end; whether it was there.
    pub(super) fn remove(&mut self, link: &Link) -> Result<bool, NodeError> {
        let task = Task::Remove(link.name.clone());
        let removed = self.ask(pair::remove(link.index), 0, task);
        absent_is_fine(removed, &[Errno::ENODEV])
    }

    /// Gives a device an address of its own; one that it has is as it should be. No duplicate is looked for in
    /// IPv6: the device has no neighbours.
    pub(super) fn add_address(&mut self, index: u32, address: IpAddr) -> Result<(), NodeError> {
        let mut message = AddressMessage::default();
        message.header = AddressHeader {
            family: family(address),
            prefix_len: Prefix::of(address).bits(),
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
        let message = RouteNetlinkMessage::NewAddress(message);
        let task = Task::AddAddress(address);
        let added = self.ask(message, NLM_F_CREATE | NLM_F_EXCL, task);
        absent_is_fine(added, &[Errno::EEXIST]).map(drop)
    }

    /// Routes a network to a device; false where a route of somebody else leads there.
    pub(super) fn add_route(&mut self, index: u32, network: Prefix) -> Result<bool, NodeError> {
        let message = RouteNetlinkMessage::NewRoute(route(index, network));
        let task = Task::AddRoute(network);
        let added = self.ask(message, NLM_F_CREATE | NLM_F_EXCL, task);
        absent_is_fine(added, &[Errno::EEXIST])
    }

    /// Takes the route of a network to a device away.
    pub(super) fn remove_route(&mut self, index: u32, network: Prefix) -> Result<(), NodeError> {
        let message = RouteNetlinkMessage::DelRoute(route(index, network));
        let removed = self.ask(message, 0, Task::RemoveRoute(network));
        absent_is_fine(removed, &[Errno::ESRCH, Errno::ENODEV]).map(drop)
    }

    fn ask(
        &mut self,
        message: RouteNetlinkMessage,
        flags: u16,
        task: Task,
    ) -> Result<Vec<Vec<u8>>, NodeError> {
        let answers = self.rtnl.request(message, flags);
        answers.map_err(|failure| refused(failure, task))
    }

    /// A list of what a kernel without the family does not have is empty.
    fn list(
        &mut self,
        message: &RouteNetlinkMessage,
        task: Task,
    ) -> Result<Vec<Vec<u8>>, NodeError> {
        match self.rtnl.list(message) {
            Ok(answers) => Ok(answers),
            // A table that never had a route is not there.
            Err(Failure::Refused(Refusal {
                errno: Errno::EOPNOTSUPP | Errno::EAFNOSUPPORT | Errno::ENODEV | Errno::ENOENT,
                ..
            })) => Ok(Vec::new()),
            Err(failure) => Err(refused(failure, task)),
        }
    }
}

fn refused(failure: Failure, task: Task) -> NodeError {
    match failure {
        Failure::Socket(error) => crate::attach::AttachError::Socket(error).into(),
        Failure::Refused(Refusal { errno, detail }) => NodeError::Kernel {
            task,
            detail,
            source: errno,
        },
    }
}

/// Whether something was done; these answers say that it needed not be.
fn absent_is_fine<T>(done: Result<T, NodeError>, fine: &[Errno]) -> Result<bool, NodeError> {
    match done {
        Ok(_) => Ok(true),
        Err(NodeError::Kernel { source, .. }) if fine.contains(&source) => Ok(false),
        Err(error) => Err(error),
    }
}

fn get_link(index: u32, mut attributes: Vec<LinkAttribute>) -> RouteNetlinkMessage {
    attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    RouteNetlinkMessage::GetLink(message)
}

fn route(index: u32, network: Prefix) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header = RouteHeader {
        address_family: family(network.address()),
        destination_prefix_length: network.bits(),
        table: RouteHeader::RT_TABLE_MAIN,
        protocol: RouteProtocol::Boot,
        scope: RouteScope::Link,
        kind: RouteType::Unicast,
        ..RouteHeader::default()
    };
    if network.bits() > 0 {
        let destination = RouteAttribute::Destination(network.address().into());
        message.attributes.push(destination);
    }
    message.attributes.push(RouteAttribute::Oif(index));
    message
}

/// Where a route of the main table leads that takes this device.
fn destination(answer: &[u8], index: u32) -> Option<Prefix> {
    let [family, bits, _, _, table, _, _, kind, ..] = *answer else {
        return None;
    };
    if (table, kind) != (libc::RT_TABLE_MAIN, libc::RTN_UNICAST) {
        return None;
    }
    let (mut destination, mut device) = (None, None);
    for (kind, value) in attributes(answer, ROUTE_HEADER) {
        match kind {
            DESTINATION => destination = ip(family, value),
            OIF => device = word(value, 0),
            _ => {}
        }
    }
    let network = Prefix::new(destination?, bits).ok()?;
    (device == Some(index)).then_some(network)
}

fn family(address: IpAddr) -> AddressFamily {
    match address {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
