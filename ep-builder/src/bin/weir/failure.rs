//! Why a command failed: the message, what to do, and the exit code.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;

use ep_builder::cache::CacheError;
use ep_builder::compile::CompileError;
use ep_builder::error::{Error, chain};
use ep_builder::explain::ExplainError;
use ep_builder::identity::IdentityError;
use ep_builder::install::InstallError;
use ep_builder::lifecycle::LifecycleError;
use ep_builder::load::LoadError;
use ep_builder::lock::LockError;
use ep_builder::maps::MapsError;
use ep_builder::node::NodeError;
use ep_builder::policy::{CutError, DocumentError, EnforceError, StoreError};
use ep_builder::prove::ProveError;
use ep_builder::settings::SettingsError;
use ep_builder::sock::SockError;
use ep_builder::state::StateError;
use ep_builder::trouble;
use ep_builder::whole_file::FileError;

use crate::health::HealthError;
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
    /// The numbers of label sets.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A map of the datapath.
    #[error(transparent)]
    Maps(#[from] MapsError),
    /// Policy documents.
    #[error(transparent)]
    Documents(#[from] DocumentError),
    /// A policy that could not be put in force.
    #[error(transparent)]
    Policy(Box<EnforceError>),
    /// A document that could not be taken out of its file.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// The lock of those who read the events.
    #[error("cannot find out who else reads the events")]
    Monitored(#[source] LockError),
    /// The signals that end a command.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// A call of the system.
    #[error("{what}")]
    System {
        /// What was attempted on what.
        what: String,
        /// The cause.
        source: io::Error,
    },
    /// The kernel refused an endpoint's programs, or its device is not there.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The programs of sockets.
    #[error(transparent)]
    Sockets(#[from] SockError),
    /// The node's own part.
    #[error(transparent)]
    Node(Box<NodeError>),
    /// The health endpoint.
    #[error(transparent)]
    Health(Box<HealthError>),
    /// What is installed.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// A packet that could not be explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// Replacements under traffic.
    #[error(transparent)]
    Prove(Box<ProveError>),
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

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::Taken { .. } | LifecycleError::Haunted { .. } => {
                Self::Input(error.to_string())
            }
            LifecycleError::Build(error) => error.into(),
            LifecycleError::State(error) => error.into(),
            LifecycleError::Load(error) => error.into(),
            LifecycleError::Maps(error) => error.into(),
            LifecycleError::Policy(error) => (*error).into(),
            LifecycleError::HostPort(error) => Self::Input(chain(&error)),
            LifecycleError::Sockets(error) => error.into(),
            LifecycleError::Labels(error) => Self::Input(error.to_string()),
        }
    }
}

impl From<HealthError> for Failure {
    fn from(error: HealthError) -> Self {
        Self::Health(Box::new(error))
    }
}

impl From<NodeError> for Failure {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Build(error) => error.into(),
            NodeError::Load(error) => error.into(),
            NodeError::Maps(error) => error.into(),
            NodeError::State(error) => error.into(),
            NodeError::Sockets(error) => error.into(),
            NodeError::Policy(error) => (*error).into(),
            other => Self::Node(Box::new(other)),
        }
    }
}

impl From<EnforceError> for Failure {
    fn from(error: EnforceError) -> Self {
        match error {
            EnforceError::Documents(error) => error.into(),
            EnforceError::Identity(error) => error.into(),
            EnforceError::State(error) => error.into(),
            EnforceError::Maps(error) => error.into(),
            other => Self::Policy(Box::new(other)),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        EnforceError::from(error).into()
    }
}

fn policy_code(error: &EnforceError) -> u8 {
    match error {
        error if error.is_busy() => 6,
        EnforceError::NothingToConfirm => 4,
        EnforceError::Store(_) | EnforceError::InForce(_) => 7,
        EnforceError::Compile(_)
        | EnforceError::NoRoom { .. }
        | EnforceError::NoRoomForNetworks { .. } => 9,
        EnforceError::Unsettled { source, .. } => policy_code(source),
        _ => 1,
    }
}

fn node_code(error: &NodeError) -> u8 {
    match error {
        error if error.is_busy() => 6,
        NodeError::Locked(_) | NodeError::File(_) => 7,
        NodeError::Kernel { .. } | NodeError::Netlink(_) | NodeError::Setting { .. } => 8,
        _ => 1,
    }
}

fn build_code(error: &Error) -> u8 {
    match error {
        Error::Shape(_) | Error::Sources(_) | Error::Render(_) => 3,
        Error::NotBundled { .. } => 5,
        Error::Compile(error) | Error::Cache(CacheError::Compile(error)) => match error {
            CompileError::File(_) | CompileError::DiskFull { .. } => 7,
            _ => 5,
        },
        Error::Cache(CacheError::Lock(LockError::Busy { .. })) => 6,
        Error::Cache(_) | Error::File(_) => 7,
        Error::Bundle(_) => 1,
    }
}

impl Failure {
    /// Exit codes by class: what a script can act on.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Settings(_) => 3,
            Self::NotFound(_)
            | Self::State(StateError::Missing { .. })
            | Self::Maps(MapsError::Missing { .. }) => 4,
            Self::File(error) | Self::Documents(DocumentError::File(error))
                if error.is_not_found() =>
            {
                4
            }
            Self::Documents(_) => 9,
            Self::Policy(error) => policy_code(error),
            Self::Build(error) => build_code(error),
            Self::Node(error) => node_code(error),
            Self::Health(error) => error.code(),
            Self::Install(InstallError::Busy(_))
            | Self::Monitored(LockError::Busy { .. })
            | Self::Identity(IdentityError::Locked { .. })
            | Self::State(StateError::Locked {
                source: LockError::Busy { .. },
                ..
            }) => 6,
            Self::State(_) | Self::Identity(_) => 7,
            Self::Install(InstallError::Mount { .. })
            | Self::Load(_)
            | Self::Sockets(_)
            | Self::Explain(ExplainError::Load { .. }) => 8,
            Self::Explain(error) if error.is_missing() => 4,
            Self::Prove(error) if matches!(**error, ProveError::Replacement { .. }) => 8,
            Self::Input(_)
            | Self::Install(_)
            | Self::Prove(_)
            | Self::Explain(_)
            | Self::Maps(_)
            | Self::Monitored(_)
            | Self::Signals(_)
            | Self::System { .. }
            | Self::File(_)
            | Self::Cut(_)
            | Self::Some { .. }
            | Self::Print(_) => 1,
        }
    }

    /// What to do about it, where there is something.
    pub(crate) fn advice(&self) -> Option<&'static str> {
        let own = match self {
            Self::Settings(error) => error.advice(),
            Self::Build(error) => error.advice(),
            Self::State(error) => error.advice(),
            Self::Identity(error) => error.advice(),
            Self::Maps(error) => error.advice(),
            Self::Documents(error) => error.advice(),
            Self::Policy(error) => error.advice(),
            Self::Cut(error) => Some(error.advice()),
            Self::Load(error) => error.advice(),
            Self::Sockets(error) => error.advice(),
            Self::Node(error) => error.advice(),
            Self::Health(error) => error.advice(),
            Self::Install(error) => error.advice(),
            Self::Explain(error) => error.advice(),
            Self::Prove(error) => error.advice(),
            _ => None,
        };
        own.or_else(|| trouble::advice(self))
    }

    /// Says it, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        self.say();
        ExitCode::from(self.code())
    }

    /// The message with its causes.
    pub(crate) fn text(&self) -> String {
        if self.source().is_some() {
            chain(self)
        } else {
            self.to_string()
        }
    }

    /// Says it.
    pub(crate) fn say(&self) {
        talk(&format!("weir: {}", self.text()));
        if let Some(advice) = self.advice() {
            talk(&format!("fix: {advice}"));
        }
    }
}
