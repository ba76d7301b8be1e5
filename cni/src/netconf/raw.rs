//! The bytes on stdin, bounded, and the JSON object in them.

use std::io::{self, Read};

use serde_json::Value;

use crate::document::{Fault, Object};

/// The longest configuration. Kubernetes bounds a pod's annotations at 256 KiB; all else is a few KiB.
const MAX_BYTES: u64 = 8 << 20;

/// What its values may take in memory. A one-letter object of the text fills a whole node of a map, a list has
/// room for four from the start.
const MAX_TREE: usize = 32 << 20;
const OBJECT_COST: usize = 640;
const LIST_COST: usize = 192;
const VALUE_COST: usize = 128;

/// Why stdin holds no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The stream failed.
    #[error("cannot read the network configuration from stdin")]
    Stream(#[source] io::Error),
    /// Nothing came.
    #[error("stdin is empty: the network configuration must stand there")]
    Empty,
    /// More came than any configuration has.
    #[error("the network configuration on stdin is longer than {MAX_BYTES} bytes: shorten it")]
    TooLong,
    /// Its values would take more memory than any configuration's.
    #[error(
        "the network configuration on stdin has more values than fit {MAX_TREE} bytes: shorten it"
    )]
    TooMany,
    /// It is no JSON.
    #[error("the network configuration on stdin is no valid JSON")]
    Json(#[source] serde_json::Error),
    /// It is another JSON value.
    #[error("the network configuration on stdin is no JSON object")]
    Shape(#[source] Fault),
}

/// The configuration as it came, and read.
#[derive(Debug)]
pub(crate) struct Document {
    /// The bytes, for delegates: read and written again they would lose what we do not know.
    pub(crate) raw: Vec<u8>,
    /// What stands in them.
    pub(crate) object: Object,
}

impl Document {
    /// Reads stdin to its end.
    pub(crate) fn read(stdin: &mut dyn Read) -> Result<Self, Unreadable> {
        let mut raw = Vec::new();
        let mut bounded = stdin.take(MAX_BYTES + 1);
        bounded.read_to_end(&mut raw).map_err(Unreadable::Stream)?;
        if raw.len() as u64 > MAX_BYTES {
            return Err(Unreadable::TooLong);
        }
        Self::parse(raw)
    }

    fn parse(raw: Vec<u8>) -> Result<Self, Unreadable> {
        if raw.trim_ascii().is_empty() {
            return Err(Unreadable::Empty);
        }
        if tree_size(&raw) > MAX_TREE {
            return Err(Unreadable::TooMany);
        }
        let value: Value = serde_json::from_slice(&raw).map_err(Unreadable::Json)?;
        let object = Object::new((String::new(), value)).map_err(Unreadable::Shape)?;
        Ok(Self { raw, object })
    }
}

/// A bound of the memory that the values of a text can take, from its marks outside of strings.
fn tree_size(text: &[u8]) -> usize {
    let (mut size, mut in_string, mut escaped) = (0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' => size += OBJECT_COST,
            b'[' => size += LIST_COST,
            b',' => size += VALUE_COST,
            _ => {}
        }
    }
    size
}
