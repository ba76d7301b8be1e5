//! The node's own part: which devices lead outside, the pair `weir_host` and `weir_net`, the programs on all of
//! them, gateways, routes, settings of the kernel, and the record of it.
//!
//! [`ensure()`] makes all of it and is called by every ADD that needs it: with all in place it asks the kernel some
//! questions, and their number does not depend on pods. What is decided is in [`plan`], without I/O. The record is
//! written before anything is made, so whoever comes after a process that died finishes its work, or
//! [`cleanup()`] undoes it.

mod addresses;
mod cleanup;
mod ensure;
mod error;
mod glance;
mod kernel;
mod links;
mod network;
mod networks;
mod pair;
mod plan;
mod pods;
mod policy;
pub mod programs;
mod record;
mod routes;
mod setup;
mod status;

pub use addresses::{Address, Hints};
pub use cleanup::{Cleaned, cleanup, needs, refuse_needed};
pub use ensure::{Ensured, Need, Thoroughness, ensure};
pub use error::{NodeError, Task};
pub use glance::{first_difference, possible};
pub use kernel::Change;
pub use links::{Framing, Link};
pub use networks::join;
pub use pair::{HOST, NET};
pub use plan::{Facts, Plan};
pub use pods::remove_pod_link;
pub use record::{DeviceRecord, NodeAddress, PodNetwork, Record, Stage, recorded};
pub use routes::DefaultRoute;
pub use status::{DeviceStatus, HookStatus, Missing, NodeStatus, status};
