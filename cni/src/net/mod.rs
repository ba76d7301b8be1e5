//! Links, addresses and routes of a pod.
//!
//! One `RTM_NEWLINK` makes the veth pair with its other end already inside the pod, both named and with both
//! hardware addresses; nothing is ever moved or renamed, and ADD and DEL list nothing. [`wire`] has the steps
//! of an ADD, [`host`] what DEL and GC need, [`plan`] decides addresses and routes, [`shaping`]
//! limits rates, [`observe`] looks at what is there for CHECK. A host end is known by its alias; `link.rs` says how one without is.

mod error;
mod host;
mod link;
mod netns;
mod observe;
mod pair;
mod plan;
mod route;
mod settings;
mod shaping;
mod socket;
mod wire;

pub(crate) use error::{Class, NetError};
pub(crate) use host::{HostSide, Removal};
pub(crate) use link::{Link, Owner};
pub(crate) use netns::Netns;
pub(crate) use observe::first_difference;
pub(crate) use pair::{Pair, PairSpec};
pub(crate) use plan::{Plan, PlanError, gateway_of};
pub(crate) use shaping::limit;
pub(crate) use wire::Wire;

#[cfg(test)]
mod tests;
