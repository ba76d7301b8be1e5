//! Scenarios of the node's programs: packets that leave the node and that come to it, and what must come of each. The
//! packet that must come out is built, with checksums of its own, and not derived from what went in.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use ep_builder::bpf::TestOutput;
use ep_builder::events::Event;

use super::Net;
use super::build::*;
use super::host_bench::Host;
use super::host_policy::{self, NodeStep};

/// The router beside the node.
const ROUTER_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x77];
/// The device of test runs.
const DEVICE_MAC: [u8; 6] = [0; 6];

/// What must come of a packet.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// It goes on as it is.
    Same,
    /// It goes on like this.
    Becomes(Packet),
    /// The pod gets this; the MACs and the hop limit of a packet to a pod are a matter of course.
    Pod(Packet),
    /// Likewise the other pod.
    Other(Packet),
    /// It is dropped with this code.
    Drop(u8),
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A packet to outside, with this mark.
    Out(Packet, u32, Want),
    /// A packet from outside.
    In(Packet, Want),
    /// A port of the node, of a protocol, leads to a port of the pod.
    HostPort(SocketAddr, u8, SocketAddr),
    /// Pods keep their address in this network.
    Native(IpAddr, u32),
    /// The pod at this address is masqueraded, or is not.
    Masquerade(IpAddr, bool),
    /// The pod at this address is gone.
    Gone(IpAddr),
    /// Every connection has been idle for too long.
    Expired,
    /// The halves of answers are gone, or those of what is sent.
    Evicted(bool),
    /// So many halves are there.
    Halves(usize),
    /// Something about the node's policy.
    Node(NodeStep),
}

pub(super) fn out(packet: &Packet, want: Want) -> Step {
    Step::Out(packet.clone(), 0, want)
}

pub(super) fn come(packet: &Packet, want: Want) -> Step {
    Step::In(packet.clone(), want)
}

/// A name and what happens.
pub(super) type Row = (String, Vec<Step>);

pub(super) fn row(net: Net, what: &str, steps: impl IntoIterator<Item = Step>) -> Row {
    (net.name(what), steps.into_iter().collect())
}

pub(super) fn check(rows: impl Fn(Net) -> Vec<Row>) {
    let mut host = Host::new();
    let mut failures = Vec::new();
    let rows: Vec<_> = Net::BOTH
        .into_iter()
        .flat_map(|is_ipv6| rows(Net::of(is_ipv6)))
        .collect();
    for (name, steps) in &rows {
        host.reset();
        for (at, step) in steps.iter().enumerate() {
            if let Err(what) = take(&mut host, step) {
                failures.push(format!("{name}: step {at}: {what}\n  {step:02x?}"));
                break;
            }
        }
    }
    let failed = failures.len();
    assert!(
        failures.is_empty(),
        "{failed} of {}:\n{}",
        rows.len(),
        failures.join("\n")
    );
}

fn take(host: &mut Host, step: &Step) -> Result<(), String> {
    match step {
        Step::Out(packet, mark, want) => pass(host, packet, Some(*mark), want)?,
        Step::In(packet, want) => pass(host, packet, None, want)?,
        Step::HostPort(at, protocol, pod) => host.host_port(*at, *protocol, *pod),
        Step::Native(network, bits) => host.native(*network, *bits),
        Step::Masquerade(address, is_on) => host.masquerade(*address, *is_on),
        Step::Gone(address) => host.forget(*address),
        Step::Expired => host.expire(|_| true),
        Step::Evicted(is_in) => host.evict(*is_in),
        Step::Halves(want) => {
            let found = host.halves();
            if found.len() != *want {
                return Err(format!("{} halves: {found:?}", found.len()));
            }
        }
        Step::Node(step) => host_policy::take(host, step)?,
    }
    Ok(())
}

/// The frame of a packet on the link to the router.
pub(super) fn on_link(packet: &Packet, is_out: bool) -> Vec<u8> {
    let macs = if is_out {
        (ROUTER_MAC, DEVICE_MAC)
    } else {
        (DEVICE_MAC, ROUTER_MAC)
    };
    summed(&packet.clone().macs(macs.0, macs.1)).bytes()
}

/// The frame of a packet from outside at a pod.
pub(super) fn at_pod(packet: &Packet, (mac, host_mac): ([u8; 6], [u8; 6])) -> Vec<u8> {
    let ttl = packet.ttl - 1;
    summed(&packet.clone().macs(mac, host_mac).ttl(ttl)).bytes()
}

const TO_POD: ([u8; 6], [u8; 6]) = (POD_MAC, HOST_MAC);
const TO_OTHER: ([u8; 6], [u8; 6]) = (OTHER_MAC, OTHER_HOST_MAC);

fn pass(host: &mut Host, packet: &Packet, mark: Option<u32>, want: &Want) -> Result<(), String> {
    let is_out = mark.is_some();
    let frame = on_link(packet, is_out);
    judge(host, &frame, is_out, want, |host| match mark {
        Some(mark) => host.send(&frame, mark),
        None => host.receive(&frame),
    })
}

/// Holds what comes of a frame against what must.
pub(super) fn judge(
    host: &mut Host,
    frame: &[u8],
    is_out: bool,
    want: &Want,
    run: impl Fn(&Host) -> TestOutput,
) -> Result<(), String> {
    let dropped = |host: &Host| {
        let rows = host.bench.counters();
        let drops = rows.iter().filter(|(reason, ..)| *reason >= 130);
        drops
            .map(|(reason, direction, n)| (*reason, *direction, *n))
            .collect::<Vec<_>>()
    };
    let before = dropped(host);
    host.bench.events();
    let output = run(host);
    let after = dropped(host);
    let new: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    let (verdict, expected) = match want {
        Want::Same => (0, Some(frame.to_vec())),
        Want::Becomes(packet) => (0, Some(on_link(packet, is_out))),
        Want::Pod(packet) => (7, Some(at_pod(packet, TO_POD))),
        Want::Other(packet) => (7, Some(at_pod(packet, TO_OTHER))),
        Want::Drop(_) => (2, None),
    };
    let counted = match want {
        Want::Drop(code) => new
            .iter()
            .map(|row| (row.0, row.1))
            .eq([(*code, if is_out { 2 } else { 1 })]),
        _ => new.is_empty(),
    };
    let told = host
        .bench
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Drop(drop) if drop.header.lxc_id == 0 => Some(drop.header.subtype),
            _ => None,
        });
    let told: Vec<_> = told.collect();
    let tells = match want {
        Want::Drop(code) => vec![*code],
        _ => Vec::new(),
    };
    if told != tells {
        return Err(format!("verdict {}, told of {told:?}", output.verdict));
    }
    if output.verdict != verdict || !counted {
        return Err(format!("verdict {}, dropped {new:?}", output.verdict));
    }
    match expected {
        Some(expected) if expected != output.packet => Err(format!(
            "it became {:02x?}\n  instead of {expected:02x?}",
            output.packet
        )),
        _ => Ok(()),
    }
}

/// A packet with the checksum of its transport header, where that is not zero on purpose.
pub(super) fn summed(packet: &Packet) -> Packet {
    let mut packet = packet.clone();
    let place = match packet.protocol {
        TCP => 16,
        UDP if packet.payload[6..8] != [0, 0] => 6,
        ICMPV6 => 2,
        SCTP => {
            let sum = if packet.payload[8..12] == [0; 4] {
                [0; 4]
            } else {
                crc32c(&packet.payload, 8..12)
            };
            packet.payload[8..12].copy_from_slice(&sum);
            return packet;
        }
        _ => return packet,
    };
    if packet.fragment.is_some_and(|(_, at, more)| at > 0 || more) {
        return packet;
    }
    let (from, to) = (octets(packet.from), octets(packet.to));
    let length = u32::try_from(packet.payload.len()).unwrap().to_be_bytes();
    packet.payload[place..place + 2].fill(0);
    let pseudo = [&from[..], &to, &length, &[0, 0, 0, packet.protocol]].concat();
    let sum = match checksum(&[&pseudo, &packet.payload[..]].concat()) {
        0 if packet.protocol == UDP => 0xffff,
        sum => sum,
    };
    packet.payload[place..place + 2].copy_from_slice(&sum.to_be_bytes());
    packet
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The checksum of SCTP (RFC 9260, appendix A), bit by bit, with the octets of a hole as zero.
pub(super) fn crc32c(packet: &[u8], hole: Range<usize>) -> [u8; 4] {
    let mut crc = u32::MAX;
    for (at, octet) in packet.iter().enumerate() {
        let octet = if hole.contains(&at) { 0 } else { *octet };
        crc ^= u32::from(octet);
        for _ in 0..8 {
            crc = (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
        }
    }
    (!crc).to_le_bytes()
}
