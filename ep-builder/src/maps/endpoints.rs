//! Local endpoints by address.

use std::net::IpAddr;

use super::address;
use super::error::MapsError;
use super::table::Table;
use crate::abi::{EndpointKey, EndpointValue};
use crate::endpoint::MacAddr;

/// `ENDPOINT_IS_HOST` of `bpf-src/abi.h`.
const IS_HOST: u16 = 0x0001;
/// `ENDPOINT_MASQUERADE`.
const MASQUERADE: u16 = 0x0002;

/// Who has an address of this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalEndpoint {
    /// The endpoint's id.
    pub lxc_id: u16,
    /// The interface at the host's end.
    pub ifindex: u32,
    /// The pod's MAC.
    pub mac: MacAddr,
    /// The MAC of the host's end.
    pub host_mac: MacAddr,
    /// The endpoint's identity.
    pub identity: u32,
    /// Whether it is the node itself.
    pub is_host: bool,
    /// Whether its packets leave the node with the node's address.
    pub masquerade: bool,
}

impl LocalEndpoint {
    fn of(value: &EndpointValue) -> Self {
        Self {
            lxc_id: value.lxc_id,
            ifindex: value.ifindex,
            mac: mac(value.mac),
            host_mac: mac(value.host_mac),
            identity: value.identity,
            is_host: value.flags & IS_HOST != 0,
            masquerade: value.flags & MASQUERADE != 0,
        }
    }

    fn value(&self) -> EndpointValue {
        EndpointValue {
            mac: number(self.mac),
            host_mac: number(self.host_mac),
            ifindex: self.ifindex,
            identity: self.identity,
            lxc_id: self.lxc_id,
            flags: flags(self),
            pad: [0; 4],
        }
    }
}

fn flags(endpoint: &LocalEndpoint) -> u16 {
    let flag = |is_set, flag| if is_set { flag } else { 0 };
    flag(endpoint.is_host, IS_HOST) | flag(endpoint.masquerade, MASQUERADE)
}

/// Octet 0 is the lowest byte, the upper 16 bits are zero.
fn number(mac: MacAddr) -> u64 {
    let mut octets = [0; 8];
    octets[..6].copy_from_slice(&mac.0);
    u64::from_le_bytes(octets)
}

fn mac(number: u64) -> MacAddr {
    let octets = number.to_le_bytes();
    MacAddr(std::array::from_fn(|at| octets[at]))
}

/// An address in the map of local endpoints.
pub fn endpoint_key(address: IpAddr) -> EndpointKey {
    EndpointKey {
        address: address::words(address),
        family: address::family(address),
        pad: [0; 3],
    }
}

/// The map of local endpoints.
pub struct EndpointsMap(pub(super) Table<EndpointKey, EndpointValue>);

impl EndpointsMap {
    /// Every address.
    pub fn entries(&self) -> Result<Vec<(IpAddr, LocalEndpoint)>, MapsError> {
        let entries = self.0.entries()?;
        let address = |key: &EndpointKey| address::address(key.family, key.address);
        let mut entries: Vec<_> = entries
            .iter()
            .map(|(key, value)| (address(key), LocalEndpoint::of(value)))
            .collect();
        entries.sort_by_key(|(address, _)| *address);
        Ok(entries)
    }

    /// Who has an address.
    pub fn get(&self, address: IpAddr) -> Result<Option<LocalEndpoint>, MapsError> {
        let value = self.0.get(&endpoint_key(address))?;
        Ok(value.as_ref().map(LocalEndpoint::of))
    }

    /// Sets who has an address.
    pub fn insert(&mut self, address: IpAddr, endpoint: &LocalEndpoint) -> Result<(), MapsError> {
        self.0.insert(&endpoint_key(address), &endpoint.value())
    }

    /// Frees an address; whether somebody had it.
    pub fn remove(&mut self, address: IpAddr) -> Result<bool, MapsError> {
        self.0.remove(&endpoint_key(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Record;

    #[test]
    fn an_endpoint_comes_back_from_its_value() {
        let endpoint = LocalEndpoint {
            lxc_id: 2665,
            ifindex: 19,
            mac: "6e:b0:7d:4e:6b:e5".parse().unwrap(),
            host_mac: "42:23:dc:4d:79:b1".parse().unwrap(),
            identity: 12_022,
            is_host: true,
            masquerade: false,
        };
        let value = endpoint.value();
        assert_eq!(LocalEndpoint::of(&value), endpoint);
        for (is_host, masquerade, flags) in [(true, false, 1), (false, true, 2), (true, true, 3)] {
            let endpoint = LocalEndpoint {
                is_host,
                masquerade,
                ..endpoint
            };
            assert_eq!(endpoint.value().flags, flags);
            assert_eq!(LocalEndpoint::of(&endpoint.value()), endpoint);
        }
        assert_eq!(value.mac, 0xe5_6b_4e_7d_b0_6e);
    }

    #[test]
    fn keys_are_laid_out_as_the_datapath_has_them() {
        let key = |text: &str| endpoint_key(text.parse().unwrap()).to_bytes();
        assert_eq!(EndpointKey::LAYOUT.size, key("::").len());
        let v4 = key("10.1.2.3");
        assert_eq!((&v4[..5], v4[16]), (&[10, 1, 2, 3, 0][..], 1));
        let v6 = key("fd00::7");
        assert_eq!((v6[0], v6[15], v6[16]), (0xfd, 7, 2));
    }

    #[test]
    fn families_have_different_keys() {
        let [v4, v6] = ["1.2.3.4", "102:304::"].map(|text| endpoint_key(text.parse().unwrap()));
        assert_eq!(v4.address, v6.address);
        assert_ne!(v4, v6);
    }
}
