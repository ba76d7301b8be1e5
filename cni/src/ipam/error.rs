//! Why an address manager could not do what was asked, and what that means to the runtime.

use ep_builder::whole_file::FileError;

use super::config::ConfigError;
use super::delegate::DelegateError;
use super::store::StoreError;
use crate::error::Kind;

/// A failure of the embedded allocator or of the plugin that was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration is refused.
    #[error("invalid address management")]
    Config(#[from] ConfigError),
    /// The embedded allocator failed.
    #[error("cannot manage the addresses of network {network}")]
    Store {
        /// The network.
        network: String,
        /// The cause.
        source: StoreError,
    },
    /// The file `resolvConf` names cannot be read.
    #[error("cannot take the resolver's configuration from ipam.resolvConf")]
    ResolvConf(#[source] FileError),
    /// The plugin that was asked failed.
    #[error(transparent)]
    Delegate(#[from] DelegateError),
}

impl Error {
    /// What it means to the runtime.
    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::Config(_) => Kind::Config,
            Self::Store { source, .. } => store_kind(source),
            Self::ResolvConf(_) => Kind::Io,
            Self::Delegate(error) => error.kind(),
        }
    }
}

fn store_kind(error: &StoreError) -> Kind {
    match error {
        error if error.is_for_now() => Kind::TryAgain,
        StoreError::Duplicate { .. } => Kind::InterfaceExists,
        StoreError::Lost { .. } => Kind::Refused,
        _ => Kind::Io,
    }
}
