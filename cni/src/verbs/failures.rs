//! From the errors of the parts to failures of a command: one place decides what each means to a runtime.

use std::error::Error;

use ep_builder::cache::CacheError;
use ep_builder::error::Error as BuildError;
use ep_builder::identity::IdentityError;
use ep_builder::lifecycle::{HostPortError, LifecycleError};
use ep_builder::load::LoadError;
use ep_builder::lock::LockError;
use ep_builder::maps::MapsError;
use ep_builder::node::NodeError;
use ep_builder::policy::EnforceError;
use ep_builder::settings::SettingsError;
use ep_builder::sock::SockError;
use ep_builder::state::StateError;

use crate::attachments::AttachmentsError;
use crate::error::{Failure, Kind};
use crate::net::{Class, NetError, PlanError};

/// Another process has it: the next attempt may find it free.
const LATER: &str = "try again";

/// A failure with its cause, and with the advice that goes with that.
fn told(
    kind: Kind,
    attempted: impl Into<String>,
    advice: Option<&'static str>,
    error: impl Error + Send + Sync + 'static,
) -> Failure {
    let failure = Failure::new(kind, attempted).source(error);
    match advice {
        Some(advice) => failure.advice(advice),
        None => failure,
    }
}

/// The node's configuration.
pub(super) fn settings(error: SettingsError) -> Failure {
    let attempted = "cannot use the configuration of this node";
    told(Kind::Config, attempted, error.advice(), error)
}

/// The notes of attachments.
pub(super) fn attachments(error: AttachmentsError) -> Failure {
    match error {
        AttachmentsError::Busy { .. } => Failure::new(Kind::TryAgain, "cannot begin")
            .source(error)
            .advice(LATER),
        AttachmentsError::File(_) => {
            Failure::new(Kind::Io, "cannot keep what is known of the attachment").source(error)
        }
    }
}

/// The state folder.
pub(super) fn state(attempted: &'static str) -> impl Fn(StateError) -> Failure {
    move |error| {
        let kind = match &error {
            StateError::Locked {
                source: LockError::Busy { .. },
                ..
            } => Kind::TryAgain,
            _ => Kind::Io,
        };
        told(kind, format!("cannot {attempted}"), error.advice(), error)
    }
}

/// The template or the object.
pub(super) fn build(error: BuildError) -> Failure {
    let kind = match &error {
        BuildError::Cache(CacheError::Lock(LockError::Busy { .. })) => Kind::TryAgain,
        BuildError::Shape(_) => Kind::Config,
        BuildError::File(_) => Kind::Io,
        _ => Kind::Refused,
    };
    told(
        kind,
        "cannot build the endpoint's programs",
        error.advice(),
        error,
    )
}

/// The endpoint.
pub(super) fn lifecycle(attempted: &'static str) -> impl Fn(LifecycleError) -> Failure {
    move |error| match error {
        error if error.lacks_file_system() => told(
            Kind::Io,
            format!("cannot {attempted}"),
            error.advice(),
            error,
        ),
        LifecycleError::Build(error) => build(error),
        LifecycleError::State(error) => state(attempted)(error),
        LifecycleError::Load(error) => load(attempted, error),
        LifecycleError::Maps(error) => maps(attempted, error),
        LifecycleError::Policy(error) => policy(attempted, *error),
        LifecycleError::HostPort(error) => host_port(attempted, error),
        LifecycleError::Sockets(error) => sockets(attempted, error),
        LifecycleError::Taken { .. }
        | LifecycleError::Haunted { .. }
        | LifecycleError::Labels(_) => {
            Failure::new(Kind::Refused, format!("cannot {attempted}")).source(error)
        }
    }
}

/// The endpoint's policy: a pod whose policy cannot be told does not begin.
fn policy(attempted: &str, error: EnforceError) -> Failure {
    let kind = match &error {
        error if error.is_busy() => Kind::TryAgain,
        EnforceError::Store(_) | EnforceError::State(_) | EnforceError::Identity(_) => Kind::Io,
        _ => Kind::Refused,
    };
    told(kind, format!("cannot {attempted}"), error.advice(), error)
}

/// Which network namespace is whose.
pub(super) fn sockets(attempted: &str, error: SockError) -> Failure {
    match error {
        SockError::Map(error) => load(attempted, error),
        error => told(
            Kind::Refused,
            format!("cannot {attempted}"),
            error.advice(),
            error,
        ),
    }
}

/// The node's own part.
pub(super) fn node(attempted: &'static str) -> impl Fn(NodeError) -> Failure {
    move |error| {
        let kind = match &error {
            error if error.is_busy() => Kind::TryAgain,
            NodeError::File(_) | NodeError::Locked(_) => Kind::Io,
            NodeError::Foreign { .. } | NodeError::OtherSet { .. } => Kind::InterfaceExists,
            _ => Kind::Refused,
        };
        match error {
            NodeError::Load(error) => load(attempted, error),
            error => told(kind, format!("cannot {attempted}"), error.advice(), error),
        }
    }
}

/// A port of the node.
fn host_port(attempted: &str, error: HostPortError) -> Failure {
    let kind = match &error {
        HostPortError::Taken { .. } => Kind::PortTaken,
        HostPortError::Locked(LockError::Busy { .. }) => Kind::TryAgain,
        HostPortError::Locked(LockError::File(_)) => Kind::Io,
    };
    told(kind, format!("cannot {attempted}"), error.advice(), error)
}

fn load(attempted: &str, error: LoadError) -> Failure {
    let kind = match &error {
        LoadError::File(_) => Kind::Io,
        _ => Kind::Refused,
    };
    told(kind, format!("cannot {attempted}"), error.advice(), error)
}

fn maps(attempted: &str, error: MapsError) -> Failure {
    told(
        Kind::Refused,
        format!("cannot {attempted}"),
        error.advice(),
        error,
    )
}

/// The endpoint's identity.
pub(super) fn identity(error: IdentityError) -> Failure {
    let kind = match &error {
        IdentityError::Locked {
            source: LockError::Busy { .. },
            ..
        } => Kind::TryAgain,
        _ => Kind::Io,
    };
    told(
        kind,
        "cannot number the pod's labels",
        error.advice(),
        error,
    )
}

/// Links and namespaces.
pub(super) fn net(attempted: &'static str) -> impl Fn(NetError) -> Failure {
    move |error| {
        let kind = match error.class() {
            Class::Namespace => Kind::Netns,
            Class::Exists => Kind::InterfaceExists,
            _ => Kind::Refused,
        };
        told(kind, format!("cannot {attempted}"), error.advice(), error)
    }
}

/// Addresses and routes that do not fit together.
pub(super) fn plan(error: PlanError) -> Failure {
    Failure::new(Kind::Config, "cannot plan the pod's addresses and routes").source(error)
}
