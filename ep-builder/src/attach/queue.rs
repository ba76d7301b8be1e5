//! What stands in the place of a device's queue.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};

use super::bytes::{attributes, text};
use super::error::{AttachError, Request};
use super::netlink::Rtnl;

/// `struct ifinfomsg`.
const HEADER: usize = 16;
const QUEUE: u16 = 6;

impl Rtnl {
    /// The kind of the queueing discipline at the root of this device; none if the kernel does not say.
    pub fn queue_of(&mut self, name: &str) -> Result<Option<String>, AttachError> {
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        let answers = self.request(RouteNetlinkMessage::GetLink(message), 0);
        let answers = answers.map_err(|failure| failure.of(Request::FindDevice, name))?;
        let kind = |answer: &Vec<u8>| {
            let mut found = attributes(answer, HEADER).filter(|(kind, _)| *kind == QUEUE);
            found.next().map(|(_, value)| text(value))
        };
        Ok(answers.iter().find_map(kind))
    }
}
