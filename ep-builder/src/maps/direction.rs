//! Ingress and egress, as the pod sees them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// `enum direction` of `bpf-src/abi.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the pod.
    Ingress,
    /// From the pod.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// The number in keys and events.
    pub fn number(self) -> u8 {
        match self {
            Self::Ingress => 1,
            Self::Egress => 2,
        }
    }

    /// The direction with this number.
    pub fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|this| this.number() == number)
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        })
    }
}
