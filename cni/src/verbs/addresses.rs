//! The pod's addresses, asked of whoever manages them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use crate::error::Failure;
use crate::ipam::{Call, Collected, EMBEDDED, Error as IpamError, Ipam, Reservation};
use crate::names::Attachment;
use crate::netconf::{Common, WishedIp};
use crate::request::{Add, Environment};
use crate::result::Outcome;

/// How long other plugins may take. A runtime that gives up kills us, and then nobody undoes anything: so
/// each is well below what runtimes wait.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    /// ADD and CHECK; a runtime gives minutes.
    Long,
    /// DEL and GC; the shortest runtime waits a minute, for the whole chain.
    Short,
    /// STATUS, which runtimes ask while they hold a lock.
    Least,
}

impl Patience {
    fn lock(self) -> Duration {
        match self {
            Self::Long | Self::Short => Duration::from_secs(8),
            Self::Least => Duration::from_millis(100),
        }
    }

    fn delegate(self) -> Duration {
        match self {
            Self::Long => Duration::from_mins(1),
            Self::Short => Duration::from_secs(8),
            Self::Least => Duration::from_millis(700),
        }
    }
}

/// One call's way to the manager of addresses.
#[derive(Debug)]
pub(super) struct Addresses<'a> {
    conf: &'a Common,
    wished: &'a [WishedIp],
    ip_ranges: Option<&'a Value>,
    path: &'a [PathBuf],
    environment: Vec<(OsString, OsString)>,
    state_dir: &'a Path,
    patience: Patience,
}

impl<'a> Addresses<'a> {
    /// The way of a call that is about a network, or about a pod that has its addresses.
    pub(super) fn new(
        node: &'a Node,
        conf: &'a Common,
        path: &'a [PathBuf],
        environment: &Environment,
        patience: Patience,
    ) -> Self {
        Self {
            conf,
            wished: &[],
            ip_ranges: None,
            path,
            environment: environment.variables(),
            state_dir: &node.settings.paths.state_dir,
            patience,
        }
    }

    /// The way of an ADD, for which addresses may be wished.
    pub(super) fn for_pod(node: &'a Node, add: &'a Add, environment: &Environment) -> Self {
        Self {
            wished: &add.conf.wishes.ips,
            ip_ranges: add.conf.runtime.ip_ranges.as_ref(),
            ..Self::new(
                node,
                &add.conf.common,
                &add.path,
                environment,
                Patience::Long,
            )
        }
    }

    fn ask<T>(
        &self,
        attempted: &str,
        question: impl FnOnce(&Ipam<'_>) -> Result<T, IpamError>,
    ) -> Result<T, Failure> {
        let call = Call {
            conf: self.conf,
            wished: self.wished,
            ip_ranges: self.ip_ranges,
            environment: &self.environment,
            path: self.path,
            state_dir: self.state_dir,
            reserved: &[],
            wait: self.patience.lock(),
            deadline: self.patience.delegate(),
        };
        question(&Ipam::of(&call)).map_err(|error| {
            Failure::new(error.kind(), format!("cannot {attempted}")).source(error)
        })
    }

    /// Whether no other plugin is asked.
    pub(super) fn are_ours(&self) -> bool {
        self.conf
            .ipam
            .as_ref()
            .is_none_or(|ipam| ipam.kind == EMBEDDED)
    }

    /// Reserves them.
    pub(super) fn reserve(&self, owner: &Attachment) -> Result<Outcome, Failure> {
        self.ask("give the pod its addresses", |ipam| ipam.add(owner))
    }

    /// Gives back what the owner has, known or not.
    pub(super) fn release(
        &self,
        owner: &Attachment,
        known: &BTreeSet<IpAddr>,
    ) -> Result<(), Failure> {
        let known: Vec<_> = known.iter().copied().collect();
        self.ask("give the pod's addresses back", |ipam| {
            ipam.del(owner, &known)
        })
        .map(drop)
    }

    /// Whether the owner still has them.
    pub(super) fn check(&self, owner: &Attachment, addresses: &[IpAddr]) -> Result<(), Failure> {
        self.ask("find the pod's addresses reserved", |ipam| {
            ipam.check(owner, addresses)
        })
    }

    /// Whether there are any left.
    pub(super) fn status(&self) -> Result<(), Failure> {
        #[expect(
            clippy::redundant_closure_for_method_calls,
            reason = "the method itself is of one lifetime"
        )]
        self.ask("give a pod an address", |ipam| ipam.status())
    }

    /// Gives back what nobody has any more.
    pub(super) fn collect(
        &self,
        is_valid: &dyn Fn(&Reservation) -> bool,
    ) -> Result<Collected, Failure> {
        self.ask("give addresses back that no pod has", |ipam| {
            ipam.gc(is_valid)
        })
    }
}
