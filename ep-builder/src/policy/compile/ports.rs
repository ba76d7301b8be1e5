//! Ports as keys of the datapath have them: by their leading bits.

use crate::maps::{Ports, Traffic};
use crate::policy::{NamedPort, Protocol};

/// The bits of a port.
const BITS: u32 = 16;

/// A range of ports in as few keys as possible: each time the largest block that begins where the range
/// does and ends within it.
pub(super) fn range(protocol: Protocol, first: u16, last: u16) -> Vec<Traffic> {
    let mut found = Vec::new();
    let (mut next, last) = (u32::from(first), u32::from(last));
    while next <= last {
        let aligned = next.trailing_zeros().min(BITS);
        let fitting = (last - next + 1).ilog2();
        let free = aligned.min(fitting);
        found.push(block(protocol, next, BITS - free));
        next += 1 << free;
    }
    found
}

/// The ports that begin with these bits. All ports of a protocol have the key of the protocol.
fn block(protocol: Protocol, first: u32, bits: u32) -> Traffic {
    let protocol = protocol.number();
    match (u16::try_from(first), u8::try_from(bits)) {
        (Ok(first), Ok(bits)) if bits > 0 => Traffic::Ports(Ports {
            protocol,
            first,
            bits,
        }),
        _ => Traffic::Protocol(protocol),
    }
}

/// The ports that a pod calls so, for this protocol.
pub(super) fn named(ports: &[NamedPort], protocol: Protocol, name: &str) -> Vec<Traffic> {
    let number = protocol.number();
    let meant = ports
        .iter()
        .filter(|port| port.protocol == protocol && port.name == name);
    meant
        .map(|port| Traffic::Ports(Ports::one(number, port.container_port)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last port.
    type Block = (u16, u16);

    /// Those of each key.
    fn blocks(first: u16, last: u16) -> Vec<Block> {
        let blocks = range(Protocol::Tcp, first, last).into_iter();
        blocks
            .map(|traffic| match traffic {
                Traffic::Ports(ports) => (ports.first, ports.last()),
                _ => (0, u16::MAX),
            })
            .collect()
    }

    #[test]
    fn a_range_is_its_largest_blocks() {
        let rows: [((u16, u16), &[Block]); 7] = [
            ((80, 80), &[(80, 80)]),
            ((80, 81), &[(80, 81)]),
            ((81, 82), &[(81, 81), (82, 82)]),
            ((0, 65_535), &[(0, 65_535)]),
            ((32_767, 32_769), &[(32_767, 32_767), (32_768, 32_769)]),
            ((8_000, 8_079), &[(8_000, 8_063), (8_064, 8_079)]),
            ((81, 80), &[]),
        ];
        for ((first, last), expected) in rows {
            assert_eq!(blocks(first, last), expected, "{first} to {last}");
        }
        // The worst range there is.
        assert_eq!(blocks(1, 65_534).len(), 30);
    }

    #[test]
    fn a_range_is_covered_once_and_nothing_else_is() {
        let ends: Vec<u16> = (0..=16)
            .flat_map(|bit| {
                let power = 1_u32 << bit;
                [power - 1, power, power + 1]
            })
            .filter_map(|port| u16::try_from(port).ok())
            .collect();
        for first in &ends {
            for last in ends.iter().filter(|last| *last >= first) {
                let blocks = blocks(*first, *last);
                assert_eq!(blocks.first().map(|block| block.0), Some(*first));
                assert_eq!(blocks.last().map(|block| block.1), Some(*last));
                for pair in blocks.windows(2) {
                    assert_eq!(u32::from(pair[0].1) + 1, u32::from(pair[1].0));
                }
            }
        }
    }
}
