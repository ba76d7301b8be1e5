//! Why a packet cannot be explained.

use crate::bpf::BpfError;
use crate::load::{LoadError, Owner};
use crate::maps::MapsError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// A twin could not be loaded.
    #[error("cannot load a twin of {owner}")]
    Load {
        /// The endpoint, or the device of the node.
        owner: Owner,
        /// Why.
        source: LoadError,
    },
    /// A map of the node, or of the twins.
    #[error("cannot read or fill the maps of the twins")]
    Maps(#[from] MapsError),
    /// A map or a program of the twins.
    #[error("cannot run a packet through the twins")]
    Bpf(#[from] BpfError),
    /// A packet is to go through an endpoint, or a device, that has no twin.
    #[error("{0} has no twin to run a packet through")]
    NoTwin(Owner),
    /// What is shared with the node is not written.
    #[error("the twins look up identities in the node's own map, which only the node changes")]
    Shared,
}

impl ExplainError {
    /// Whether a map is not there: no endpoint is attached, or not this one.
    pub fn is_missing(&self) -> bool {
        match self {
            Self::Maps(error) => matches!(error, MapsError::Missing { .. }),
            Self::Bpf(error) => error.is_not_found(),
            Self::Load { .. } | Self::NoTwin(_) | Self::Shared => false,
        }
    }

    /// What to do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Load { source, .. } => source.advice(),
            Self::Maps(source) => source.advice(),
            Self::Bpf(source) => source.advice(),
            Self::NoTwin(_) | Self::Shared => None,
        }
    }
}
