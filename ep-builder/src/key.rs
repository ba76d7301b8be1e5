//! The key of a template: a digest of everything that decides its bytes, and of nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::digest::hex;
use crate::header::{EP_CONFIG, Headers, NODE_CONFIG};
use crate::unit::Unit;

/// Raised when an object of the same inputs would come out different, or be laid out differently in the
/// cache: slimming, patching, file names.
const FORMAT: u64 = 3;

/// 32 bytes; as hex the name of the template's folder.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateKey([u8; 32]);

impl TemplateKey {
    /// Hashes the inputs of a compilation: the unit, rendered template headers, the digest of its sources, flags, compiler.
    ///
    /// Each part is preceded by its length, so that no two sets of inputs run into the same bytes.
    pub fn new(
        unit: Unit,
        headers: &Headers,
        sources: &[u8; 32],
        flags: &[&str],
        compiler: &str,
    ) -> Self {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        part(&FORMAT.to_le_bytes());
        part(unit.name().as_bytes());
        part(compiler.as_bytes());
        part(&(flags.len() as u64).to_le_bytes());
        for flag in flags {
            part(flag.as_bytes());
        }
        for (name, text) in [
            (EP_CONFIG, &headers.ep_config),
            (NODE_CONFIG, &headers.node_config),
        ] {
            part(name.as_bytes());
            part(text.as_bytes());
        }
        part(sources);
        Self(hash.finalize().into())
    }

    /// Enough of it to tell templates apart in a table.
    pub fn short(self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl fmt::Display for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for TemplateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TemplateKey({self})")
    }
}

impl FromStr for TemplateKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let invalid = || InvalidKey(text.to_owned());
        let digits = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if text.len() != 64 || !digits {
            return Err(invalid());
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| invalid())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| invalid())?;
        }
        Ok(Self(key))
    }
}

impl TryFrom<String> for TemplateKey {
    type Error = InvalidKey;
    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<TemplateKey> for String {
    fn from(key: TemplateKey) -> Self {
        key.to_string()
    }
}

/// Text that is no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no template key: 64 lower-case hex digits are expected")]
pub struct InvalidKey(String);
