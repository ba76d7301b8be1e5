//! Devices to attach to: veth pairs, both ends here, that go away with the value.

use ep_builder::attach::Rtnl;
use ep_builder::load::LoadError;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo, LinkMessage,
};

use crate::failure::Failure;

/// Veth pairs of this network namespace.
pub(super) struct Devices {
    rtnl: Rtnl,
    names: Vec<String>,
}

impl Devices {
    /// Makes this many pairs.
    pub(super) fn new(count: u16) -> Result<Self, Failure> {
        let mut devices = Self {
            rtnl: Rtnl::open().map_err(LoadError::from)?,
            names: Vec::new(),
        };
        for number in 0..count {
            let name = format!("weirb{number}");
            let link = RouteNetlinkMessage::NewLink(veth(&name));
            let made = devices.rtnl.change(link, NLM_F_CREATE | NLM_F_EXCL);
            made.map_err(|error| {
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
}

impl Drop for Devices {
    fn drop(&mut self) {
        for name in std::mem::take(&mut self.names) {
            // What is left is in a namespace that goes away, or is seen: `ip link` names it.
            drop(
                self.rtnl
                    .change(RouteNetlinkMessage::DelLink(named(&name)), 0),
            );
        }
    }
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
