//! Which network namespace has the other end of a veth pair.

use std::os::fd::{AsFd, AsRawFd};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::bytes::{attributes, word};
use super::device::Device;
use super::error::{AttachError, Request};
use super::netlink::Rtnl;

/// `struct ifinfomsg`.
const LINK_HEADER: usize = 16;
const LINK_NETNSID: u16 = 37;
/// `struct rtgenmsg`, and the padding behind it.
const NSID_HEADER: usize = 4;
const NSID: u16 = 1;

impl Rtnl {
    /// The number by which this namespace knows the one that has the device's other end; none where both
    /// ends are here.
    pub fn peer_namespace(&mut self, device: &Device) -> Result<Option<i32>, AttachError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(device.name.clone())];
        let answers = self
            .request(RouteNetlinkMessage::GetLink(message), 0)
            .map_err(|failure| failure.of(Request::FindDevice, &device.name))?;
        Ok(answers
            .iter()
            .find_map(|answer| number(answer, LINK_HEADER, LINK_NETNSID)))
    }

    /// The number by which this namespace knows another one; none if it never met it.
    pub fn namespace_number(&mut self, namespace: impl AsFd) -> Result<Option<i32>, AttachError> {
        let fd = namespace.as_fd().as_raw_fd().cast_unsigned();
        let mut message = NsidMessage::default();
        message.attributes = vec![NsidAttribute::Fd(fd)];
        let answers = self
            .request(RouteNetlinkMessage::GetNsId(message), 0)
            .map_err(|failure| failure.of(Request::FindNamespace, "a process"))?;
        let known = answers
            .iter()
            .find_map(|answer| number(answer, NSID_HEADER, NSID));
        // -1 says that it has none.
        Ok(known.filter(|number| *number >= 0))
    }
}

fn number(answer: &[u8], header: usize, wanted: u16) -> Option<i32> {
    let (_, value) = attributes(answer, header).find(|(kind, _)| *kind == wanted)?;
    word(value, 0).map(u32::cast_signed)
}
