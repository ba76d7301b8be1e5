//! Endpoint ids: 1..=65534, unique on a node.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number of an endpoint on its node.
///
/// It is a `u16` in the programs, a slot in `call_policy`, and five digits in map and folder names,
/// so that a patched name is as long as the placeholder it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct EndpointId(u16);

impl EndpointId {
    /// The lowest id.
    pub const MIN: u16 = 1;
    /// The highest id.
    pub const MAX: u16 = 65_534;
    /// What a template carries in place of an id; no endpoint can have it.
    pub const PLACEHOLDER: u16 = 65_535;

    /// Checks that `id` lies in the range of real endpoints.
    pub fn new(id: u16) -> Result<Self, InvalidId> {
        if (Self::MIN..=Self::MAX).contains(&id) {
            Ok(Self(id))
        } else {
            Err(InvalidId(id.to_string()))
        }
    }

    /// Reads an id as a person or a folder name writes it: decimal, leading zeros allowed.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let digits = (1..=5).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let id = digits.then(|| text.parse::<u16>().ok()).flatten();
        id.and_then(|id| Self::new(id).ok())
            .ok_or_else(|| InvalidId(text.to_owned()))
    }

    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The form used in map and folder names.
    pub fn five_digits(self) -> String {
        format!("{:05}", self.0)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<u16> for EndpointId {
    type Error = InvalidId;
    fn try_from(id: u16) -> Result<Self, InvalidId> {
        Self::new(id)
    }
}

impl From<EndpointId> for u16 {
    fn from(id: EndpointId) -> u16 {
        id.0
    }
}

/// A number or text that is no endpoint id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no endpoint id: a number from 1 to 65534 is expected")]
pub struct InvalidId(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_the_range_and_nothing_else() {
        for (text, want) in [
            ("1", Some(1)),
            ("02665", Some(2665)),
            ("65534", Some(65_534)),
        ] {
            assert_eq!(EndpointId::parse(text).ok().map(EndpointId::get), want);
        }
        for text in [
            "", "0", "00000", "65535", "65536", "-1", "+1", "1 ", "000001", "0x1", "１",
        ] {
            assert!(EndpointId::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn json_refuses_the_placeholder() {
        assert!(serde_json::from_str::<EndpointId>("65535").is_err());
        assert_eq!(
            serde_json::from_str::<EndpointId>("7")
                .unwrap()
                .five_digits(),
            "00007"
        );
    }
}
