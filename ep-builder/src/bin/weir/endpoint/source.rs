//! Where `weir endpoint compile` takes an endpoint from.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::error::chain;
use ep_builder::header::envelope;
use ep_builder::shape::{EndpointConfig, validate};
use ep_builder::whole_file::{self, FileError};

use crate::failure::Failure;
use crate::node::Node;
use crate::screen::talk;

/// No description of an endpoint is larger.
const LIMIT: u64 = 8 << 20;

/// The endpoint with this id, or the one that this file describes; `-` is standard input.
pub(super) fn read(node: &Node, from: &str) -> Result<Endpoint, Failure> {
    if let Ok(id) = EndpointId::parse(from) {
        return Ok(node.store()?.read(id)?.record.endpoint);
    }
    let path = Path::new(from);
    let opened: io::Result<Box<dyn Read>> = match from {
        "-" => Ok(Box::new(io::stdin())),
        _ => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let bytes = opened
        .and_then(|input| whole_file::read_open(input, LIMIT))
        .map_err(FileError::of("read", path))?;
    let refuse =
        |why: String| Failure::Input(format!("{from} does not describe an endpoint: {why}"));
    let endpoint = parse(&bytes).map_err(refuse)?;
    check(&endpoint, node).map_err(refuse)?;
    Ok(endpoint)
}

/// Refuses what could be built and could not work.
fn check(endpoint: &Endpoint, node: &Node) -> Result<(), String> {
    if endpoint.ipv4.is_none() && endpoint.ipv6.is_none() {
        return Err("it has neither an `ipv4` nor an `ipv6` address".to_owned());
    }
    let shape = EndpointConfig {
        options: endpoint.options.clone(),
        ..node.settings.endpoint.clone()
    };
    validate(&node.settings.node, &shape).map_err(|error| chain(&error))?;
    let families = [
        ("IPv4", endpoint.ipv4.is_some(), node.settings.node.ipv4),
        ("IPv6", endpoint.ipv6.is_some(), node.settings.node.ipv6),
    ];
    for (family, has, compiled) in families {
        if has && !compiled {
            talk(&format!(
                "note: the endpoint has an {family} address, and the configuration leaves {family} out"
            ));
        }
    }
    Ok(())
}

/// The names of `endpoint.json`: a misspelt one must not pass for one that is left out.
const NAMES: [&str; 26] = [
    "id",
    "containerId",
    "containerName",
    "ifname",
    "hostIfname",
    "hostIfindex",
    "mac",
    "hostMac",
    "ipv4",
    "ipv6",
    "identity",
    "labels",
    "options",
    "verdictLogFilter",
    "masquerade",
    "hostPorts",
    "pod",
    "network",
    "bandwidth",
    "state",
    "policy",
    "generation",
    "template",
    "format",
    "files",
    "checksum",
];

/// Reads any of the three forms in which an endpoint is written down.
fn parse(bytes: &[u8]) -> Result<Endpoint, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| chain(&error))?;
    if !text.trim_start().starts_with('{') {
        return envelope::decode(text).map_err(|error| {
            format!("{}; endpoint.json, a record as in the header's comment, or an ep_config.h is expected", chain(&error))
        });
    }
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| chain(&error))?;
    if json.get("ID").is_some() {
        return envelope::from_record(bytes).map_err(|error| chain(&error));
    }
    let unknown = json
        .as_object()
        .and_then(|fields| fields.keys().find(|name| !NAMES.contains(&name.as_str())));
    if let Some(name) = unknown {
        return Err(format!(
            "there is no field {name:?}; it may have {}",
            NAMES.join(", ")
        ));
    }
    serde_json::from_value(json).map_err(|error| chain(&error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ep_builder::endpoint::HostPort;
    use ep_builder::policy::Protocol;
    use ep_builder::shape::NodeConfig;
    use ep_builder::state::{EndpointRecord, PolicyState};

    fn limited() -> ep_builder::endpoint::Bandwidth {
        let limit = Some(ep_builder::endpoint::Limit {
            rate: 8_000_000,
            burst: 655_360,
        });
        ep_builder::endpoint::Bandwidth {
            ingress: limit,
            egress: limit,
        }
    }

    #[test]
    fn reads_all_three_forms() {
        let record = include_bytes!("../../../../tests/golden/endpoint-2665.json");
        let endpoint = Endpoint {
            bandwidth: limited(),
            ..parse(record).unwrap()
        };
        assert_eq!(
            parse(&serde_json::to_vec(&endpoint).unwrap()),
            Ok(endpoint.clone())
        );
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bpf-templates");
        let renderer = ep_builder::sources::read_renderer(&templates).unwrap();
        let headers = renderer.endpoint(
            &NodeConfig::default(),
            &EndpointConfig::default(),
            &endpoint,
        );
        let header = headers.unwrap().ep_config;
        assert_eq!(parse(header.as_bytes()), Ok(endpoint));
    }

    #[test]
    fn knows_every_name_that_is_written() {
        let endpoint = parse(include_bytes!(
            "../../../../tests/golden/endpoint-2665.json"
        ))
        .unwrap();
        let full = Endpoint {
            ipv6: Some(std::net::Ipv6Addr::LOCALHOST),
            ifname: "eth0".into(),
            verdict_log_filter: 1,
            masquerade: true,
            host_ports: vec![HostPort {
                host_ip: std::net::Ipv4Addr::UNSPECIFIED.into(),
                host_port: 8_080,
                protocol: Protocol::Tcp,
                container_port: 80,
            }],
            pod: Some(ep_builder::endpoint::Pod::default()),
            bandwidth: limited(),
            ..endpoint
        };
        let record = EndpointRecord::new(
            full,
            Some("0".repeat(64).parse().unwrap()),
            PolicyState::default(),
        );
        let json = serde_json::to_value(&record).unwrap();
        for name in json.as_object().unwrap().keys() {
            assert!(NAMES.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, want) in [
            ("", "no WEIR_BASE64_ line"),
            ("{", "EOF"),
            ("{}", "missing field `id`"),
            ("{\"id\":1,\"ip4\":\"10.0.0.1\"}", "no field \"ip4\""),
            ("{\"ID\":0}", "no endpoint id"),
            ("{\"id\":65535}", "no endpoint id"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{text:?}: {error}");
        }
        assert!(parse(b"\xff").is_err());
    }
}
