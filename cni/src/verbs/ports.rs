//! The ports of the node that lead to the pod, and who of the node itself loses one by that.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ep_builder::endpoint::HostPort;
use ep_builder::policy::Protocol;

use crate::error::{Failure, Kind};
use crate::log::CallLog;
use crate::netconf::mappings::PortMapping;

/// What mappings mean for a pod with these addresses: a port in each family that the mapping names and the pod
/// has.
pub(super) fn host_ports(
    mappings: &[PortMapping],
    addresses: &[IpAddr],
) -> Result<Vec<HostPort>, Failure> {
    let mut ports = Vec::new();
    for mapping in mappings {
        let before = ports.len();
        ports.extend(of_families(mapping, addresses));
        if ports.len() == before {
            return Err(no_family(mapping));
        }
    }
    ports.sort();
    ports.dedup();
    Ok(ports)
}

fn of_families(mapping: &PortMapping, addresses: &[IpAddr]) -> Vec<HostPort> {
    let every = [
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    ];
    let hosts = mapping.host_ip.map_or(every.to_vec(), |ip| vec![ip]);
    let has_family = |host: &IpAddr| addresses.iter().any(|own| own.is_ipv4() == host.is_ipv4());
    let port = |host_ip| HostPort {
        host_ip,
        host_port: mapping.host_port,
        protocol: mapping.protocol,
        container_port: mapping.container_port,
    };
    hosts.into_iter().filter(has_family).map(port).collect()
}

fn no_family(mapping: &PortMapping) -> Failure {
    let what = match mapping.host_ip {
        Some(ip) => format!(
            "cannot let port {} of {ip} lead to the pod, which has no address of that family",
            mapping.host_port
        ),
        None => format!(
            "cannot let port {} of the node lead to the pod, which has no address",
            mapping.host_port
        ),
    };
    Failure::new(Kind::Config, what)
        .advice("give the pod such an address by `ipam`, or take hostIP out of the mapping")
}

/// Tells of sockets of the node that listen on these ports: from now on packets from outside pass them by, as
/// they do with other plugins for host ports. Nothing is refused for it: the pod is what was asked for last.
pub(super) fn tell_of_listeners(ports: &[HostPort], log: &mut CallLog) {
    for protocol in [Protocol::Tcp, Protocol::Udp] {
        let of_protocol = |port: &&HostPort| port.protocol == protocol;
        let wanted: Vec<_> = ports.iter().filter(of_protocol).collect();
        if wanted.is_empty() {
            continue;
        }
        let bound = bound_ports(protocol);
        for port in wanted {
            if bound.iter().any(|own| is_for(own, port)) {
                log.notice(format!(
                    "a socket of the node listens on {port}: what comes from outside goes to the pod now"
                ));
            }
        }
    }
}

/// Whether the socket gets packets that the port takes away. One of both families is listed with the unspecified
/// address of IPv6.
fn is_for((address, port): &(IpAddr, u16), host: &HostPort) -> bool {
    let is_any = address.is_unspecified() && (address.is_ipv6() || host.host_ip.is_ipv4());
    *port == host.host_port
        && !address.is_loopback()
        && (is_any
            || *address == host.host_ip
            || (host.host_ip.is_unspecified() && address.is_ipv4() == host.host_ip.is_ipv4()))
}

/// The kernel's lists of sockets; those that listen come first.
fn bound_ports(protocol: Protocol) -> Vec<(IpAddr, u16)> {
    let names = match protocol {
        Protocol::Tcp => ["tcp", "tcp6"],
        Protocol::Udp => ["udp", "udp6"],
        Protocol::Sctp => return Vec::new(),
    };
    let mut ports = Vec::new();
    for name in names {
        // For a word in the log no failure is worth the pod.
        if let Ok(file) = File::open(format!("/proc/thread-self/net/{name}")) {
            ports.extend(listeners(file.take(LONGEST), protocol));
        }
    }
    ports
}

/// Some thousand sockets.
const LONGEST: u64 = 1 << 20;

fn listeners(list: impl Read, protocol: Protocol) -> Vec<(IpAddr, u16)> {
    let waits = match protocol {
        Protocol::Tcp => "0A",
        Protocol::Udp | Protocol::Sctp => "07",
    };
    let lines = BufReader::new(list).lines().skip(1).map_while(Result::ok);
    lines
        .map_while(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let (local, _, state) = (words.next()?, words.next()?, words.next()?);
            Some((state == waits, local.to_owned()))
        })
        .take_while(|(is_waiting, _)| *is_waiting || protocol != Protocol::Tcp)
        .filter(|(is_waiting, _)| *is_waiting)
        .filter_map(|(_, local)| socket(&local))
        .collect()
}

/// `0100007F:0050`: words as they lie in memory, and the port as a number.
fn socket(text: &str) -> Option<(IpAddr, u16)> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| u32::from_str_radix(address.get(at * 8..at * 8 + 8)?, 16).ok();
    if address.len() == 8 {
        return Some((Ipv4Addr::from(word(0)?.to_ne_bytes()).into(), port));
    }
    let mut octets = [0; 16];
    let (quads, _) = octets.as_chunks_mut::<4>();
    for (at, quad) in quads.iter_mut().enumerate() {
        *quad = word(at)?.to_ne_bytes();
    }
    Some((Ipv6Addr::from(octets).into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: &str = "10.1.0.7";
    const V6: &str = "fd00::7";

    fn mapping(host_ip: &str, host_port: u16) -> PortMapping {
        PortMapping {
            host_port,
            container_port: 80,
            protocol: Protocol::Tcp,
            host_ip: host_ip.parse().ok(),
        }
    }

    #[test]
    fn a_mapping_is_a_port_in_each_family_that_it_names_and_the_pod_has() {
        let rows: [(&str, &[&str], &[&str]); 10] = [
            ("", &[V4], &["0.0.0.0:8080/tcp"]),
            ("", &[V6], &["[::]:8080/tcp"]),
            ("", &[V4, V6], &["0.0.0.0:8080/tcp", "[::]:8080/tcp"]),
            ("", &[], &[]),
            ("0.0.0.0", &[V4, V6], &["0.0.0.0:8080/tcp"]),
            ("::", &[V4, V6], &["[::]:8080/tcp"]),
            ("::", &[V4], &[]),
            ("192.0.2.1", &[V4], &["192.0.2.1:8080/tcp"]),
            ("2001:db8::1", &[V4, V6], &["[2001:db8::1]:8080/tcp"]),
            ("192.0.2.1", &[V6], &[]),
        ];
        for (host_ip, addresses, expected) in rows {
            let addresses: Vec<_> = addresses.iter().map(|it| it.parse().unwrap()).collect();
            let ports = host_ports(&[mapping(host_ip, 8080)], &addresses);
            let shown: Vec<_> = ports.iter().flatten().map(HostPort::to_string).collect();
            assert_eq!(shown, expected, "{host_ip:?} {addresses:?}");
            assert_eq!(ports.is_ok(), !expected.is_empty(), "{host_ip:?}");
        }
    }

    #[test]
    fn what_two_mappings_say_is_said_once() {
        let mappings = [mapping("0.0.0.0", 80), mapping("", 80), mapping("", 79)];
        let ports = host_ports(&mappings, &[V4.parse().unwrap()]).unwrap();
        let shown: Vec<_> = ports.iter().map(HostPort::to_string).collect();
        assert_eq!(shown, ["0.0.0.0:79/tcp", "0.0.0.0:80/tcp"]);
    }

    #[test]
    fn the_kernels_list_is_read_to_the_last_listener() {
        let list = "  sl  local_address rem_address   st tx_queue\n   \
            0: 00000000:1F90 00000000:0000 0A 00000000:00000000\n   \
            1: 0100007F:0050 00000000:0000 0A 00000000:00000000\n   \
            2: 0A01000A:0051 0A01000A:A000 01 00000000:00000000\n   \
            3: 00000000:0052 00000000:0000 0A 00000000:00000000\n";
        let found = listeners(list.as_bytes(), Protocol::Tcp);
        let shown: Vec<_> = found
            .iter()
            .map(|(ip, port)| format!("{ip} {port}"))
            .collect();
        assert_eq!(shown, ["0.0.0.0 8080", "127.0.0.1 80"]);
        let udp = list.replace(" 0A ", " 07 ");
        assert_eq!(listeners(udp.as_bytes(), Protocol::Udp).len(), 3);
        assert_eq!(listeners("".as_bytes(), Protocol::Udp).len(), 0);
        let v6 = socket("B80D0120000000000000000001000000:01BB").unwrap();
        assert_eq!(v6, ("2001:db8::1".parse().unwrap(), 443));
    }

    #[test]
    fn a_listener_that_loses_packets_is_told() {
        for (listener, host, expected) in [
            ("0.0.0.0", "0.0.0.0", true),
            ("0.0.0.0", "192.0.2.1", true),
            ("192.0.2.1", "0.0.0.0", true),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.2", "192.0.2.1", false),
            ("127.0.0.1", "0.0.0.0", false),
            ("::", "0.0.0.0", true),
            ("::", "::", true),
            ("0.0.0.0", "::", false),
            ("2001:db8::1", "0.0.0.0", false),
        ] {
            let [port, mut other] = [80, 81].map(|host_port| HostPort {
                host_ip: host.parse().unwrap(),
                host_port,
                protocol: Protocol::Tcp,
                container_port: 1,
            });
            let socket = (listener.parse().unwrap(), 80);
            assert_eq!(is_for(&socket, &port), expected, "{listener} {host}");
            other.container_port = 80;
            assert!(!is_for(&socket, &other), "{listener} {host}");
        }
    }
}
