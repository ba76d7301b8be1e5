//! The node's own pair of devices: `weir_host`, which has the gateways' addresses and the way to the pods'
//! networks, and its other end `weir_net`.
//!
//! Both ends are ours by their alias. The kernel takes a group in the message that makes a link, but no alias:
//! a pair that has the group still was made by a process that died before its second message.

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoData, InfoKind, InfoVeth,
    LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};

use super::links::Link;
use crate::shape::MapPrefix;

/// The end that the node's stack uses.
pub const HOST: &str = "weir_host";
/// Its other end.
pub const NET: &str = "weir_net";
/// How the alias of both begins; behind it the prefix of the maps, which names the set of endpoints.
const MARK: &str = "weir:node";
/// The group of a pair without its alias, "weir" in ASCII.
const UNFINISHED: u32 = 0x7765_6972;
/// `IFLA_INET_CONF`: on the way in a list of single settings, which the crate has no type for.
const INET_CONF: u16 = 1;
/// Of an attribute with one word, its head included.
const INET_LENGTH: u16 = 8;
/// `IPV4_DEVCONF_FORWARDING` and `IPV4_DEVCONF_RP_FILTER`.
const FORWARDING: u16 = 1;
const RP_FILTER: u16 = 8;

/// The alias of both ends.
pub(super) fn mark(prefix: &MapPrefix) -> String {
    format!("{MARK}:{prefix}")
}

/// Whether a link is an end of such a pair, finished or not.
pub(super) fn is_ours(link: &Link) -> bool {
    let is_marked = link.alias == MARK || link.alias.starts_with(&format!("{MARK}:"));
    let is_unfinished = link.alias.is_empty() && link.group == UNFINISHED;
    link.kind == "veth" && [HOST, NET].contains(&link.name.as_str()) && (is_marked || is_unfinished)
}

/// Whether a link has the mark of this set of endpoints, or none yet.
pub(super) fn is_of(link: &Link, prefix: &MapPrefix) -> bool {
    is_ours(link) && (link.alias.is_empty() || link.alias == mark(prefix))
}

/// Makes the pair, down on both ends.
pub(super) fn create(mtu: u32) -> RouteNetlinkMessage {
    let common = |name: &str| {
        vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Mtu(mtu),
            LinkAttribute::Group(UNFINISHED),
        ]
    };
    let mut peer = LinkMessage::default();
    peer.attributes = common(NET);
    let mut host = LinkMessage::default();
    host.attributes = common(HOST);
    host.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    RouteNetlinkMessage::NewLink(host)
}

/// The mark in place of the group, and the settings of an end.
///
/// Nobody is asked for on the pair: what is sent there is a program's before it could reach the other end. So
/// it resolves no neighbour, and has no address of the link. It is told by its programs who may send, so the
/// reverse path is not judged.
pub(super) fn finish(index: u32, prefix: &MapPrefix, has_ipv6: bool) -> RouteNetlinkMessage {
    let mut halves = vec![AfSpecUnspec::Inet(vec![inet(&[
        (RP_FILTER, 0),
        (FORWARDING, 1),
    ])])];
    if has_ipv6 {
        let none = AfSpecInet6::AddrGenMode(In6AddrGenMode::None);
        halves.push(AfSpecUnspec::Inet6(vec![none]));
    }
    let mut message = of(index);
    message.header.flags = LinkFlags::Noarp;
    message.header.change_mask = LinkFlags::Noarp;
    message.attributes = vec![
        LinkAttribute::IfAlias(mark(prefix)),
        LinkAttribute::Group(0),
        LinkAttribute::AfSpecUnspec(halves),
    ];
    RouteNetlinkMessage::SetLink(message)
}

/// Sets an end up.
pub(super) fn raise(index: u32) -> RouteNetlinkMessage {
    let mut message = of(index);
    message.header.flags = LinkFlags::Up;
    message.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(message)
}

/// Gives an end another MTU.
pub(super) fn set_mtu(index: u32, mtu: u32) -> RouteNetlinkMessage {
    let mut message = of(index);
    message.attributes = vec![LinkAttribute::Mtu(mtu)];
    RouteNetlinkMessage::SetLink(message)
}

/// Removes the pair by one of its ends: between two messages a name can pass to another link.
pub(super) fn remove(index: u32) -> RouteNetlinkMessage {
    RouteNetlinkMessage::DelLink(of(index))
}

fn of(index: u32) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message
}

fn inet(settings: &[(u16, u32)]) -> AfSpecInet {
    let one = |(setting, value): &(u16, u32)| -> Vec<u8> {
        let head = [INET_LENGTH, *setting];
        let head = head.iter().flat_map(|half| half.to_ne_bytes());
        head.chain(value.to_ne_bytes()).collect()
    };
    let bytes = settings.iter().flat_map(one).collect();
    AfSpecInet::Other(DefaultNla::new(INET_CONF | NLA_F_NESTED, bytes))
}

#[cfg(test)]
mod tests {
    use super::super::links::Framing;
    use super::*;

    fn link(name: &str, alias: &str, group: u32, kind: &str) -> Link {
        Link {
            index: 7,
            name: name.to_owned(),
            alias: alias.to_owned(),
            mac: None,
            mtu: 1500,
            framing: Framing::Ethernet,
            is_up: true,
            is_loopback: false,
            kind: kind.to_owned(),
            group,
            peer: None,
        }
    }

    #[test]
    fn a_pair_is_ours_by_its_mark_and_this_sets_by_the_whole_of_it() {
        let prefix = MapPrefix::default();
        for (name, alias, group, kind, ours, this) in [
            (HOST, "weir:node:weir", 0, "veth", true, true),
            (NET, "weir:node:weir", 0, "veth", true, true),
            (HOST, "weir:node:other", 0, "veth", true, false),
            (HOST, "", UNFINISHED, "veth", true, true),
            (HOST, "", 0, "veth", false, false),
            (HOST, "mine", UNFINISHED, "veth", false, false),
            (HOST, "weir:nodes", 0, "veth", false, false),
            (HOST, "weir:node:weir", 0, "dummy", false, false),
            ("lxc1", "", UNFINISHED, "veth", false, false),
        ] {
            let link = link(name, alias, group, kind);
            let found = (is_ours(&link), is_of(&link, &prefix));
            assert_eq!(found, (ours, this), "{name} {alias:?} {kind}");
        }
    }
}
