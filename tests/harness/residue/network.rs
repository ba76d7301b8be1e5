//! What a network namespace has: links, addresses, routes, rules, fixed neighbours, queues.

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage as Message;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_packet_route::route::{RouteAttribute, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::tc::{TcAttribute, TcMessage};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use ep_builder::bpf::{Link, TcxHook};

/// What the namespace of the calling thread has, one line each.
pub(super) fn lines() -> Vec<String> {
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a socket can be opened");
    socket.bind_auto().expect("a socket can be bound");
    socket
        .connect(&SocketAddr::new(0, 0))
        .expect("the kernel can be addressed");
    let questions = [
        Message::GetLink(LinkMessage::default()),
        Message::GetAddress(AddressMessage::default()),
        Message::GetRoute(RouteMessage::default()),
        Message::GetRule(RuleMessage::default()),
        Message::GetNeighbour(NeighbourMessage::default()),
        Message::GetQueueDiscipline(TcMessage::default()),
    ];
    let answers = questions
        .into_iter()
        .flat_map(|question| list(&socket, question));
    answers.flat_map(described).collect()
}

fn list(socket: &Socket, question: Message) -> Vec<Message> {
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0).expect("the kernel can be asked");
    let mut found = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full().expect("the kernel answers");
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<Message>::deserialize(rest)
                .expect("the kernel's messages can be read");
            // Messages begin at multiples of four.
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length..).unwrap_or_default();
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => found.push(inner),
                NetlinkPayload::Done(_) => return found,
                other => panic!("a list cannot be had: {other:?}"),
            }
        }
    }
}

/// Without counters and times, which change by themselves.
fn described(message: Message) -> Vec<String> {
    match message {
        Message::NewLink(link) => described_link(&link),
        Message::NewAddress(mut it) => {
            it.attributes
                .retain(|it| !matches!(it, AddressAttribute::CacheInfo(_)));
            vec![format!("address {:?} {:?}", it.header.scope, it.attributes)]
        }
        Message::NewRoute(mut it) => {
            it.attributes
                .retain(|it| !matches!(it, RouteAttribute::CacheInfo(_)));
            let RouteMessage {
                header, attributes, ..
            } = it;
            vec![format!(
                "route /{} {:?} {attributes:?}",
                header.destination_prefix_length, header.kind
            )]
        }
        Message::NewRule(it) => vec![format!("rule {it:?}")],
        // The others are what the kernel has learned.
        Message::NewNeighbour(mut it) if it.header.state == NeighbourState::Permanent => {
            it.attributes
                .retain(|it| !matches!(it, NeighbourAttribute::CacheInfo(_)));
            vec![format!(
                "neighbour on {} {:?}",
                it.header.ifindex, it.attributes
            )]
        }
        Message::NewQueueDiscipline(mut it) => {
            it.attributes.retain(|it| {
                !matches!(
                    it,
                    TcAttribute::Stats(_) | TcAttribute::Stats2(_) | TcAttribute::Xstats(_)
                )
            });
            vec![format!("qdisc on {} {:?}", it.header.index, it.attributes)]
        }
        _ => Vec::new(),
    }
}

fn described_link(link: &LinkMessage) -> Vec<String> {
    let kept = link.attributes.iter().filter(|it| {
        matches!(
            it,
            LinkAttribute::IfName(_)
                | LinkAttribute::IfAlias(_)
                | LinkAttribute::Mtu(_)
                | LinkAttribute::Address(_)
        )
    });
    let index = link.header.index;
    let mut lines = vec![format!(
        "link {index} {:?} {:?}",
        kept.collect::<Vec<_>>(),
        link.header.flags
    )];
    for hook in [TcxHook::Ingress, TcxHook::Egress] {
        let programs = Link::programs_on(index, hook).unwrap_or_default();
        lines.extend(
            programs
                .iter()
                .map(|id| format!("program {id} on {hook:?} of link {index}")),
        );
    }
    lines
}
