//! The way that a packet would take.

use std::net::IpAddr;

use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use super::bytes::{attributes, word};
use super::error::{AttachError, Request};
use super::netlink::{Failure, Refusal, Rtnl};

/// `struct rtmsg`: family, bits of the destination, of the source, then table, origin, scope and type; and the attribute
/// with the device.
pub(crate) const HEADER: usize = 12;
pub(crate) const OIF: u16 = 4;

impl Rtnl {
    /// The number of the device by which a packet of the node to this address leaves; none if there is no route.
    pub fn device_towards(&mut self, to: IpAddr) -> Result<Option<u32>, AttachError> {
        let mut message = RouteMessage::default();
        let (family, bits, address) = match to {
            IpAddr::V4(to) => (AddressFamily::Inet, 32, RouteAddress::Inet(to)),
            IpAddr::V6(to) => (AddressFamily::Inet6, 128, RouteAddress::Inet6(to)),
        };
        message.header.address_family = family;
        message.header.destination_prefix_length = bits;
        message.attributes = vec![RouteAttribute::Destination(address)];
        match self.request(RouteNetlinkMessage::GetRoute(message), 0) {
            Ok(answers) => Ok(answers.iter().find_map(|answer| device(answer))),
            Err(Failure::Refused(Refusal {
                errno: Errno::ENETUNREACH | Errno::EHOSTUNREACH | Errno::EACCES | Errno::EINVAL,
                ..
            })) => Ok(None),
            Err(failure) => Err(failure.of(Request::FindRoute, &to.to_string())),
        }
    }
}

fn device(answer: &[u8]) -> Option<u32> {
    let mut found = attributes(answer, HEADER).filter(|(kind, _)| *kind == OIF);
    found.next().and_then(|(_, value)| word(value, 0))
}
