//! Who is behind an address: identities by prefix, and the networks of policies.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::address::{self, FAMILY_IPV4, Prefix};
use super::error::MapsError;
use super::table::Table;
use crate::abi::{IpcacheKey, IpcacheValue};

/// `IPCACHE_FIXED_BITS` of `bpf-src/abi.h`: the bits before the address, which every prefix covers.
const FIXED_BITS: u32 = 64;
/// `IPCACHE_WHO` of `bpf-src/abi.h`: the revision of entries that say who is there.
const WHO: u32 = 0;
/// `IPCACHE_HAS_TUNNEL` of `bpf-src/abi.h`.
const HAS_TUNNEL: u8 = 0x01;
/// `IPCACHE_TUNNEL_IPV6` of `bpf-src/abi.h`.
const TUNNEL_IPV6: u8 = 0x02;

/// Who is behind a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The identity.
    pub identity: u32,
    /// The node to send to; none for one that is routed.
    pub tunnel_endpoint: Option<IpAddr>,
    /// The number of the key to encrypt with; 0 for none.
    pub encrypt_key: u8,
}

impl Peer {
    /// One that is routed, in clear.
    pub fn with_identity(identity: u32) -> Self {
        Self {
            identity,
            tunnel_endpoint: None,
            encrypt_key: 0,
        }
    }

    fn of(value: &IpcacheValue) -> Self {
        let tunnel = match (value.flags & HAS_TUNNEL, value.flags & TUNNEL_IPV6) {
            (0, _) => None,
            (_, 0) => Some(address::ipv4(value.tunnel_endpoint[0]).into()),
            _ => Some(address::ipv6(value.tunnel_endpoint).into()),
        };
        Self {
            identity: value.identity,
            tunnel_endpoint: tunnel,
            encrypt_key: value.encrypt_key,
        }
    }

    fn value(self) -> IpcacheValue {
        let flags = match self.tunnel_endpoint {
            None => 0,
            Some(IpAddr::V4(_)) => HAS_TUNNEL,
            Some(IpAddr::V6(_)) => HAS_TUNNEL | TUNNEL_IPV6,
        };
        IpcacheValue {
            identity: self.identity,
            flags,
            encrypt_key: self.encrypt_key,
            pad: [0; 2],
            tunnel_endpoint: self.tunnel_endpoint.map_or([0; 4], address::words),
        }
    }
}

fn key(revision: u32, prefix: Prefix) -> IpcacheKey {
    IpcacheKey {
        prefixlen: FIXED_BITS + u32::from(prefix.bits()),
        revision,
        family: address::family(prefix.address()),
        pad: [0; 3],
        address: address::words(prefix.address()),
    }
}

fn prefix(key: &IpcacheKey) -> Prefix {
    let widest = if key.family == FAMILY_IPV4 { 32 } else { 128 };
    let bits = key.prefixlen.saturating_sub(FIXED_BITS).min(widest);
    Prefix::as_found(
        address::address(key.family, key.address),
        u8::try_from(bits).unwrap_or(u8::MAX),
    )
}

/// The map of identities. Under revision 0 it says who is where; under each other revision it has the networks
/// that a policy names. An address may have both, an identity and a network.
pub struct IpcacheMap(pub(super) Table<IpcacheKey, IpcacheValue>);

impl IpcacheMap {
    /// Every prefix and who is behind it.
    pub fn entries(&self) -> Result<Vec<(Prefix, Peer)>, MapsError> {
        self.of(WHO)
    }

    /// Who the datapath takes an address for: the entry of the longest prefix that covers it.
    pub fn get(&self, address: IpAddr) -> Result<Option<Peer>, MapsError> {
        let value = self.0.get(&key(WHO, Prefix::of(address)))?;
        Ok(value.as_ref().map(Peer::of))
    }

    /// Who the datapath takes an address for, or every address of a network: the entry of the longest
    /// prefix that covers it. The kernel's look-up does not say which one that was, hence the walk.
    pub fn covering(&self, wanted: Prefix) -> Result<Option<(Prefix, Peer)>, MapsError> {
        let entries = self.entries()?.into_iter();
        let covering = entries.filter(|(prefix, _)| prefix.contains(wanted));
        Ok(covering.max_by_key(|(prefix, _)| prefix.bits()))
    }

    /// Sets who is behind a prefix.
    pub fn insert(&mut self, prefix: Prefix, peer: Peer) -> Result<(), MapsError> {
        self.0.insert(&key(WHO, prefix), &peer.value())
    }

    /// Forgets a prefix; whether it was known.
    pub fn remove(&mut self, prefix: Prefix) -> Result<bool, MapsError> {
        self.0.remove(&key(WHO, prefix))
    }

    /// The networks of a revision, with their numbers. Revision 0 has none.
    pub fn networks(&self, revision: u32) -> Result<Vec<(Prefix, u32)>, MapsError> {
        if revision == WHO {
            return Ok(Vec::new());
        }
        let networks = self.of(revision)?.into_iter();
        Ok(networks
            .map(|(prefix, peer)| (prefix, peer.identity))
            .collect())
    }

    /// The number of the longest network of a revision that an address is in.
    pub fn network_of(&self, revision: u32, address: IpAddr) -> Result<Option<u32>, MapsError> {
        if revision == WHO {
            return Ok(None);
        }
        let value = self.0.get(&key(revision, Prefix::of(address)))?;
        Ok(value.map(|value| value.identity))
    }

    /// Every revision that has networks.
    pub fn revisions(&self) -> Result<BTreeSet<u32>, MapsError> {
        let keys = self.0.all()?.into_iter();
        Ok(keys
            .map(|(key, _)| key.revision)
            .filter(|revision| *revision != WHO)
            .collect())
    }

    /// Sets networks of a revision, which is not 0, with their numbers. Where there is no room for one, others
    /// may have been set: [`IpcacheMap::remove_networks`] takes them back.
    pub fn insert_networks(
        &mut self,
        revision: u32,
        networks: &[(Prefix, u32)],
    ) -> Result<(), MapsError> {
        if revision == WHO || networks.is_empty() {
            return Ok(());
        }
        let entries = networks.iter().map(|(prefix, number)| {
            let value = Peer::with_identity(*number).value();
            (key(revision, *prefix), value)
        });
        self.0.insert_all(&entries.collect::<Vec<_>>())
    }

    /// Removes the networks of a revision.
    pub fn remove_networks(&mut self, revision: u32) -> Result<(), MapsError> {
        if revision == WHO {
            return Ok(());
        }
        let keys = self.0.all()?.into_iter().map(|(key, _)| key);
        let keys: Vec<_> = keys.filter(|key| key.revision == revision).collect();
        self.0.remove_all(&keys)
    }

    /// How many entries there is room for, those of all revisions together.
    pub fn max_entries(&self) -> u32 {
        self.0.max_entries()
    }

    fn of(&self, revision: u32) -> Result<Vec<(Prefix, Peer)>, MapsError> {
        let entries = self.0.all()?.into_iter();
        let mut entries: Vec<_> = entries
            .filter(|(key, _)| key.revision == revision)
            .map(|(key, value)| (prefix(&key), Peer::of(&value)))
            .collect();
        entries.sort_by_key(|(prefix, _)| *prefix);
        Ok(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_and_its_peer_come_back() {
        for text in [
            "10.1.0.0/16",
            "0.0.0.0/0",
            "10.1.2.3",
            "fd00::/8",
            "::/0",
            "fd00::1",
        ] {
            let wanted: Prefix = text.parse().unwrap();
            assert_eq!(prefix(&key(3, wanted)), wanted, "{text}");
        }
        let network = key(3, "10.1.0.0/16".parse().unwrap());
        assert_eq!((network.prefixlen, network.revision), (80, 3));
        for node in [None, Some("192.0.2.1"), Some("2001:db8::1")] {
            let peer = Peer {
                identity: 12_022,
                tunnel_endpoint: node.map(|text| text.parse().unwrap()),
                encrypt_key: 3,
            };
            assert_eq!(Peer::of(&peer.value()), peer);
        }
    }

    #[test]
    fn an_odd_key_is_shown_as_far_as_it_goes() {
        let whole = key(0, "10.1.2.3".parse().unwrap());
        let odd = |prefixlen| prefix(&IpcacheKey { prefixlen, ..whole }).to_string();
        assert_eq!(
            [odd(0), odd(72), odd(u32::MAX)],
            ["10.1.2.3/0", "10.1.2.3/8", "10.1.2.3/32"]
        );
    }
}
