//! Why a check failed.

use std::io;

use ep_builder::error::chain;
use ep_builder::maps::MapsError;
use ep_builder::prove::ProveError;
use ep_builder::state::StateError;

use crate::failure::Failure;
use crate::health::HealthError;

/// What was found in place of what should be, and what to do, where that is another thing than the check itself advises.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) why: String,
    pub(super) fix: Option<String>,
}

impl Fault {
    /// One that the check's own advice is for.
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            fix: None,
        }
    }

    /// A call of the system that failed while something was attempted.
    pub(super) fn of(attempted: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let attempted = attempted.into();
        move |error| Self::new(format!("{attempted}: {error}"))
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self {
            why: failure.text(),
            fix: failure.advice().map(ToOwned::to_owned),
        }
    }
}

impl From<HealthError> for Fault {
    fn from(error: HealthError) -> Self {
        Self::new(chain(&error))
    }
}

impl From<StateError> for Fault {
    fn from(error: StateError) -> Self {
        Failure::from(error).into()
    }
}

impl From<MapsError> for Fault {
    fn from(error: MapsError) -> Self {
        Failure::from(error).into()
    }
}

impl From<ProveError> for Fault {
    fn from(error: ProveError) -> Self {
        Failure::from(error).into()
    }
}
