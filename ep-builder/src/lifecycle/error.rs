//! Why an endpoint could not be changed.

use super::host_ports::HostPortError;
use super::labels::LabelError;
use crate::endpoint::EndpointId;
use crate::error::Error;
use crate::load::LoadError;
use crate::maps::MapsError;
use crate::policy::EnforceError;
use crate::sock::SockError;
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
    /// Ids are free on disk, and their maps are pinned.
    #[error(
        "cannot claim an id for an endpoint: each of {tried} that are free on disk has maps pinned in {}, left of endpoints whose state was lost; remove them with `weir gc`",
        folder.display()
    )]
    Haunted {
        /// The folder of the pins.
        folder: std::path::PathBuf,
        /// How many ids were tried.
        tried: usize,
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
    /// The policy of the endpoint.
    #[error(transparent)]
    Policy(Box<EnforceError>),
    /// Its ports of the node.
    #[error(transparent)]
    HostPort(#[from] HostPortError),
    /// Its network namespace, whose sockets reach host ports.
    #[error(transparent)]
    Sockets(#[from] SockError),
    /// Its labels.
    #[error(transparent)]
    Labels(#[from] LabelError),
}

impl From<EnforceError> for LifecycleError {
    fn from(error: EnforceError) -> Self {
        Self::Policy(Box::new(error))
    }
}

impl LifecycleError {
    /// Whether the node lacks the file system that pins need: then it is not this endpoint's trouble alone.
    pub fn lacks_file_system(&self) -> bool {
        matches!(self, Self::Load(LoadError::NoBpffs { .. }))
    }

    /// Whether a policy was put in force, and only what comes behind that failed.
    pub(super) fn is_unsettled(&self) -> bool {
        matches!(self, Self::Policy(error) if matches!(**error, EnforceError::Unsettled { .. }))
    }

    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Taken { .. } | Self::Haunted { .. } | Self::Labels(_) => None,
            Self::HostPort(error) => error.advice(),
            Self::Sockets(error) => error.advice(),
            Self::Build(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Load(error) => error.advice(),
            Self::Maps(error) => error.advice(),
            Self::Policy(error) => error.advice(),
        }
    }
}
