//! Who sends a packet and who gets it, as far as an event and the records tell.

use std::net::IpAddr;

use ep_builder::events::Event;
use ep_builder::events::packet::IpPacket;
use ep_builder::maps::Direction;

use super::directory::Directory;

/// Both sides of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) source: Party,
    pub(super) destination: Party,
}

/// A side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Party {
    /// The endpoint, if it is one of this node.
    pub(super) endpoint: Option<u16>,
    /// The identity; 0 where nobody has looked it up.
    pub(super) identity: u32,
}

impl Party {
    pub(super) fn is(self, endpoint: u16) -> bool {
        self.endpoint == Some(endpoint)
    }
}

impl Parties {
    pub(super) fn of(event: &Event, ip: Option<&IpPacket>, directory: &Directory) -> Self {
        let [source, destination] = identities(event, directory);
        let reporter = event.header().lxc_id;
        let party = |named: Option<u16>, identity, address: Option<IpAddr>| {
            let named = named.filter(|id| *id != 0);
            let found = || address.and_then(|it| by_address(it, reporter, identity, directory));
            Party {
                endpoint: named.or_else(found),
                identity,
            }
        };
        Self {
            source: party(event.source_endpoint(), source, ip.map(|ip| ip.source)),
            destination: party(
                event.destination_endpoint(),
                destination,
                ip.map(|ip| ip.destination),
            ),
        }
    }

    /// Both.
    pub(super) fn each(&self) -> [Party; 2] {
        [self.source, self.destination]
    }
}

/// The pod with an address. Anybody may claim one: what the programs of a pod say of its peer is compared with the
/// identity that they have found, and of what comes from outside nothing is believed.
fn by_address(address: IpAddr, reporter: u16, identity: u32, directory: &Directory) -> Option<u16> {
    let id = directory.at(address).filter(|_| reporter != 0)?;
    let known = directory.endpoint(id)?.identity;
    (identity == 0 || identity == known).then_some(id)
}

fn identities(event: &Event, directory: &Directory) -> [u32; 2] {
    match event {
        Event::Drop(event) => [event.source_identity, event.destination_identity],
        Event::Trace(event) => [event.source_identity, event.destination_identity],
        Event::Verdict(verdict) => {
            let own = directory.endpoint(verdict.header.lxc_id);
            let own = own.map_or(0, |endpoint| endpoint.identity);
            match event.direction() {
                Some(Direction::Ingress) => [verdict.remote_identity, own],
                _ => [own, verdict.remote_identity],
            }
        }
        Event::Debug(_) => [0; 2],
    }
}

#[cfg(test)]
mod tests {
    use ep_builder::abi::{DropEvent, VerdictEvent};
    use ep_builder::events::packet::Frame;
    use ep_builder::maps::Record;

    use super::super::directory::tests::directory;
    use super::*;

    /// A frame of UDP over IPv4, from 10.0.0.`from` to 10.0.0.`to`.
    pub(super) fn frame(from: u8, to: u8) -> Frame {
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0, 0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0]);
        bytes.extend([10, 0, 0, from, 10, 0, 0, to]);
        bytes.extend([0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        Frame::decode(&bytes).unwrap()
    }

    fn ends(event: Event, from: u8, to: u8) -> [Option<u16>; 2] {
        let frame = frame(from, to);
        let parties = Parties::of(&event, frame.ip(), &directory());
        parties.each().map(|party| party.endpoint)
    }

    #[test]
    fn a_peer_is_known_by_its_address() {
        let mut verdict: VerdictEvent = Record::from_bytes(&[]);
        verdict.header.kind = 5;
        verdict.header.lxc_id = 8;
        verdict.header.subtype = 1;
        verdict.remote_identity = 300;
        let of = |verdict| ends(Event::Verdict(verdict), 7, 8);
        assert_eq!(of(verdict), [Some(7), Some(8)]);
        let parties = Parties::of(&Event::Verdict(verdict), None, &directory());
        assert_eq!(parties.each().map(|party| party.identity), [300, 301]);
        verdict.header.subtype = 2;
        assert_eq!(ends(Event::Verdict(verdict), 8, 7), [Some(8), Some(7)]);
        // Another one has the address now, or somebody lies.
        verdict.header.subtype = 1;
        verdict.remote_identity = 2;
        assert_eq!(of(verdict), [None, Some(8)]);
    }

    #[test]
    fn a_claim_is_not_believed() {
        let mut drop: DropEvent = Record::from_bytes(&[]);
        drop.header.kind = 1;
        drop.header.lxc_id = 8;
        drop.direction = 2;
        assert_eq!(ends(Event::Drop(drop), 7, 9), [Some(8), None]);
        drop.header.lxc_id = 0;
        drop.direction = 1;
        assert_eq!(ends(Event::Drop(drop), 7, 8), [None, None]);
    }
}
