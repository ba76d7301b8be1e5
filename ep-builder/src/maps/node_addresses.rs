//! The addresses of the node, at which host ports answer.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::address;
use super::endpoints::endpoint_key;
use super::error::MapsError;
use super::table::Table;
use crate::abi::EndpointKey;

/// The map of the node's addresses: each with the number of the device that has it.
pub struct NodeAddressesMap(pub(super) Table<EndpointKey, [u8; size_of::<u32>()]>);

impl NodeAddressesMap {
    /// Every address and its device.
    pub fn entries(&self) -> Result<BTreeMap<IpAddr, u32>, MapsError> {
        let entries = self.0.entries()?.into_iter();
        let entry = |(key, value): (EndpointKey, [u8; 4])| {
            let address = address::address(key.family, key.address);
            (address, u32::from_ne_bytes(value))
        };
        Ok(entries.map(entry).collect())
    }

    /// Makes these the addresses: what stays is there all the time.
    pub fn replace(&mut self, wanted: &BTreeMap<IpAddr, u32>) -> Result<(), MapsError> {
        let there = self.entries()?;
        for (address, device) in wanted {
            if there.get(address) != Some(device) {
                self.0
                    .insert(&endpoint_key(*address), &device.to_ne_bytes())?;
            }
        }
        for address in there.keys().filter(|it| !wanted.contains_key(it)) {
            self.0.remove(&endpoint_key(*address))?;
        }
        Ok(())
    }
}
