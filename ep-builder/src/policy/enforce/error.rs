//! Why a policy could not be put in force.

use std::path::PathBuf;
use std::time::Duration;

use super::Holder;
use crate::endpoint::EndpointId;
use crate::identity::IdentityError;
use crate::maps::MapsError;
use crate::policy::{CompileError, DocumentError, StoreError};
use crate::state::StateError;

/// Why a policy could not be put in force, or an endpoint not be given its own. Unless the message says
/// otherwise, what was in force is in force.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The operator's documents.
    #[error(transparent)]
    Documents(#[from] DocumentError),
    /// They ask for more than a map holds.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The policy on disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The numbers of label sets.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The endpoints on disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// The datapath's maps.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// What was read when the policy in force was applied.
    #[error("cannot read again the documents that the policy in force was made from")]
    InForce(#[source] DocumentError),
    /// Old and new entries do not fit a map together.
    #[error(
        "the policy of {holder} does not fit: {} has room for {max} entries, and holds {old} while {new} are added",
        path.display()
    )]
    NoRoom {
        /// The endpoint, or the node.
        holder: Holder,
        /// The pin of its map.
        path: PathBuf,
        /// What is there until the new policy is in force.
        old: usize,
        /// What is to be there beside it.
        new: usize,
        /// What there is room for.
        max: usize,
    },
    /// Old and new networks do not fit the map of addresses together.
    #[error(
        "the networks of the policy do not fit: {} has room for {max} entries, and holds {old} while {new} are added",
        path.display()
    )]
    NoRoomForNetworks {
        /// The pin of the map.
        path: PathBuf,
        /// What is there.
        old: usize,
        /// What is to be there beside it.
        new: usize,
        /// What there is room for.
        max: usize,
    },
    /// The map of one of them.
    #[error("cannot write the policy of {holder}")]
    Holder {
        /// The endpoint, or the node.
        holder: Holder,
        /// Why.
        source: MapsError,
    },
    /// It was put in force, and what came behind that failed.
    #[error(
        "revision {revision} of the policy is in force, and the change did not come to its end"
    )]
    Unsettled {
        /// The revision.
        revision: u32,
        /// What failed.
        source: Box<Self>,
    },
    /// The policy in force may be taken back yet.
    #[error("the policy in force waits to be confirmed, {} seconds yet", left.as_secs())]
    Unconfirmed {
        /// How long.
        left: Duration,
    },
    /// Nothing is to be confirmed.
    #[error("no policy waits to be confirmed")]
    NothingToConfirm,
    /// It was to be confirmed earlier.
    #[error("the time to confirm the policy was over, and the one before it is in force again")]
    TooLate,
    /// Others keep changing what a new endpoint needs.
    #[error(
        "gave up giving endpoint {id} its policy: it was changed each time before it could be read"
    )]
    Restless {
        /// The endpoint.
        id: EndpointId,
    },
}

impl EnforceError {
    /// Whether somebody else was at it for too long.
    pub fn is_busy(&self) -> bool {
        match self {
            Self::Store(error) => error.is_busy(),
            Self::Identity(IdentityError::Locked { .. })
            | Self::State(StateError::Locked { .. })
            | Self::Unconfirmed { .. }
            | Self::Restless { .. } => true,
            _ => false,
        }
    }

    /// What to do, where the message does not say it.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Documents(error) => error.advice(),
            Self::Store(error) => error.advice(),
            Self::Identity(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Maps(error) | Self::Holder { source: error, .. } => error.advice(),
            Self::InForce(_) => Some("`weir policy apply` reads the documents anew"),
            Self::NoRoom { .. } => Some(
                "a change needs room for the old policy and the new one: raise `policy` in [maps] of weir.toml and attach the endpoint anew, or name fewer peers and ports",
            ),
            Self::NoRoomForNetworks { .. } => Some(
                "a change needs room for the old networks and the new ones: raise `ipcache` in [maps] of weir.toml and attach the endpoints anew, or name fewer networks",
            ),
            Self::Unsettled { .. } => Some("`weir policy apply` ends it"),
            Self::Unconfirmed { .. } => Some(
                "`weir policy confirm` keeps it; else wait until the one before it is in force again",
            ),
            Self::NothingToConfirm => {
                Some("`weir policy apply --confirm-within 30s` puts one in force that does")
            }
            Self::TooLate => Some(
                "`weir policy apply` puts the files in force, which were not changed; --confirm-within gives more time",
            ),
            Self::Restless { .. } => Some("try again"),
            Self::Compile(_) => None,
        }
    }
}
