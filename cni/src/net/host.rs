//! The host's side: finding and removing host ends, without any pod's namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkExtentMask, LinkInfo, LinkMessage};
use nix::errno::Errno;

use super::error::{NetError, Place, Task};
use super::link::{self, Link, Owner};
use super::route::{self, SeenRoute};
use super::socket::{Request, Socket};
use crate::names::Attachment;

/// Addresses behind the default route of every host that is on the Internet; nothing is sent to them. An
/// address that no host has would be caught by routes that refuse such addresses.
const ELSEWHERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(1, 1, 1, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2606, 0x4700, 0x4700, 0, 0, 0, 0, 0x1111)),
];
/// The MTU of a host that leads nowhere, and the largest that a veth takes.
const ETHERNET_MTU: u32 = 1500;
const LARGEST_MTU: u32 = 65_535;

/// The host's side of the wiring.
pub(crate) struct HostSide {
    pub(super) socket: Socket,
}

/// What became of a host end that was to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// It is gone, and its other end, addresses and routes with it.
    Removed,
    /// It was not there.
    Absent,
    /// The link of this name is not ours, or another attachment's; it was left alone.
    Foreign(Box<Link>),
}

impl HostSide {
    /// Opens a socket where the thread is.
    pub(crate) fn open() -> Result<Self, NetError> {
        let socket = Socket::open(Place::Host)?;
        Ok(Self { socket })
    }

    /// The link of this name.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Link>, NetError> {
        find(&self.socket, name)
    }

    /// All links of ours, of all networks. A dump: for GC only.
    pub(crate) fn ours(&self) -> Result<Vec<Link>, NetError> {
        let mut message = LinkMessage::default();
        // The kernel leaves links of other kinds out.
        message.attributes = vec![
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Veth)]),
            LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]),
        ];
        let request = Request {
            task: Task::ListLinks,
            link: crate::names::HOST_PREFIX.to_owned(),
            flags: 0,
            message: RouteNetlinkMessage::GetLink(message),
        };
        let found = self.socket.list(&request)?;
        let links = found.iter().filter_map(Link::read);
        Ok(links
            .filter(|link| link.owner() != Owner::Foreign)
            .collect())
    }

    /// Removes the host end of an attachment: the link of its name, if it has this attachment's mark or was
    /// left without one by a process that died.
    pub(crate) fn remove(&self, attachment: &Attachment) -> Result<Removal, NetError> {
        let Some(link) = self.find(&attachment.host_name())? else {
            return Ok(Removal::Absent);
        };
        let is_its = match link.owner() {
            Owner::Marked(alias) => attachment.id_in(alias).is_some(),
            Owner::Unfinished => true,
            Owner::Foreign => false,
        };
        if !is_its {
            return Ok(Removal::Foreign(Box::new(link)));
        }
        self.remove_link(&link)
    }

    /// Removes a link that was found before, if it is ours.
    pub(crate) fn remove_link(&self, link: &Link) -> Result<Removal, NetError> {
        if link.owner() == Owner::Foreign {
            return Ok(Removal::Foreign(Box::new(link.clone())));
        }
        let request = Request {
            task: Task::RemoveLink,
            link: link.name.clone(),
            flags: 0,
            message: link::remove(link.index),
        };
        match self.socket.demand(vec![request]) {
            Ok(_) => Ok(Removal::Removed),
            Err(NetError::Kernel {
                source: Errno::ENODEV,
                ..
            }) => Ok(Removal::Absent),
            Err(error) => Err(error),
        }
    }

    /// The MTU that a pod's packets can have on their way out of the host: that of its default route, or of
    /// the link this route takes; first IPv4's.
    pub(crate) fn default_mtu(&self) -> Result<u32, NetError> {
        let questions = ELSEWHERE.map(|address| route::find_route("default", address));
        let answers = self.socket.ask(questions.into())?;
        // A host without a route answers with an error.
        let ways = answers.into_iter().flatten().flatten();
        let way = ways.flat_map(|answer| SeenRoute::read(&answer)).next();
        let Some(way) = way else {
            return Ok(ETHERNET_MTU);
        };
        let request = find_request(way.index.to_string(), link::by_index(way.index));
        let answers = self.socket.demand(vec![request])?;
        let link = answers.iter().flatten().find_map(Link::read);
        let mtu = link.map_or(ETHERNET_MTU, |link| link.mtu);
        Ok(mtu.min(way.mtu.unwrap_or(mtu)).min(LARGEST_MTU))
    }

    /// The links that packets to these addresses take; none where they take no link.
    pub(super) fn ways_to(&self, addresses: &[IpAddr]) -> Result<Vec<Option<u32>>, NetError> {
        let question = |address: &IpAddr| route::find_route("host", *address);
        let questions = addresses.iter().map(question).collect();
        let answers = self.socket.ask(questions)?;
        let way = |answer: super::socket::Answer| {
            let messages = answer.unwrap_or_default();
            let route = messages.iter().flat_map(SeenRoute::read).next();
            route.map(|route| route.index)
        };
        Ok(answers.into_iter().map(way).collect())
    }
}

/// The link of this name, where the socket is.
pub(super) fn find(socket: &Socket, name: &str) -> Result<Option<Link>, NetError> {
    let request = find_request(name.to_owned(), link::by_name(name));
    match socket.demand(vec![request]) {
        Ok(answers) => Ok(answers.iter().flatten().find_map(Link::read)),
        Err(NetError::Kernel {
            source: Errno::ENODEV,
            ..
        }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn find_request(link: String, message: RouteNetlinkMessage) -> Request {
    Request {
        task: Task::FindLink,
        link,
        flags: 0,
        message,
    }
}
