//! Networks. What Kubernetes takes with a warning, and refuses from 1.36 on, is refused: an address within the network
//! (`10.0.0.1/8`), leading zeros, IPv4 in the notation of IPv6. Each of them has been read in two ways.

use std::net::IpAddr;

use super::cursor::{Cursor, Read, Reader, each};
use super::error::{Problem, quoted};
use crate::maps::Prefix;
use crate::policy::Peer;

/// The fields of an `ipBlock`.
pub(super) const IP_BLOCK: &[&str] = &["cidr", "except"];

const NETWORK: &str = "a network as 10.0.0.0/8 or fd00::/8";

/// An `ipBlock`.
pub(super) fn ip_block(reader: &mut Reader, at: &Cursor<'_>) -> Read<Peer> {
    let fields = reader.fields(at, IP_BLOCK)?;
    let network = match fields.get("cidr") {
        None => Err(reader.refuse_absent(at, "cidr", NETWORK)),
        Some(at) => network(reader, &at),
    };
    let except = fields.get("except").map(|at| {
        let items = reader.items(&at)?;
        each(items, |item| exception(reader, &item, network))
    });
    let except = except.transpose()?.unwrap_or_default();
    Ok(Peer::Network {
        network: network?,
        except,
    })
}

fn exception(reader: &mut Reader, at: &Cursor<'_>, outer: Read<Prefix>) -> Read<Prefix> {
    let inner = network(reader, at)?;
    let outer = outer?;
    if outer.contains(inner) && outer != inner {
        return Ok(inner);
    }
    let text =
        format!("{inner} is not a part of cidr {outer}: an exception is smaller and lies inside");
    Err(reader.refuse(at, Problem::Contradiction(text)))
}

fn network(reader: &mut Reader, at: &Cursor<'_>) -> Read<Prefix> {
    let text = reader.text(at, NETWORK)?;
    parse(text).map_err(|advice| {
        let found = match advice {
            None => quoted(text),
            Some(advice) => format!("{}: {advice}", quoted(text)),
        };
        reader.refuse(
            at,
            Problem::Takes {
                takes: NETWORK,
                found,
            },
        )
    })
}

/// The network, or what to write instead, if that is clear.
fn parse(text: &str) -> Result<Prefix, Option<String>> {
    let Some((address, bits)) = text.split_once('/') else {
        let address: IpAddr = text.parse().map_err(|_| None)?;
        return Err(Some(format!(
            "write {} for this address alone",
            Prefix::of(address)
        )));
    };
    let address: IpAddr = address.parse().map_err(|_| None)?;
    let is_number =
        bits.bytes().all(|b| b.is_ascii_digit()) && (bits == "0" || !bits.starts_with('0'));
    let bits: u8 = bits.parse().ok().filter(|_| is_number).ok_or(None)?;
    if let IpAddr::V6(v6) = address
        && let Some(v4) = v6.to_ipv4_mapped()
    {
        return Err(Some(format!("write the network of {v4} as IPv4")));
    }
    if bits > Prefix::of(address).bits() {
        return Err(Some(format!(
            "it has at most {} bits",
            Prefix::of(address).bits()
        )));
    }
    Prefix::new(address, bits).map_err(|_| Some(two_ways(address, bits)))
}

/// An address within a network: what may have been meant.
fn two_ways(address: IpAddr, bits: u8) -> String {
    let network = masked(address, bits).and_then(|first| Prefix::new(first, bits).ok());
    let network = network.map_or_else(String::new, |network| {
        format!("{network} for the network, ")
    });
    format!("write {network}{} for the address", Prefix::of(address))
}

fn masked(address: IpAddr, bits: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX
                .checked_shl(32_u32.checked_sub(bits.into())?)
                .unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX
                .checked_shl(128_u32.checked_sub(bits.into())?)
                .unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_strictly() {
        let good = [
            "10.0.0.0/8",
            "0.0.0.0/0",
            "1.2.3.4/32",
            "fd00::/8",
            "::/0",
            "fd00::1/128",
        ];
        for text in good {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
        let check = |text: &str, advice: Option<&str>| {
            assert_eq!(parse(text), Err(advice.map(str::to_owned)), "{text:?}");
        };
        for text in [
            "",
            "/",
            "10.0.0.0/",
            "/8",
            "10.0.0/8",
            "10.0.0.0/08",
            "10.0.0.0/+8",
            "10.0.0.0/8/9",
            "x/8",
            "010.0.0.0/8",
            "10.0.0.0 /8",
            "fd00::%eth0/64",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/999",
        ] {
            check(text, None);
        }
        check("10.0.0.0", Some("write 10.0.0.0/32 for this address alone"));
        check(
            "10.0.0.1/8",
            Some("write 10.0.0.0/8 for the network, 10.0.0.1/32 for the address"),
        );
        check(
            "fd00::1/64",
            Some("write fd00::/64 for the network, fd00::1/128 for the address"),
        );
        check(
            "1.2.3.4/0",
            Some("write 0.0.0.0/0 for the network, 1.2.3.4/32 for the address"),
        );
        check("10.0.0.0/33", Some("it has at most 32 bits"));
        check("fd00::/129", Some("it has at most 128 bits"));
        check(
            "::ffff:10.0.0.0/104",
            Some("write the network of 10.0.0.0 as IPv4"),
        );
    }
}
