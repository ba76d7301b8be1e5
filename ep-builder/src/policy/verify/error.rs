//! Why a case could not be played.

use crate::endpoint::InvalidId;
use crate::explain::ExplainError;
use crate::maps::{InvalidPrefix, MapsError};
use crate::policy::CompileError;

/// Why a case could not be played.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The programs.
    #[error("cannot play a random case on twins of the programs")]
    Twins(#[from] ExplainError),
    /// The maps.
    #[error("cannot write the policy of a random case")]
    Maps(#[from] MapsError),
    /// The compiler refused what it should take.
    #[error("cannot compile the policy of a random case")]
    Compile(#[from] CompileError),
    /// The text of a counter-example.
    #[error("cannot write a counter-example as documents")]
    Yaml(#[from] serde_saphyr::ser::Error),
    /// A packet is about a pod that is not in its case.
    #[error("a random case has a packet of identity {0}, which is none of its pods")]
    NoPod(u32),
    /// There are not so many ids.
    #[error("cannot give a pod of a random case an id")]
    Id(#[from] InvalidId),
    /// A constant of ours is no prefix.
    #[error("cannot say where a random case takes place")]
    Prefix(#[from] InvalidPrefix),
}

impl VerifyError {
    /// What to do.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Twins(error) => error.advice(),
            Self::Maps(error) => error.advice(),
            _ => None,
        }
    }
}
