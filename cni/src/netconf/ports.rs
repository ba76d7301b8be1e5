//! The names of a pod's ports, as pods are written: `[{"name": "http", "containerPort": 8080}]`.

use ep_builder::policy::{NamedPort, Protocol};

use crate::document::{Fault, Object, Placed, list};

const PROTOCOL: &str = "it must be TCP, UDP or SCTP";
const PORT: &str = "it must be a port, 1 to 65535";
const NAME: &str = "it must be a name of 1 to 15 characters a-z, 0-9 and '-', with a letter, and no '-' at an end or beside another";
const TWICE: &str = "another port of this protocol has this name";

/// The ports in a list. A port without a name is none that a policy could name; keys that a pod's
/// description has beside these are for others.
pub(crate) fn named_ports(ports: Placed) -> Result<Vec<NamedPort>, Fault> {
    let mut named: Vec<NamedPort> = Vec::new();
    for entry in list(ports)? {
        let object = Object::new(entry)?;
        let place = object.place("name");
        let Some(port) = named_port(object)? else {
            continue;
        };
        let is_same =
            |other: &&NamedPort| (&other.name, other.protocol) == (&port.name, port.protocol);
        match named.iter().find(is_same) {
            Some(other) if other.container_port != port.container_port => {
                return Err(Fault::value(&place, format_args!("{:?}", port.name), TWICE));
            }
            _ => named.push(port),
        }
    }
    named.sort();
    named.dedup();
    Ok(named)
}

fn named_port(mut object: Object) -> Result<Option<NamedPort>, Fault> {
    let protocol = protocol(&mut object)?;
    let container_port = container_port(&mut object)?;
    let Some(name) = object.text("name")?.filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if !is_port_name(&name) {
        let place = object.place("name");
        return Err(Fault::value(&place, format_args!("{name:?}"), NAME));
    }
    Ok(Some(NamedPort {
        name,
        protocol,
        container_port,
    }))
}

fn protocol(object: &mut Object) -> Result<Protocol, Fault> {
    let text = object.text("protocol")?.filter(|text| !text.is_empty());
    match text.as_deref() {
        None => Ok(Protocol::Tcp),
        Some(text) if text.eq_ignore_ascii_case("tcp") => Ok(Protocol::Tcp),
        Some(text) if text.eq_ignore_ascii_case("udp") => Ok(Protocol::Udp),
        Some(text) if text.eq_ignore_ascii_case("sctp") => Ok(Protocol::Sctp),
        Some(other) => {
            let place = object.place("protocol");
            Err(Fault::value(&place, format_args!("{other:?}"), PROTOCOL))
        }
    }
}

fn container_port(object: &mut Object) -> Result<u16, Fault> {
    let place = object.place("containerPort");
    match object.number::<u16>("containerPort")? {
        Some(0) => Err(Fault::value(&place, 0, PORT)),
        Some(port) => Ok(port),
        None => Err(Fault::Missing {
            place,
            advice: "a port has a number",
        }),
    }
}

/// Kubernetes' rule for names of ports (`IANA_SVC_NAME`).
fn is_port_name(name: &str) -> bool {
    let is_known = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=15).contains(&name.len())
        && name.chars().all(is_known)
        && name.contains(|c: char| c.is_ascii_lowercase())
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(ports: serde_json::Value) -> Result<Vec<NamedPort>, String> {
        named_ports(("ports".to_owned(), ports)).map_err(|fault| fault.to_string())
    }

    #[test]
    fn ports_are_read_as_pods_are_written() {
        let port = |name: &str, protocol, container_port| NamedPort {
            name: name.to_owned(),
            protocol,
            container_port,
        };
        let rows = [
            (json!([]), vec![]),
            (json!([null, {"containerPort": 80}]), vec![]),
            (
                json!([{"name": "web", "containerPort": 8080, "hostPort": 80, "hostIP": "1.1.1.1"},
                       {"name": "dns", "containerPort": 53, "protocol": "UDP"}]),
                vec![
                    port("dns", Protocol::Udp, 53),
                    port("web", Protocol::Tcp, 8080),
                ],
            ),
            (
                json!([{"name": "dns", "containerPort": 53, "protocol": "udp"},
                       {"name": "dns", "containerPort": 53},
                       {"name": "dns", "containerPort": 53, "protocol": "TCP"}]),
                vec![
                    port("dns", Protocol::Tcp, 53),
                    port("dns", Protocol::Udp, 53),
                ],
            ),
            (
                json!([{"name": "s", "containerPort": 1.0, "protocol": "SCTP"}]),
                vec![port("s", Protocol::Sctp, 1)],
            ),
        ];
        for (ports, expected) in rows {
            assert_eq!(read(ports.clone()).as_ref(), Ok(&expected), "{ports}");
        }
    }

    #[test]
    fn what_is_no_port_is_refused_by_its_place() {
        for (ports, place) in [
            (json!({}), "ports is an object and must be a list"),
            (json!(["http"]), "ports[0] is a string"),
            (json!([{"name": "a"}]), "ports[0].containerPort is missing"),
            (json!([{"containerPort": 0}]), "ports[0].containerPort is 0"),
            (
                json!([{"containerPort": 65_536}]),
                "ports[0].containerPort is 65536",
            ),
            (
                json!([{"containerPort": "80"}]),
                "ports[0].containerPort is a string",
            ),
            (
                json!([{"containerPort": 1, "protocol": "ICMP"}]),
                "ports[0].protocol is \"ICMP\"",
            ),
            (
                json!([{"name": "80", "containerPort": 1}]),
                "ports[0].name is \"80\"",
            ),
            (
                json!([{"name": "a--b", "containerPort": 1}]),
                "ports[0].name is \"a--b\"",
            ),
            (
                json!([{"name": "Http", "containerPort": 1}]),
                "ports[0].name is \"Http\"",
            ),
            (
                json!([{"name": "sixteen-letters-", "containerPort": 1}]),
                "ports[0].name",
            ),
            (
                json!([{"name": "a", "containerPort": 1}, {"name": "a", "containerPort": 2}]),
                "ports[1].name is \"a\": another port",
            ),
        ] {
            let error = read(ports.clone()).unwrap_err();
            assert!(error.contains(place), "{ports}: {error}");
        }
    }
}
