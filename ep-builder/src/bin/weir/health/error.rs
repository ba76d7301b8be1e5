//! Why the health endpoint could not be made, or taken away.

use std::path::PathBuf;
use std::time::Duration;

use ep_builder::health::CONTAINER;
use ep_builder::lock::LockError;
use ep_builder::whole_file::FileError;
use nix::errno::Errno;

/// A failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HealthError {
    /// Another process works on it.
    #[error("cannot work on the health endpoint while another process does")]
    Locked(#[source] LockError),
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// No runtime would call weir.
    #[error("cannot make the health endpoint: no network configuration in {} calls weir-cni", .0.display())]
    NoConfiguration(PathBuf),
    /// A configuration that was named.
    #[error("cannot make the health endpoint from {}, which does not call weir-cni", .0.display())]
    OtherConfiguration(PathBuf),
    /// A configuration that is none.
    #[error("cannot read the network configuration {}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The plugin.
    #[error("cannot make the health endpoint without weir-cni, which is in none of {}", listed(.0))]
    NoPlugin(Vec<PathBuf>),
    /// Its network namespace.
    #[error("cannot {attempted} {}", path.display())]
    Namespace {
        /// What was attempted.
        attempted: &'static str,
        /// The file that keeps it.
        path: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// The plugin came to no end.
    #[error("{} did not answer {verb} within {} s and was killed: {}", plugin.display(), patience.as_secs(), words(said))]
    Silent {
        /// The command.
        verb: String,
        /// The plugin.
        plugin: PathBuf,
        /// How long it was waited for.
        patience: Duration,
        /// What it said until then.
        said: String,
    },
    /// What the plugin said.
    #[error("{verb} of {} for the container {CONTAINER} failed: {said}", plugin.display())]
    Plugin {
        /// The command.
        verb: &'static str,
        /// The plugin.
        plugin: PathBuf,
        /// Its answer.
        said: String,
    },
}

fn words(said: &str) -> &str {
    if said.is_empty() {
        "it said nothing"
    } else {
        said
    }
}

fn listed(folders: &[PathBuf]) -> String {
    let names = folders.iter().map(|folder| folder.display().to_string());
    names.collect::<Vec<_>>().join(", ")
}

impl HealthError {
    /// What to do about it.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::NoConfiguration(_) | Self::OtherConfiguration(_) => Some(
                "name the network configuration that runtimes call weir-cni with: --conflist PATH",
            ),
            Self::NoPlugin(_) => Some("install the package again, or put weir-cni beside weir"),
            Self::Namespace { .. } => {
                Some("it needs root, and a mount namespace that lasts: not that of `ip netns exec`")
            }
            Self::Silent { .. } => Some(
                "what it left goes with the next call for this container; if a compiler needs longer, raise `timeout_seconds` of [clang]",
            ),
            Self::Locked(_) | Self::File(_) | Self::Configuration { .. } | Self::Plugin { .. } => {
                None
            }
        }
    }

    /// The exit code of its class.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::NoConfiguration(_) | Self::NoPlugin(_) => 4,
            Self::Locked(LockError::Busy { .. }) => 6,
            Self::File(error) if error.is_not_found() => 4,
            Self::Locked(_) | Self::File(_) => 7,
            Self::Namespace { .. } => 8,
            Self::OtherConfiguration(_)
            | Self::Configuration { .. }
            | Self::Silent { .. }
            | Self::Plugin { .. } => 1,
        }
    }
}
