//! Links: the messages about them, and what the kernel says of one.

use std::os::fd::RawFd;

use ep_builder::endpoint::MacAddr;
use ep_builder::health;
use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth,
    LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};

use super::pair::PairSpec;
use crate::names::{HOST_PREFIX, MARK};

/// The group of a pair that has no alias yet, "weir" in ASCII. The kernel takes a group in the message that
/// creates a link, but no alias: that needs a second message, and a process can die between the two.
const UNFINISHED: u32 = 0x7765_6972;
/// The hexadecimal digits behind [`HOST_PREFIX`].
const DIGITS: usize = 12;
/// `IFLA_INET_CONF`: on the way in a list of single settings, which the crate has no type for.
const INET_CONF: u16 = 1;
/// Of an attribute with one word, its head included.
const INET_LENGTH: u16 = 8;

/// A setting of a link's IPv4 half, `IPV4_DEVCONF_*` of `linux/ip.h`. Given by netlink they need no
/// `/proc/sys`, no file and no further turn of the lock.
#[derive(Clone, Copy)]
enum Inet {
    Forwarding = 1,
    RpFilter = 8,
    ArpNotify = 22,
}

/// What the kernel says of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its number.
    pub(crate) index: u32,
    /// Its name.
    pub(crate) name: String,
    /// Its alias; empty for none.
    pub(crate) alias: String,
    /// Its hardware address, where it is one of Ethernet.
    pub(crate) mac: Option<MacAddr>,
    /// Its MTU.
    pub(crate) mtu: u32,
    /// Whether it is set up. Its other end may be down.
    pub(crate) is_up: bool,
    /// Whether it is an end of a veth pair.
    pub(crate) is_veth: bool,
    /// The number of its other end, in the other end's namespace.
    pub(crate) peer: Option<u32>,
    /// The number by which this namespace knows the other end's; none where both ends are here.
    pub(crate) peer_namespace: Option<i32>,
    group: u32,
}

/// Whose a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// Ours, and the alias says which attachment's.
    Marked(&'a str),
    /// Ours, made by a process that died before it could write the alias. Its name tells the attachment.
    Unfinished,
    /// Somebody else's: never touched.
    Foreign,
}

impl Link {
    /// Reads the kernel's answer.
    pub(super) fn read(message: &RouteNetlinkMessage) -> Option<Self> {
        let RouteNetlinkMessage::NewLink(message) = message else {
            return None;
        };
        let mut link = Self {
            index: message.header.index,
            name: String::new(),
            alias: String::new(),
            mac: None,
            mtu: 0,
            is_up: message.header.flags.contains(LinkFlags::Up),
            is_veth: false,
            peer: None,
            peer_namespace: None,
            group: 0,
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::IfAlias(alias) => link.alias.clone_from(alias),
                LinkAttribute::Address(bytes) => link.mac = mac(bytes),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                LinkAttribute::Link(peer) => link.peer = Some(*peer),
                LinkAttribute::LinkNetNsId(id) => link.peer_namespace = Some(*id),
                LinkAttribute::Group(group) => link.group = *group,
                LinkAttribute::LinkInfo(infos) => {
                    link.is_veth = infos.contains(&LinkInfo::Kind(InfoKind::Veth));
                }
                _ => {}
            }
        }
        Some(link)
    }

    /// Whose it is.
    pub(crate) fn owner(&self) -> Owner<'_> {
        if self.alias.starts_with(MARK) {
            return Owner::Marked(&self.alias);
        }
        let is_unfinished = self.is_veth
            && self.alias.is_empty()
            && self.group == UNFINISHED
            && is_host_name(&self.name);
        if is_unfinished {
            return Owner::Unfinished;
        }
        Owner::Foreign
    }
}

fn mac(bytes: &[u8]) -> Option<MacAddr> {
    Some(MacAddr(bytes.try_into().ok()?))
}

fn is_host_name(name: &str) -> bool {
    let digits = name.strip_prefix(HOST_PREFIX).unwrap_or_default();
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    name == health::DEVICE || digits.len() == DIGITS && digits.bytes().all(is_digit)
}

/// The pair, its other end born in the pod. That end may not be up yet: the kernel refuses it (ENOTCONN).
/// Nothing is said of GSO and GRO, which stay as the kernel sets them.
///
/// Each end has one queue in either direction, and that is said. Unasked the kernel makes one for each processor, takes
/// all but the first out of use again, and waits for a grace period at each end while it holds the lock of all links
/// (`veth_init_queues`, Linux 5.15): half of what a pair costs on two processors, and more on more.
pub(super) fn pair(spec: &PairSpec<'_>, namespace: RawFd) -> RouteNetlinkMessage {
    let mut peer = LinkMessage::default();
    peer.attributes = vec![
        LinkAttribute::IfName(spec.pod_name.to_owned()),
        LinkAttribute::Address(spec.pod_mac.0.to_vec()),
        LinkAttribute::Mtu(spec.mtu),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
        LinkAttribute::NetNsFd(namespace),
    ];
    let mut host = LinkMessage::default();
    host.attributes = vec![
        LinkAttribute::IfName(spec.host_name.to_owned()),
        LinkAttribute::Address(spec.host_mac.0.to_vec()),
        LinkAttribute::Mtu(spec.mtu),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
        LinkAttribute::Group(UNFINISHED),
        LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
        ]),
    ];
    RouteNetlinkMessage::NewLink(host)
}

/// The owner's mark in place of the group, and settings of the host end.
///
/// Replies come in at the link that leads to the pod, whatever route the question took, so the reverse path is
/// not judged; and a pod's packets are forwarded even where new links do not do that by default. Where the
/// pod has no IPv6 (`is_silent`), the host end gets no link-local address: it would only be talked about.
pub(super) fn mark(index: u32, alias: &str, is_silent: bool) -> RouteNetlinkMessage {
    let mut halves = vec![AfSpecUnspec::Inet(vec![inet(&[
        (Inet::RpFilter, 0),
        (Inet::Forwarding, 1),
    ])])];
    if is_silent {
        let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        halves.push(AfSpecUnspec::Inet6(vec![none]));
    }
    set(
        index,
        vec![
            LinkAttribute::IfAlias(alias.to_owned()),
            LinkAttribute::Group(0),
            LinkAttribute::AfSpecUnspec(halves),
        ],
    )
}

/// Sets the host end up.
pub(super) fn raise(index: u32) -> RouteNetlinkMessage {
    up(set(index, Vec::new()))
}

/// Sets the pod end up. It tells its neighbours when its hardware address changes: another plugin of the
/// chain may do that.
pub(super) fn raise_in_pod(index: u32) -> RouteNetlinkMessage {
    let half = AfSpecUnspec::Inet(vec![inet(&[(Inet::ArpNotify, 1)])]);
    up(set(index, vec![LinkAttribute::AfSpecUnspec(vec![half])]))
}

fn up(message: RouteNetlinkMessage) -> RouteNetlinkMessage {
    match message {
        RouteNetlinkMessage::SetLink(mut link) => {
            link.header.flags = LinkFlags::Up;
            link.header.change_mask = LinkFlags::Up;
            RouteNetlinkMessage::SetLink(link)
        }
        other => other,
    }
}

/// Removes a link, by its number: between two messages a name can pass to another link.
pub(super) fn remove(index: u32) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    RouteNetlinkMessage::DelLink(message)
}

/// Asks for a link.
pub(super) fn by_name(name: &str) -> RouteNetlinkMessage {
    get(0, vec![LinkAttribute::IfName(name.to_owned())])
}

/// Asks for a link.
pub(super) fn by_index(index: u32) -> RouteNetlinkMessage {
    get(index, Vec::new())
}

fn get(index: u32, mut attributes: Vec<LinkAttribute>) -> RouteNetlinkMessage {
    attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    RouteNetlinkMessage::GetLink(message)
}

fn set(index: u32, attributes: Vec<LinkAttribute>) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    RouteNetlinkMessage::SetLink(message)
}

fn inet(settings: &[(Inet, u32)]) -> AfSpecInet {
    let one = |(setting, value): &(Inet, u32)| -> Vec<u8> {
        let head = [INET_LENGTH, *setting as u16];
        let head = head.iter().flat_map(|half| half.to_ne_bytes());
        head.chain(value.to_ne_bytes()).collect()
    };
    let bytes = settings.iter().flat_map(one).collect();
    AfSpecInet::Other(DefaultNla::new(INET_CONF | NLA_F_NESTED, bytes))
}
