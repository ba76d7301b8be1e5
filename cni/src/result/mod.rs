//! Results: the model, and how each version of the protocol writes it.

mod decode;
mod encode;
mod legacy;
mod model;

pub(crate) use decode::dns;
pub(crate) use model::{Address, Dns, Extra, Interface, Outcome, Route};

use crate::version::Version;

/// A result without an address, for a version that cannot tell it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "cniVersion {0} has no result without an address: configure ipam, or set cniVersion to 0.3.1 or newer"
)]
pub(crate) struct Unwritable(Version);
