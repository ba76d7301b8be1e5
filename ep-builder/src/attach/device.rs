//! Network devices, by name.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use nix::errno::Errno;

use super::bytes::{attributes, text, word};
use super::error::{AttachError, Request};
use super::netlink::{Failure, Refusal, Rtnl};

/// `struct ifinfomsg`; the device's number is its second word.
const HEADER: usize = 16;
const INDEX: usize = 4;
const NAME: u16 = 3;
/// The kernel's limit, without the zero.
const LONGEST_NAME: usize = 15;

/// A network device of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its number.
    pub index: u32,
    /// Its name.
    pub name: String,
}

impl Device {
    pub(super) fn signed_index(&self) -> i32 {
        self.index.cast_signed()
    }
}

impl Rtnl {
    /// The device of this name.
    pub fn device(&mut self, name: &str) -> Result<Device, AttachError> {
        let missing = || AttachError::NoDevice(name.to_owned());
        if name.is_empty() || name.len() > LONGEST_NAME {
            return Err(missing());
        }
        let mut message = LinkMessage::default();
        message.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.find(message, name)?.ok_or_else(missing)
    }

    /// The device of this number; none if it is gone.
    pub fn device_by_index(&mut self, index: u32) -> Result<Option<Device>, AttachError> {
        let mut message = LinkMessage::default();
        message.header.index = index;
        self.find(message, &index.to_string())
    }

    fn find(&mut self, message: LinkMessage, name: &str) -> Result<Option<Device>, AttachError> {
        match self.request(RouteNetlinkMessage::GetLink(message), 0) {
            Ok(answers) => Ok(answers.iter().find_map(|answer| device(answer))),
            Err(Failure::Refused(Refusal {
                errno: Errno::ENODEV,
                ..
            })) => Ok(None),
            Err(failure) => Err(failure.of(Request::FindDevice, name)),
        }
    }
}

fn device(answer: &[u8]) -> Option<Device> {
    let name = attributes(answer, HEADER).find(|(kind, _)| *kind == NAME)?;
    Some(Device {
        index: word(answer, INDEX)?,
        name: text(name.1),
    })
}

impl Failure {
    /// The error of a request about a device.
    pub(super) fn of(self, request: Request, device: &str) -> AttachError {
        match self {
            Self::Socket(error) => AttachError::Socket(error),
            Self::Refused(Refusal { errno, detail }) => AttachError::Kernel {
                request,
                device: device.to_owned(),
                detail,
                source: errno,
            },
        }
    }
}
