//! Why an invocation failed, and the number the protocol has for it.

use std::error::Error as Source;

use ep_builder::trouble;

use crate::document::Fault;
use crate::netconf::{ConfigError, Unreadable};
use crate::request::EnvironmentError;
use crate::result::Unwritable;
use crate::version::VersionError;

/// A failure, by the stage it happened in. The text is read by a person in the runtime's log, far from here:
/// with its causes it says what was attempted on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The variables.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// stdin.
    #[error(transparent)]
    Stdin(#[from] Unreadable),
    /// The network configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A result that its version cannot tell.
    #[error(transparent)]
    Result(#[from] Unwritable),
    /// A command could not be carried out.
    #[error(transparent)]
    Failed(#[from] Failure),
    /// The plugin panicked; the text is the panic's.
    #[error("weir-cni failed on a defect of its own, please report it: {0}")]
    Panic(String),
}

/// What a failure means to the runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// There is no such attachment.
    UnknownContainer,
    /// A file or a stream failed.
    Io,
    /// What another program answered cannot be read.
    Decode,
    /// The configuration asks for what cannot be.
    Config,
    /// The namespace is none, or ours.
    Netns,
    /// Later it may work: a lock, an exhausted pool.
    TryAgain,
    /// No ADD could work now.
    Unavailable,
    /// No ADD could work now, and the pods that are there suffer too.
    Impaired,
    /// What a delegate answered, which keeps its number.
    Delegate(u32),
    /// The kernel or the builder refused.
    Refused,
    /// The failure's undo failed as well.
    UndoFailed,
    /// The interface is there already.
    InterfaceExists,
    /// A port of the node leads to another pod.
    PortTaken,
}

/// The failure of a command.
#[derive(Debug, thiserror::Error)]
#[error("{attempted}")]
pub(crate) struct Failure {
    kind: Kind,
    attempted: String,
    advice: Option<String>,
    source: Option<Box<dyn Source + Send + Sync>>,
}

impl Failure {
    /// A failure of an attempt.
    pub(crate) fn new(kind: Kind, attempted: impl Into<String>) -> Self {
        Self {
            kind,
            attempted: attempted.into(),
            advice: None,
            source: None,
        }
    }

    /// What to do about it.
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// The cause.
    pub(crate) fn source(mut self, source: impl Into<Box<dyn Source + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl Kind {
    const fn code(self) -> u32 {
        match self {
            Self::UnknownContainer => 3,
            Self::Io => 5,
            Self::Decode => 6,
            Self::Config => 7,
            Self::Netns => 8,
            Self::TryAgain => 11,
            Self::Unavailable => 50,
            Self::Impaired => 51,
            Self::Refused => 100,
            Self::UndoFailed => 101,
            Self::InterfaceExists => 102,
            Self::PortTaken => 103,
            // 0 is no error to a runtime.
            Self::Delegate(0) => 999,
            Self::Delegate(code) => code,
        }
    }
}

impl Error {
    /// The code of the protocol: below 100 its own ones, from 100 the plugin's, 999 "internal" by custom.
    pub(crate) fn code(&self) -> u32 {
        match self {
            Self::Version(_) => 1,
            Self::Environment(_) => 4,
            Self::Stdin(Unreadable::Stream(_)) => 5,
            Self::Stdin(_) | Self::Config(ConfigError::Fault(Fault::Type { .. })) => 6,
            Self::Config(_) | Self::Result(_) => 7,
            Self::Failed(failure) => failure.kind.code(),
            Self::Panic(_) => 999,
        }
    }

    /// All of it in one line: what was attempted, why it failed, what to do.
    pub(crate) fn message(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        if let Some(advice) = self.advice() {
            text.push_str("; ");
            text.push_str(advice);
        }
        shortened(&mut text);
        unswallowed(&text)
    }

    /// What to do: what the failure says of itself, or what its causes need.
    fn advice(&self) -> Option<&str> {
        let Self::Failed(failure) = self else {
            return trouble::advice(self);
        };
        let own = failure.advice.as_deref();
        own.or_else(|| trouble::advice(self))
    }

    /// What the protocol wants beside the message.
    pub(crate) fn details(&self) -> Option<String> {
        match self {
            Self::Version(error) => Some(error.details()),
            _ => None,
        }
    }
}

/// The longest message: a verifier's words with their context, and no megabytes that somebody put into a name.
const LONGEST: usize = 16 << 10;

fn shortened(text: &mut String) {
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push_str(" [cut]");
    }
}

/// Texts that runtimes take for success on DEL, whoever's failure they stand in: the kernel's, a delegate's.
const SWALLOWED: [(&str, &str); 2] = [
    ("not found", "missing"),
    ("no such file or directory", "it does not exist"),
];

/// The text in other words, where a runtime would take it for success.
fn unswallowed(text: &str) -> String {
    let mut text = text.to_owned();
    for (bad, good) in SWALLOWED {
        // Lower case keeps the length of ASCII, so the places in both are the same.
        while let Some(at) = text.to_ascii_lowercase().find(bad) {
            text.replace_range(at..at + bad.len(), good);
        }
    }
    text
}
