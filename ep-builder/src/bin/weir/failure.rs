//! Why a command failed: the message, what to do, and the exit code.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;

use ep_builder::cache::CacheError;
use ep_builder::compile::CompileError;
use ep_builder::error::{Error, chain};
use ep_builder::settings::SettingsError;
use ep_builder::state::StateError;
use ep_builder::whole_file::FileError;

use crate::screen::talk;

/// A failure of the command line. 2 is clap's, for a wrong command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The build.
    #[error(transparent)]
    Build(#[from] Error),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateError),
    /// What was named is not there.
    #[error("{0}")]
    NotFound(String),
    /// What was given cannot be read as what it should be.
    #[error("{0}")]
    Input(String),
    /// A file that was named.
    #[error(transparent)]
    File(#[from] FileError),
    /// Some of many did not succeed; each was reported on its own.
    #[error("{failed} of {all} failed")]
    Some {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// The output.
    #[error("cannot print")]
    Print(#[source] io::Error),
}

impl From<CompileError> for Failure {
    fn from(error: CompileError) -> Self {
        Error::from(error).into()
    }
}

impl From<CacheError> for Failure {
    fn from(error: CacheError) -> Self {
        Error::from(error).into()
    }
}

impl Failure {
    /// Exit codes by class: what a script can act on.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Build(Error::Shape(_)) => 3,
            Self::NotFound(_) | Self::State(StateError::Missing { .. }) => 4,
            Self::Build(Error::Compile(_) | Error::Cache(CacheError::Compile(_))) => 5,
            Self::Build(Error::Cache(CacheError::Lock(_)))
            | Self::State(StateError::Locked { .. }) => 6,
            Self::State(_) => 7,
            Self::Build(_)
            | Self::Input(_)
            | Self::File(_)
            | Self::Some { .. }
            | Self::Print(_) => 1,
        }
    }

    fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Settings(error) => error.advice(),
            Self::Build(error) => error.advice(),
            Self::State(error) => error.advice(),
            _ => None,
        }
    }

    /// Says it, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.say();
        ExitCode::from(self.code())
    }

    /// Says it.
    pub(crate) fn say(&self) {
        let text = if self.source().is_some() {
            chain(self)
        } else {
            self.to_string()
        };
        talk(&format!("weir: {text}"));
        if let Some(advice) = self.advice() {
            talk(&format!("fix: {advice}"));
        }
    }
}
