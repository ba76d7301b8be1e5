//! Why an endpoint could not be changed.

use crate::endpoint::EndpointId;
use crate::error::Error;
use crate::load::LoadError;
use crate::maps::MapsError;
use crate::state::StateError;

/// Why an endpoint was not attached, regenerated, rolled back or deleted. The variant names the stage.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// The id is another interface's.
    #[error(
        "endpoint {id} belongs to interface {ifname:?} of container {container:?}: describe the new one with a free id"
    )]
    Taken {
        /// The id.
        id: EndpointId,
        /// Whose it is.
        container: String,
        /// Which of its interfaces.
        ifname: String,
    },
    /// The object.
    #[error(transparent)]
    Build(#[from] Error),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// The kernel.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The shared maps.
    #[error(transparent)]
    Maps(#[from] MapsError),
}

impl LifecycleError {
    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } => None,
            Self::Build(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Load(error) => error.advice(),
            Self::Maps(error) => error.advice(),
        }
    }
}
