//! Frames for test runs, and the programs of a few instructions that stand beside the datapath's.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use ep_builder::bpf::{BpfError, Map, MapShape, Program, ProgramSpec};
use ep_builder::endpoint::MacAddr;

pub(super) const SYN: u8 = 0x02;
pub(super) const SYN_ACK: u8 = 0x12;
pub(super) const ACK: u8 = 0x10;

/// What follows the headers.
const PAYLOAD: usize = 64;
const HOPS: u8 = 64;
const TCP: u8 = 6;
/// Places in a frame of IPv4 without options.
const SOURCE_MAC: i16 = 6;
const TTL: i16 = 22;
const SOURCE_PORT: i16 = 34;
const HEADERS: i32 = 54;

/// A TCP segment in a frame. No checksums: no program looks at one.
pub(super) fn tcp(macs: [MacAddr; 2], from: SocketAddr, to: SocketAddr, flags: u8) -> Vec<u8> {
    let [source, destination] = macs;
    let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend([
        0,
        0,
        0,
        1,
        0,
        0,
        0,
        1,
        5 << 4,
        flags,
        0xff,
        0xff,
        0,
        0,
        0,
        0,
    ]);
    segment.resize(segment.len() + PAYLOAD, 0);
    let length = |headers: usize| {
        let length = u16::try_from(headers + segment.len()).unwrap_or(u16::MAX);
        length.to_be_bytes()
    };
    let mut frame = [destination.0, source.0].concat();
    match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let [high, low] = length(20);
            frame.extend([8, 0, 0x45, 0, high, low, 0, 0, 0x40, 0, HOPS, TCP, 0, 0]);
            frame.extend([source.octets(), destination.octets()].concat());
        }
        (source, destination) => {
            let [high, low] = length(0);
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0, high, low, TCP, HOPS]);
            for address in [source, destination] {
                let address = match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped(),
                    IpAddr::V6(address) => address,
                };
                frame.extend(address.octets());
            }
        }
    }
    frame.extend(segment);
    frame
}

/// Makes a frame of IPv4 one of another flow: the last octet of its destination, and its source port as
/// [`renewing`] counts it, in the processor's byte order.
pub(super) fn set_counted_flow(frame: &mut [u8], port: u16, peer: u8) {
    let [first, second] = port.to_ne_bytes();
    let place = usize::from(SOURCE_PORT.unsigned_abs());
    // The destination ends where the ports begin.
    let bytes = frame.iter_mut().skip(place - 1);
    bytes
        .zip([peer, first, second])
        .for_each(|(place, byte)| *place = byte);
}

/// One instruction; two operands in one byte, the destination in its lower half.
fn instruction(code: u8, operands: u8, offset: i16, value: i32) -> [u8; 8] {
    let [o0, o1] = offset.to_ne_bytes();
    let [v0, v1, v2, v3] = value.to_ne_bytes();
    [code, operands, o0, o1, v0, v1, v2, v3]
}

fn load(name: &str, code: &[[u8; 8]]) -> Result<Program, BpfError> {
    Program::load(&ProgramSpec {
        name,
        code,
        license: c"Dual BSD/GPL",
        btf: None,
        func_info: &[],
        line_info: &[],
    })
}

/// The program that does nothing.
pub(super) fn empty() -> Result<Program, BpfError> {
    load(
        "empty",
        &[
            instruction(0xb7, 0x00, 0, 0), // r0 = 0
            instruction(0x95, 0x00, 0, 0), // exit
        ],
    )
}

/// A program, with the map of the one it goes on as: an array of programs that nobody holds is emptied.
pub(super) struct Renewing {
    pub(super) program: Program,
    _next: Map,
}

/// A program that undoes what the datapath writes into a frame of IPv4, counts its source port up by
/// `step`, and goes on as `program`: only so does each of many runs see the packet, or one of a new flow.
pub(super) fn renewing(program: &Program, source: MacAddr, step: u8) -> Result<Renewing, BpfError> {
    let shape = MapShape {
        map_type: MapShape::PROGRAM_ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        flags: 0,
    };
    let next = Map::create("bench_next", shape)?;
    next.update_fd(&0_u32.to_ne_bytes(), program)?;
    let [m0, m1, m2, m3, m4, m5] = source.0;
    let first = i32::from_ne_bytes([m0, m1, m2, m3]);
    let last = i16::from_ne_bytes([m4, m5]).into();
    let code = [
        instruction(0xbf, 0x16, 0, 0),                        // r6 = r1
        instruction(0x61, 0x12, 76, 0),                       // r2 = skb->data
        instruction(0x61, 0x13, 80, 0),                       // r3 = skb->data_end
        instruction(0xbf, 0x24, 0, 0),                        // r4 = r2
        instruction(0x07, 0x04, 0, HEADERS),                  // r4 += 54
        instruction(0x2d, 0x34, 11, 0),                       // if r4 > r3 goto the end
        instruction(0x72, 0x02, TTL, HOPS.into()),            // *(u8 *)(r2 + 22) = 64
        instruction(0x62, 0x02, SOURCE_MAC, first),           // *(u32 *)(r2 + 6) = ...
        instruction(0x6a, 0x02, SOURCE_MAC + 4, last),        // *(u16 *)(r2 + 10) = ...
        instruction(0x69, 0x25, SOURCE_PORT, 0),              // r5 = *(u16 *)(r2 + 34)
        instruction(0x07, 0x05, 0, step.into()),              // r5 += step
        instruction(0x6b, 0x52, SOURCE_PORT, 0),              // *(u16 *)(r2 + 34) = r5
        instruction(0xbf, 0x61, 0, 0),                        // r1 = r6
        instruction(0x18, 0x12, 0, next.as_fd().as_raw_fd()), // r2 = the map
        instruction(0x00, 0x00, 0, 0),
        instruction(0xb7, 0x03, 0, 0),  // r3 = 0
        instruction(0x85, 0x00, 0, 12), // bpf_tail_call
        instruction(0xb7, 0x00, 0, 2),  // r0 = TC_ACT_SHOT
        instruction(0x95, 0x00, 0, 0),  // exit
    ];
    Ok(Renewing {
        program: load("renewing", &code)?,
        _next: next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_as_long_as_they_say() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        for (from, to, header) in [
            ("198.18.0.1:4097", "198.18.0.2:443", 20),
            ("[2001:2::1]:4097", "[2001:2::2]:443", 40),
        ] {
            let frame = tcp([mac, mac], from.parse().unwrap(), to.parse().unwrap(), SYN);
            assert_eq!(frame.len(), 14 + header + 20 + PAYLOAD, "{from}");
            let at = if header == 20 { 16 } else { 18 };
            let said = usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
            assert_eq!(said, frame.len() - if header == 20 { 14 } else { 54 });
            assert_eq!(frame[14 + header..][..4], [16, 1, 1, 187]);
        }
    }

    #[test]
    fn a_counted_flow_has_its_port_and_its_peer() {
        let mac = MacAddr([2, 0, 0, 0, 0, 1]);
        let [from, to] = ["198.18.0.1:1", "198.18.0.2:443"].map(|text| text.parse().unwrap());
        let mut frame = tcp([mac, mac], from, to, SYN);
        set_counted_flow(&mut frame, u16::from_ne_bytes([16, 1]), 9);
        assert_eq!(frame[30..38], [198, 18, 0, 9, 16, 1, 1, 187]);
    }
}
