//! An endpoint's policy changed by hand: a new revision with other entries, put in force as a whole.

use std::collections::BTreeMap;

use super::error::MapsError;
use super::ipcache::IpcacheMap;
use super::policy::{Counters, Decision, PolicyMap, Rule};
use super::revisions::{BY_HAND, next_by_hand};
use super::{Maps, Prefix};
use crate::bpf::wait_for_running_programs;
use crate::endpoint::EndpointId;

/// The entries of an endpoint under one revision.
pub type Generation = BTreeMap<Rule, (Decision, Counters)>;

impl Maps {
    /// Changes the entries of an endpoint. No packet sees some of the old ones and some of the new ones, and
    /// what conntrack allowed is asked anew. Where it fails the old ones stay in force.
    ///
    /// The revision is none of the node's: it lasts until a policy of the node is put in force.
    pub fn edit_policy(
        &self,
        id: EndpointId,
        change: impl FnOnce(&mut Generation),
    ) -> Result<(), MapsError> {
        let (mut policy, mut ipcache) = (self.policy(id)?, self.ipcache()?);
        let mut revisions = self.policy_revisions()?;
        let old = revisions.get(id)?;
        let new = next_by_hand(id, old);
        let mut entries = policy.generation(old)?;
        change(&mut entries);
        let networks = ipcache.networks(old)?;
        // What a killed process left under this number.
        forget(&mut policy, &mut ipcache, new)?;
        if let Err(error) = write(&mut policy, &mut ipcache, new, &entries, &networks) {
            forget(&mut policy, &mut ipcache, new)?;
            return Err(error);
        }
        revisions.set(id, new)?;
        wait_for_running_programs();
        policy.keep_only(new)?;
        if old & BY_HAND != 0 {
            ipcache.remove_networks(old)?;
        }
        Ok(())
    }
}

fn write(
    policy: &mut PolicyMap,
    ipcache: &mut IpcacheMap,
    revision: u32,
    entries: &Generation,
    networks: &[(Prefix, u32)],
) -> Result<(), MapsError> {
    ipcache.insert_networks(revision, networks)?;
    let entries = entries.iter();
    let entries = entries.map(|(rule, (decision, counters))| (*rule, *decision, *counters));
    policy.insert_all(revision, &entries.collect::<Vec<_>>())
}

fn forget(
    policy: &mut PolicyMap,
    ipcache: &mut IpcacheMap,
    revision: u32,
) -> Result<(), MapsError> {
    policy.remove_generation(revision)?;
    ipcache.remove_networks(revision)
}
