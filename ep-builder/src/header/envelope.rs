//! The comment line that carries an endpoint's record:
//! `WEIR_BASE64_<base64 of the JSON string of the version>:<base64 of the record>`.
//!
//! With it a lost `endpoint.json` is restored from the header.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::escape;
use super::record::Record;
use crate::endpoint::Endpoint;

const MAGIC: &str = "WEIR_BASE64_";

/// The version that wrote a header: ours.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The text of the line, without the comment around it.
pub fn encode(endpoint: &Endpoint) -> Result<String, EnvelopeError> {
    let version = serde_json::to_vec(VERSION).map_err(EnvelopeError::Encode)?;
    let record = serde_json::to_vec(&Record::from(endpoint)).map_err(EnvelopeError::Encode)?;
    Ok(format!(
        "{MAGIC}{}:{}",
        STANDARD.encode(version),
        STANDARD.encode(record)
    ))
}

/// Reads the endpoint back out of a whole header.
pub fn decode(header: &str) -> Result<Endpoint, EnvelopeError> {
    let line = header
        .lines()
        .find_map(|line| line.strip_prefix(" * ")?.strip_prefix(MAGIC))
        .ok_or(EnvelopeError::Missing)?;
    let (version, record) = line.split_once(':').ok_or(EnvelopeError::Separator)?;
    let version = STANDARD.decode(version).map_err(EnvelopeError::Base64)?;
    let _: String = serde_json::from_slice(&version).map_err(EnvelopeError::Record)?;
    let endpoint = from_record(&STANDARD.decode(record).map_err(EnvelopeError::Base64)?)?;
    agree(header, &endpoint)?;
    Ok(endpoint)
}

/// Holds the record against the plain lines of the same comment: base64 has no checksum, and one flipped
/// bit of it can be another address.
fn agree(header: &str, endpoint: &Endpoint) -> Result<(), EnvelopeError> {
    let text = |address: Option<String>| address.unwrap_or_default();
    let facts = [
        (
            "Container ID",
            escape::comment(endpoint.container_id.as_bytes()),
        ),
        ("IPv6 address", text(endpoint.ipv6.map(|a| a.to_string()))),
        ("IPv4 address", text(endpoint.ipv4.map(|a| a.to_string()))),
        ("Identity", endpoint.identity.to_string()),
        ("NodeMAC", endpoint.host_mac.to_string()),
    ];
    for (what, value) in facts {
        let line = format!(" * {what}: {value}");
        if !header.lines().any(|l| l == line) {
            return Err(EnvelopeError::Disagrees(what));
        }
    }
    let map = format!("_{}", endpoint.id.five_digits());
    let named = |line: &str| line.starts_with(" * PolicyMap: ") && line.ends_with(&map);
    if header.lines().any(named) {
        Ok(())
    } else {
        Err(EnvelopeError::Disagrees("PolicyMap"))
    }
}

/// Reads the JSON of a record: what stands inside the envelope, or a record kept in a file of its own.
pub fn from_record(json: &[u8]) -> Result<Endpoint, EnvelopeError> {
    let record: Record = serde_json::from_slice(json).map_err(EnvelopeError::Record)?;
    Ok(record.into())
}

/// Why a header's record could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// There is no such line.
    #[error("the header has no {MAGIC} line")]
    Missing,
    /// The line has no colon.
    #[error("the header's {MAGIC} line is cut: no ':' between version and record")]
    Separator,
    /// The record and the plain text beside it say different things.
    #[error("the record in the header and its line {0:?} disagree: one of them is damaged")]
    Disagrees(&'static str),
    /// A part is no base64.
    #[error("the header's {MAGIC} line is damaged")]
    Base64(#[source] base64::DecodeError),
    /// The JSON inside is wrong.
    #[error("the record in the header cannot be read")]
    Record(#[source] serde_json::Error),
    /// The record could not be written.
    #[error("the endpoint cannot be written as a record")]
    Encode(#[source] serde_json::Error),
}
