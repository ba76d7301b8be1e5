//! Addresses as the maps have them: four words in network order, IPv4 in the first.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `FAMILY_IPV4` of `bpf-src/abi.h`.
pub(super) const FAMILY_IPV4: u8 = 1;
/// `FAMILY_IPV6` of `bpf-src/abi.h`.
pub(super) const FAMILY_IPV6: u8 = 2;

/// The family in keys.
pub(super) fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => FAMILY_IPV4,
        IpAddr::V6(_) => FAMILY_IPV6,
    }
}

/// The words of an address; those of an IPv4 address begin with it.
pub(super) fn words(address: IpAddr) -> [u32; 4] {
    match address {
        IpAddr::V4(address) => [word(address), 0, 0, 0],
        IpAddr::V6(address) => words6(address),
    }
}

/// The word of an IPv4 address.
pub(super) fn word(address: Ipv4Addr) -> u32 {
    u32::from_ne_bytes(address.octets())
}

/// The words of an IPv6 address.
pub(super) fn words6(address: Ipv6Addr) -> [u32; 4] {
    let octets = address.octets();
    let (quads, _) = octets.as_chunks::<4>();
    std::array::from_fn(|at| quads.get(at).map_or(0, |quad| u32::from_ne_bytes(*quad)))
}

/// The address of a word.
pub(super) fn ipv4(word: u32) -> Ipv4Addr {
    Ipv4Addr::from(word.to_ne_bytes())
}

/// The address of four words.
pub(super) fn ipv6(words: [u32; 4]) -> Ipv6Addr {
    // A word in network order, read as the number it means.
    let [a, b, c, d] = words.map(|word| u128::from(u32::from_be(word)));
    Ipv6Addr::from_bits(a << 96 | b << 64 | c << 32 | d)
}

/// The address of four words of this family; IPv6 if the family is unknown, which hides no byte.
pub(super) fn address(family: u8, words: [u32; 4]) -> IpAddr {
    match family {
        FAMILY_IPV4 => ipv4(words[0]).into(),
        _ => ipv6(words).into(),
    }
}

/// A network: an address of which only the first bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Prefix {
    address: IpAddr,
    bits: u8,
}

impl Prefix {
    /// The network of the first `bits` bits of an address. Other bits must be zero: a mistyped network
    /// would match more than it says.
    pub fn new(address: IpAddr, bits: u8) -> Result<Self, InvalidPrefix> {
        let prefix = Self { address, bits };
        if bits > width(address) {
            return Err(InvalidPrefix(format!("{address}/{bits}")));
        }
        if masked(address, bits) == address {
            Ok(prefix)
        } else {
            Err(InvalidPrefix(prefix.to_string()))
        }
    }

    /// The network that an address is in; other bits are cut off.
    pub fn around(address: IpAddr, bits: u8) -> Result<Self, InvalidPrefix> {
        Self::new(masked(address, bits), bits)
    }

    /// The network of one address.
    pub fn of(address: IpAddr) -> Self {
        Self {
            address,
            bits: width(address),
        }
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// How many bits count.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether every address of `other` is in this network.
    pub fn contains(self, other: Self) -> bool {
        self.bits <= other.bits
            && width(self.address) == width(other.address)
            && masked(other.address, self.bits) == self.address
    }

    /// Whatever a map has, with the bits that do not count as they are.
    pub(super) fn as_found(address: IpAddr, bits: u8) -> Self {
        Self { address, bits }
    }
}

fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    let cut = u32::from(width(address).saturating_sub(bits));
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(cut).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(cut).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl TryFrom<String> for Prefix {
    type Error = InvalidPrefix;

    fn try_from(text: String) -> Result<Self, InvalidPrefix> {
        text.parse()
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    /// An address alone is the network of that address.
    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let invalid = || InvalidPrefix(text.to_owned());
        let Some((address, bits)) = text.split_once('/') else {
            return text.parse().map(Self::of).map_err(|_| invalid());
        };
        if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(invalid());
        }
        let address = address.parse().map_err(|_| invalid())?;
        let bits = bits.parse().map_err(|_| invalid())?;
        Self::new(address, bits).map_err(|_| invalid())
    }
}

/// Text or numbers that are no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0} is no network: an address, or one with the number of leading bits that count and no other bit set, as in 10.1.0.0/16"
)]
pub struct InvalidPrefix(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_hold_network_order() {
        for text in [
            "10.1.2.3",
            "255.255.255.255",
            "2001:db8::1",
            "::",
            "::ffff:1.2.3.4",
        ] {
            let address: IpAddr = text.parse().unwrap();
            let bytes: Vec<u8> = words(address)
                .iter()
                .flat_map(|word| word.to_ne_bytes())
                .collect();
            match address {
                IpAddr::V4(a) => assert_eq!(bytes, [&a.octets()[..], &[0; 12]].concat()),
                IpAddr::V6(a) => assert_eq!(bytes, a.octets()),
            }
            assert_eq!(super::address(family(address), words(address)), address);
        }
    }

    #[test]
    fn a_network_is_read_and_written() {
        for (text, shown) in [
            ("10.1.0.0/16", "10.1.0.0/16"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("10.1.2.3", "10.1.2.3/32"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("fd00::1", "fd00::1/128"),
        ] {
            assert_eq!(text.parse::<Prefix>().unwrap().to_string(), shown);
        }
        for text in [
            "",
            "/",
            "10.1.0.0/",
            "10.1.0.0/33",
            "::/129",
            "10.1.2.3/16",
            "fd00::1/64",
            "10.1/16",
            "10.1.0.0/+8",
            "10.1.0.0/8/8",
            "a",
            "10.0.0.0/256",
        ] {
            assert!(text.parse::<Prefix>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_network_contains_what_begins_like_it() {
        for (network, other, expected) in [
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.0.0/16", "10.1.0.0/16", true),
            ("10.1.0.0/16", "10.2.0.0", false),
            ("10.1.0.0/16", "10.0.0.0/8", false),
            ("0.0.0.0/0", "10.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "fd00::1", true),
            ("fd00::/8", "fe80::1", false),
        ] {
            let contains = network
                .parse::<Prefix>()
                .unwrap()
                .contains(other.parse().unwrap());
            assert_eq!(contains, expected, "{network} {other}");
        }
    }
}
