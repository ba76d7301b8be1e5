//! Policy in force: from compiled policies to the maps of all endpoints, as one change.
//!
//! ```text
//! documents, identities -> [compile] -> revision on disk -> entries beside the old ones -> `current` -> revision
//!    words -> [grace period] -> old entries go
//! ```
//!
//! Up to `current` any failure takes back what was written, and the old policy goes on; behind it whoever comes
//! next goes on to the end. A packet reads its endpoint's revision once, so it is judged by the old policy or by
//! the new one. An endpoint that begins reads one file; what its labels mean to the others is told to these
//! before anybody can meet it. `docs/decisions/0022-policy-in-force.md` has the reasons.

mod apply;
mod changes;
mod confirm;
mod error;
mod grow;
mod install;
mod live;
mod members;
mod node;
mod pods;
mod relabel;
mod restore;
mod settle;
mod switch;
mod told;
mod whole;

use std::thread;

pub use apply::{Applied, Plan};
pub use changes::{Change, Isolation};
pub use confirm::Waiting;
pub use error::EnforceError;
pub use live::{InForceEntry, PeerName, state_of};
pub use members::{Holder, Member};
pub use whole::Whole;

use super::PolicyStore;
use crate::maps::Maps;
use crate::settings::{AllowLocalhost, Settings};
use crate::state::Store;

/// The policy of a node: on disk, and in the maps of its endpoints and its own.
#[derive(Debug)]
pub struct Enforcement<'a> {
    settings: &'a Settings,
    endpoints: &'a Store,
    policies: PolicyStore,
    maps: Maps,
}

impl<'a> Enforcement<'a> {
    /// The policy of the node with these settings and endpoints.
    pub fn new(settings: &'a Settings, endpoints: &'a Store) -> Self {
        Self {
            settings,
            endpoints,
            policies: PolicyStore::new(endpoints.layout().root()),
            maps: Maps::new(&settings.paths.bpffs_dir, &settings.node.map_prefix),
        }
    }

    /// The policy on disk.
    pub fn policies(&self) -> &PolicyStore {
        &self.policies
    }

    fn allows_localhost(&self) -> bool {
        self.settings.policy.allow_localhost == AllowLocalhost::Always
    }
}

/// Does something for each of many, on as many processors as there are; the results in their order. The first
/// error counts, and those that had begun come to their end.
fn for_each<T: Sync, R: Send, E: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let hands = thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(hands).max(1);
    let done: Vec<Result<Vec<R>, E>> = thread::scope(|scope| {
        let work = &work;
        let shares = items.chunks(share);
        let hands: Vec<_> = shares
            .map(|share| scope.spawn(move || share.iter().map(work).collect()))
            .collect();
        let joined = hands.into_iter().map(|hand| match hand.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect()
    });
    let mut all = Vec::with_capacity(items.len());
    for share in done {
        all.extend(share?);
    }
    Ok(all)
}
