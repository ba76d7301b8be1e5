//! How asking another plugin fails.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::document::Fault;
use crate::error::Kind;

/// How much of a plugin's stderr is worth a place in our message.
const QUOTED: usize = 400;

/// Why another plugin did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DelegateError {
    /// A name that leads elsewhere.
    #[error("ipam.type is {name:?}: it must be the name of a program, without a path")]
    Name {
        /// The name.
        name: String,
    },
    /// No folder has it.
    #[error(
        "no program {name:?} in {path:?}: install the IPAM plugin there, or set ipam.type to \"weir\""
    )]
    Missing {
        /// The name.
        name: String,
        /// The folders, in order.
        path: Vec<PathBuf>,
    },
    /// It could not be started or listened to.
    #[error("cannot run the IPAM plugin {name} at {}", path.display())]
    Start {
        /// The name.
        name: String,
        /// The program.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// It took too long, and was killed.
    #[error("the IPAM plugin {name} did not answer {command} within {:.1} s and was killed: see its own log", deadline.as_secs_f32())]
    Timeout {
        /// The name.
        name: String,
        /// What it was asked.
        command: &'static str,
        /// How long it had.
        deadline: Duration,
    },
    /// It said more than any result is long, and was killed.
    #[error(
        "the IPAM plugin {name} wrote more than a result has to stdout and was killed: see its own log"
    )]
    TooMuch {
        /// The name.
        name: String,
    },
    /// It failed as plugins fail.
    #[error("{name}: {message}")]
    Refused {
        /// The name.
        name: String,
        /// Its number for it.
        code: u32,
        /// Its text.
        message: String,
    },
    /// It failed in another way.
    #[error(
        "the IPAM plugin {name} {how} without an error object{}",
        quoted(stderr)
    )]
    Died {
        /// The name.
        name: String,
        /// How it ended.
        how: String,
        /// What it said to people.
        stderr: String,
    },
    /// It succeeded without a result.
    #[error("the IPAM plugin {name} succeeded and gave no result: see its own log")]
    Silent {
        /// The name.
        name: String,
    },
    /// What it said is no JSON.
    #[error("the IPAM plugin {name} gave a result that is no JSON")]
    Garbage {
        /// The name.
        name: String,
        /// The cause.
        source: serde_json::Error,
    },
    /// What it said is no result.
    #[error("the IPAM plugin {name} gave a result that cannot be used")]
    Result {
        /// The name.
        name: String,
        /// The cause.
        source: Fault,
    },
}

impl DelegateError {
    /// What it means to the runtime.
    pub(in crate::ipam) fn kind(&self) -> Kind {
        match self {
            Self::Name { .. } | Self::Missing { .. } => Kind::Config,
            Self::Start { .. } => Kind::Io,
            Self::Timeout { .. } => Kind::TryAgain,
            Self::Refused { code, .. } => Kind::Delegate(*code),
            Self::TooMuch { .. }
            | Self::Died { .. }
            | Self::Silent { .. }
            | Self::Garbage { .. }
            | Self::Result { .. } => Kind::Decode,
        }
    }

    /// Whether the plugin ran, so that it may have reserved something.
    pub(super) fn may_have_reserved(&self) -> bool {
        !matches!(
            self,
            Self::Name { .. } | Self::Missing { .. } | Self::Start { .. }
        )
    }
}

fn quoted(stderr: &str) -> String {
    let text = stderr.trim();
    if text.is_empty() {
        return ": see its own log".to_owned();
    }
    let text: String = text.chars().take(QUOTED).collect();
    format!("; it said {text:?}")
}

/// The error of a plugin that failed: its own, if it left one on stdout. Neither `cniVersion` nor `details`
/// need be there.
pub(super) fn of_failure(name: &str, stdout: &[u8], stderr: &[u8], how: &str) -> DelegateError {
    let name = name.to_owned();
    let own: Value = serde_json::from_slice(stdout).unwrap_or_default();
    let Some(code) = own.get("code").and_then(Value::as_u64) else {
        return DelegateError::Died {
            name,
            how: how.to_owned(),
            stderr: String::from_utf8_lossy(stderr).into_owned(),
        };
    };
    let text = |key| own.get(key).and_then(Value::as_str).unwrap_or_default();
    let (message, details) = (text("msg"), text("details"));
    let message = match (message.is_empty(), details.is_empty()) {
        (true, _) => format!("failed with code {code}"),
        (false, true) => message.to_owned(),
        (false, false) => format!("{message} ({details})"),
    };
    DelegateError::Refused {
        name,
        code: u32::try_from(code).unwrap_or(u32::MAX),
        message,
    }
}
