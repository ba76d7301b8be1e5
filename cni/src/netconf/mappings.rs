//! `runtimeConfig.portMappings`: the ports of the node that are to lead to the pod.

use std::net::IpAddr;

pub(crate) use ep_builder::policy::Protocol;

use crate::document::{Fault, Object};

const PORT: &str = "a port of the pod is needed";
const ADDRESS: &str = "it must be an IP address";
const HOST: &str = "it must be an address that one host can have";
const PROTOCOL: &str = "it must be tcp, udp or sctp";

/// A port of the node that leads to the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PortMapping {
    /// The node's.
    pub(crate) host_port: u16,
    /// The pod's.
    pub(crate) container_port: u16,
    /// Of which protocol.
    pub(crate) protocol: Protocol,
    /// The node's address, which may be the unspecified one of a family: every address of it. None means
    /// every address of both.
    pub(crate) host_ip: Option<IpAddr>,
}

impl PortMapping {
    /// Whether a packet could not tell one from the other, were both of the same port of the pod.
    fn is_as(&self, other: &Self) -> bool {
        let any = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
        (self.host_port, self.protocol) == (other.host_port, other.protocol)
            && match (self.host_ip, other.host_ip) {
                (Some(own), Some(others)) => own == others,
                (own, others) => any(own) && any(others),
            }
    }
}

/// The mappings in `runtimeConfig`.
pub(super) fn port_mappings(object: &mut Object) -> Result<Vec<PortMapping>, Fault> {
    let mut mappings: Vec<PortMapping> = Vec::new();
    for entry in object.list("portMappings")? {
        let object = Object::new(entry)?;
        let place = object.place("hostPort");
        let Some(mapping) = port_mapping(object)? else {
            continue;
        };
        match mappings.iter().find(|other| mapping.is_as(other)) {
            Some(other) if other.container_port != mapping.container_port => {
                let rule = format!(
                    "it leads to port {} of the pod already",
                    other.container_port
                );
                return Err(Fault::value(&place, mapping.host_port, rule));
            }
            _ => mappings.push(mapping),
        }
    }
    Ok(mappings)
}

/// A mapping; one of no port of the node maps nothing.
fn port_mapping(mut object: Object) -> Result<Option<PortMapping>, Fault> {
    let host_port = object.number("hostPort")?.unwrap_or(0);
    if host_port == 0 {
        return Ok(None);
    }
    let place = object.place("containerPort");
    let container_port = object.number("containerPort")?.unwrap_or(0);
    if container_port == 0 {
        return Err(Fault::value(&place, container_port, PORT));
    }
    Ok(Some(PortMapping {
        host_port,
        container_port,
        protocol: protocol(&mut object)?,
        host_ip: host_ip(&mut object)?,
    }))
}

fn protocol(object: &mut Object) -> Result<Protocol, Fault> {
    let name = object.text("protocol")?.unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "" | "tcp" => Ok(Protocol::Tcp),
        "udp" => Ok(Protocol::Udp),
        "sctp" => Ok(Protocol::Sctp),
        _ => {
            let place = object.place("protocol");
            Err(Fault::value(&place, format_args!("{name:?}"), PROTOCOL))
        }
    }
}

/// The address; one of IPv4 in the clothes of IPv6 is what it is.
fn host_ip(object: &mut Object) -> Result<Option<IpAddr>, Fault> {
    let place = object.place("hostIP");
    let address: Option<IpAddr> = object.parsed("hostIP", ADDRESS)?;
    let address = address.map(|address| address.to_canonical());
    match address {
        Some(IpAddr::V4(broadcast)) if broadcast.is_broadcast() => {
            Err(Fault::value(&place, broadcast, HOST))
        }
        Some(group) if group.is_multicast() => Err(Fault::value(&place, group, HOST)),
        address => Ok(address),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(mappings: &Value) -> Result<Vec<PortMapping>, String> {
        let object = (
            "runtimeConfig".to_owned(),
            json!({ "portMappings": mappings }),
        );
        let mut object = Object::new(object).unwrap();
        port_mappings(&mut object).map_err(|fault| fault.to_string())
    }

    #[test]
    fn mappings_are_read_in_every_spelling() {
        let mapping = |host_ip: &str, host_port, protocol, container_port| PortMapping {
            host_port,
            container_port,
            protocol,
            host_ip: host_ip.parse().ok(),
        };
        for (mappings, expected) in [
            (json!(null), vec![]),
            (
                json!([null, {}, {"hostPort": 0, "containerPort": 80}, {"hostPort": null}]),
                vec![],
            ),
            (
                json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "TCP", "HostIP": ""}]),
                vec![mapping("", 8080, Protocol::Tcp, 80)],
            ),
            (
                json!([{"hostPort": 53, "containerPort": 5353, "protocol": "Udp", "hostIP": "0.0.0.0"},
                       {"hostPort": 53, "containerPort": 53}]),
                vec![
                    mapping("0.0.0.0", 53, Protocol::Udp, 5353),
                    mapping("", 53, Protocol::Tcp, 53),
                ],
            ),
            (
                json!([{"hostPort": 65_535, "containerPort": 65_535, "protocol": "sctp", "hostIP": "::"}]),
                vec![mapping("::", 65_535, Protocol::Sctp, 65_535)],
            ),
            (
                json!([{"hostPort": 1, "containerPort": 1, "hostIP": "::ffff:192.0.2.1"},
                       {"hostPort": 1, "containerPort": 2, "hostIP": "2001:db8::1"},
                       {"hostPort": 1, "containerPort": 3, "hostIP": "127.0.0.1"},
                       {"hostPort": 1, "containerPort": 4}]),
                vec![
                    mapping("192.0.2.1", 1, Protocol::Tcp, 1),
                    mapping("2001:db8::1", 1, Protocol::Tcp, 2),
                    mapping("127.0.0.1", 1, Protocol::Tcp, 3),
                    mapping("", 1, Protocol::Tcp, 4),
                ],
            ),
            (
                json!([{"hostPort": 1, "containerPort": 1}, {"hostPort": 1, "containerPort": 1, "hostIP": "::"}]),
                vec![
                    mapping("", 1, Protocol::Tcp, 1),
                    mapping("::", 1, Protocol::Tcp, 1),
                ],
            ),
        ] {
            assert_eq!(read(&mappings).as_ref(), Ok(&expected), "{mappings}");
        }
    }

    #[test]
    fn what_maps_nothing_is_refused_by_its_place() {
        let one = |key: &str, value: Value| {
            let mut mapping = json!({"hostPort": 80, "containerPort": 80});
            mapping[key] = value;
            json!([mapping])
        };
        let two = |first: &str, second: &str| {
            json!([{"hostPort": 80, "containerPort": 1, "hostIP": first},
                   {"hostPort": 80, "containerPort": 2, "hostIP": second}])
        };
        let taken = "[1].hostPort is 80: it leads to port 1";
        for (mappings, place) in [
            (json!({}), "portMappings is an object"),
            (json!([80]), "portMappings[0] is a number"),
            (one("hostPort", json!(-1)), "[0].hostPort is -1"),
            (one("hostPort", json!(65_536)), "[0].hostPort is 65536"),
            (one("hostPort", json!(1.5)), "[0].hostPort is 1.5"),
            (one("hostPort", json!("80")), "[0].hostPort is a string"),
            (one("containerPort", json!(0)), "[0].containerPort is 0"),
            (one("containerPort", json!(null)), "[0].containerPort is 0"),
            (
                one("containerPort", json!(70_000)),
                "[0].containerPort is 70000",
            ),
            (one("protocol", json!("icmp")), "[0].protocol is \"icmp\""),
            (one("protocol", json!(6)), "[0].protocol is a number"),
            (one("hostIP", json!("node-1")), "[0].hostIP is \"node-1\""),
            (
                one("hostIP", json!("10.0.0.0/8")),
                "[0].hostIP is \"10.0.0.0/8\"",
            ),
            (
                one("hostIP", json!("fe80::1%eth0")),
                "[0].hostIP is \"fe80::1%eth0\"",
            ),
            (one("hostIP", json!("224.0.0.1")), "[0].hostIP is 224.0.0.1"),
            (one("hostIP", json!("ff02::1")), "[0].hostIP is ff02::1"),
            (
                one("hostIP", json!("255.255.255.255")),
                "[0].hostIP is 255.255.255.255",
            ),
            (two("", ""), taken),
            (two("", "0.0.0.0"), taken),
            (two("::", ""), taken),
            (two("192.0.2.1", "192.0.2.1"), taken),
            (two("192.0.2.1", "::ffff:192.0.2.1"), taken),
        ] {
            let error = read(&mappings).unwrap_err();
            assert!(error.contains(place), "{mappings}: {error}");
        }
    }
}
