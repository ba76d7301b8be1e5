//! Where `weir endpoint compile` takes an endpoint from.

use std::path::Path;

use ep_builder::endpoint::{Endpoint, EndpointId};
use ep_builder::error::chain;
use ep_builder::header::envelope;
use ep_builder::whole_file;

use crate::failure::Failure;
use crate::node::Node;

/// No description of an endpoint is larger.
const LIMIT: u64 = 8 << 20;

/// The endpoint with this id, or the one that this file describes.
pub(super) fn read(node: &Node, from: &str) -> Result<Endpoint, Failure> {
    if let Ok(id) = EndpointId::parse(from) {
        return Ok(node.store()?.read(id)?.record.endpoint);
    }
    let path = Path::new(from);
    let bytes = whole_file::read(path, LIMIT)?;
    parse(&bytes).map_err(|why| {
        Failure::Input(format!(
            "{} does not describe an endpoint: {why}; endpoint.json, a record as in the header's comment, or an ep_config.h is expected",
            path.display()
        ))
    })
}

/// Reads any of the three forms in which an endpoint is written down.
fn parse(bytes: &[u8]) -> Result<Endpoint, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| chain(&error))?;
    if !text.trim_start().starts_with('{') {
        return envelope::decode(text).map_err(|error| chain(&error));
    }
    let json: serde_json::Value = serde_json::from_str(text).map_err(|error| chain(&error))?;
    if json.get("ID").is_some() {
        envelope::from_record(bytes).map_err(|error| chain(&error))
    } else {
        serde_json::from_value(json).map_err(|error| chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ep_builder::shape::{EndpointConfig, NodeConfig};

    #[test]
    fn reads_all_three_forms() {
        let record = include_bytes!("../../../../tests/golden/endpoint-2665.json");
        let endpoint = parse(record).unwrap();
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
    fn says_what_is_wrong() {
        for (text, want) in [
            ("", "no WEIR_BASE64_ line"),
            ("{", "EOF"),
            ("{}", "missing field `id`"),
            ("{\"ID\":0}", "no endpoint id"),
            ("{\"id\":65535}", "no endpoint id"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err();
            assert!(error.contains(want), "{text:?}: {error}");
        }
        assert!(parse(b"\xff").is_err());
    }
}
