//! Devices to attach to: veth pairs, both ends here, that go away with the value.

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

use crate::failure::Failure;

/// Veth pairs of this network namespace.
pub(super) struct Devices {
    socket: Socket,
    names: Vec<String>,
}

impl Devices {
    /// Makes this many pairs.
    pub(super) fn new(count: u16) -> Result<Self, Failure> {
        let failed = |error: &io::Error| Failure::Input(format!("cannot ask for devices: {error}"));
        let mut devices = Self {
            socket: open().map_err(|error| failed(&error))?,
            names: Vec::new(),
        };
        for number in 0..count {
            let name = format!("weirb{number}");
            devices
                .request(
                    RouteNetlinkMessage::NewLink(veth(&name)),
                    NLM_F_CREATE | NLM_F_EXCL,
                )
                .map_err(|error| {
                    Failure::Input(format!("cannot make the veth pair {name}: {error}"))
                })?;
            devices.names.push(name);
        }
        Ok(devices)
    }

    /// The names of the ends to attach to.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::from(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0)?;
        let (answer, _) = self.socket.recv_from_full()?;
        let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer);
        match answer.map_err(io::Error::other)?.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
            _ => Ok(()),
        }
    }
}

impl Drop for Devices {
    fn drop(&mut self) {
        for name in std::mem::take(&mut self.names) {
            // What is left is in a namespace that goes away, or is seen: `ip link` names it.
            drop(self.request(RouteNetlinkMessage::DelLink(named(&name)), 0));
        }
    }
}

fn open() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
    link
}

fn veth(name: &str) -> LinkMessage {
    let peer = named(&format!("{name}p"));
    let mut link = named(name);
    link.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    link
}
