//! The networks in which pods keep their address.

use std::collections::BTreeSet;

use super::address::{self, Prefix};
use super::error::MapsError;
use super::table::Table;
use crate::abi::NativeCidrKey;

/// `NATIVE_CIDR_FIXED_BITS` of `bpf-src/abi.h`: the bits of a key before its address.
const FIXED_BITS: u32 = 32;
/// The value of an entry, which nobody reads.
const THERE: [u8; 1] = [1];

/// The map of the networks in which pods keep their address.
pub struct NativeCidrsMap(pub(super) Table<NativeCidrKey, [u8; 1]>);

fn key(network: Prefix) -> NativeCidrKey {
    let first = network.address();
    NativeCidrKey {
        prefixlen: FIXED_BITS + u32::from(network.bits()),
        family: address::family(first),
        pad: [0; 3],
        address: address::words(first),
    }
}

fn network(key: &NativeCidrKey) -> Prefix {
    let bits = key.prefixlen.saturating_sub(FIXED_BITS);
    let first = address::address(key.family, key.address);
    Prefix::as_found(first, u8::try_from(bits).unwrap_or(u8::MAX))
}

impl NativeCidrsMap {
    /// Every network.
    pub fn entries(&self) -> Result<BTreeSet<Prefix>, MapsError> {
        Ok(self.0.keys()?.iter().map(network).collect())
    }

    /// Makes these the networks: what stays is there all the time.
    pub fn replace(&mut self, wanted: &BTreeSet<Prefix>) -> Result<(), MapsError> {
        let there = self.entries()?;
        for new in wanted.difference(&there) {
            self.0.insert(&key(*new), &THERE)?;
        }
        for old in there.difference(wanted) {
            self.0.remove(&key(*old))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::Record;

    #[test]
    fn a_network_comes_back_from_its_key() {
        for (text, prefixlen, first) in [
            ("0.0.0.0/0", 32, [0, 0, 0, 0]),
            ("10.0.0.0/8", 40, [10, 0, 0, 0]),
            ("192.0.2.7/32", 64, [192, 0, 2, 7]),
            ("fd00::/8", 40, [0xfd, 0, 0, 0]),
            ("2001:db8::7/128", 160, [0x20, 0x01, 0x0d, 0xb8]),
        ] {
            let prefix: Prefix = text.parse().unwrap();
            let key = key(prefix);
            assert_eq!(
                (key.prefixlen, network(&key)),
                (prefixlen, prefix),
                "{text}"
            );
            assert_eq!(key.to_bytes()[8..12], first, "{text}");
        }
    }
}
