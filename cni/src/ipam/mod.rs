//! Addresses: the embedded allocator, or another plugin by the rules of the specification.
//!
//! `ipam.type` decides. `weir` is the embedded allocator ([`embedded`]), which takes the configuration of
//! `host-local` and keeps its files; anything else is a program that is asked ([`delegate`]).

mod config;
mod delegate;
mod embedded;
mod error;
mod resolv;
mod store;

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use delegate::Delegate;
use embedded::Embedded;
pub(crate) use error::Error;
pub(crate) use store::{Collected, Holder, Reservation};

use crate::names::Attachment;
use crate::netconf::{Common, WishedIp};
use crate::result::Outcome;

/// `ipam.type` of the embedded allocator.
pub(crate) const EMBEDDED: &str = "weir";

/// What an address manager is told of a call.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    /// The configuration.
    pub(crate) conf: &'a Common,
    /// The addresses this pod must get; ADD alone knows any.
    pub(crate) wished: &'a [WishedIp],
    /// `runtimeConfig.ipRanges`; ADD alone knows any.
    pub(crate) ip_ranges: Option<&'a Value>,
    /// The whole environment: another plugin gets it with another command.
    pub(crate) environment: &'a [(OsString, OsString)],
    /// The folders of plugins.
    pub(crate) path: &'a [PathBuf],
    /// Where state is kept; addresses lie below it unless `ipam.dataDir` says otherwise.
    pub(crate) state_dir: &'a Path,
    /// Addresses that no pod may get, besides the gateways.
    pub(crate) reserved: &'a [IpAddr],
    /// How long to wait for the lock of the network.
    pub(crate) wait: Duration,
    /// How long another plugin may take, each time it is asked.
    pub(crate) deadline: Duration,
}

/// Who manages the addresses of a network.
#[derive(Clone, Debug)]
pub(crate) enum Ipam<'a> {
    /// Nobody: pods get none.
    None,
    /// This process.
    Embedded(Embedded<'a>),
    /// Another plugin.
    Delegated(Delegate<'a>),
}

impl<'a> Ipam<'a> {
    /// Reads who it is.
    pub(crate) fn of(call: &'a Call<'a>) -> Self {
        match &call.conf.ipam {
            None => Self::None,
            Some(ipam) if ipam.kind == EMBEDDED => Self::Embedded(Embedded::new(call, ipam)),
            Some(ipam) => Self::Delegated(Delegate::new(&ipam.kind, call)),
        }
    }

    /// Gives the owner its addresses. On a failure nothing is left reserved. One that has some already is refused:
    /// whoever knows them for a leftover calls [`Self::del`] first.
    pub(crate) fn add(&self, owner: &Attachment) -> Result<Outcome, Error> {
        match self {
            Self::None => Ok(Outcome::default()),
            Self::Embedded(embedded) => embedded.add(owner),
            Self::Delegated(delegate) => Ok(delegate.add()?),
        }
    }

    /// Gives back everything that is the owner's, at any time and any number of times. `known` are the
    /// addresses in the caller's record; without them they are looked up. Tells what was given back, where
    /// that is known.
    pub(crate) fn del(&self, owner: &Attachment, known: &[IpAddr]) -> Result<Vec<IpAddr>, Error> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::Embedded(embedded) => embedded.del(owner, known),
            Self::Delegated(delegate) => {
                delegate.del()?;
                Ok(Vec::new())
            }
        }
    }

    /// Whether the owner still has these addresses.
    pub(crate) fn check(&self, owner: &Attachment, addresses: &[IpAddr]) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Embedded(embedded) => embedded.check(owner, addresses),
            Self::Delegated(delegate) => Ok(delegate.check()?),
        }
    }

    /// Whether an ADD would get addresses now.
    pub(crate) fn status(&self) -> Result<(), Error> {
        match self {
            Self::None => Ok(()),
            Self::Embedded(embedded) => embedded.status(),
            Self::Delegated(delegate) => Ok(delegate.status()?),
        }
    }

    /// Gives back every address of this network that `is_valid` does not want kept, and tells which. Another
    /// plugin reads the list of valid attachments from stdin itself.
    pub(crate) fn gc(&self, is_valid: &dyn Fn(&Reservation) -> bool) -> Result<Collected, Error> {
        match self {
            Self::None => Ok(Collected::default()),
            Self::Embedded(embedded) => embedded.gc(is_valid),
            Self::Delegated(delegate) => {
                delegate.gc()?;
                Ok(Collected::default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
