//! The end of a change: whoever finds one that was not ended goes on from there.

use std::collections::BTreeSet;

use super::{EnforceError, Enforcement, Member, for_each};
use crate::bpf::wait_for_running_programs;
use crate::maps::{BY_HAND, MapsError, PolicyMap};
use crate::policy::Exclusive;

impl Enforcement<'_> {
    /// Ends what a killed process began: what it had put in force is in force everywhere, and what it had not
    /// is gone.
    pub(super) fn settle(
        &self,
        exclusive: &Exclusive<'_>,
        current: Option<u32>,
    ) -> Result<(), EnforceError> {
        if !self.policies.is_unsettled() {
            return Ok(());
        }
        let mut members = self.members()?;
        let behind = for_each(&members, |member| self.is_behind(member, current))?;
        let mut moved = Vec::new();
        for (member, is_behind) in members.iter_mut().zip(behind) {
            if let (true, Some(current)) = (is_behind, current) {
                member.revision = current;
                moved.push((member.id, current));
            }
        }
        if !moved.is_empty() {
            self.maps.policy_revisions()?.set_all(&moved)?;
            wait_for_running_programs();
        }
        self.tidy(exclusive, &members, current)
    }

    /// Whether an endpoint has all entries of the revision in force, and stands at another one.
    fn is_behind(&self, member: &Member, current: Option<u32>) -> Result<bool, EnforceError> {
        let Some(current) = current.filter(|current| *current != member.revision) else {
            return Ok(false);
        };
        if member.revision & BY_HAND != 0 {
            return Ok(false);
        }
        let (Some(stored), Some(policy)) = (
            self.policies.identity(current, member.identity)?,
            self.policy_of(member)?,
        ) else {
            return Ok(false);
        };
        let is_whole = policy.generation(current)?.len() == stored.policy.entries.len();
        Ok(is_whole && stored.is_complete)
    }

    /// Removes what no endpoint goes by: entries, networks, folders.
    pub(super) fn tidy(
        &self,
        exclusive: &Exclusive<'_>,
        members: &[Member],
        current: Option<u32>,
    ) -> Result<(), EnforceError> {
        for_each(members, |member| match self.policy_of(member)? {
            Some(mut policy) => Ok(policy.keep_only(member.revision)?),
            None => Ok::<_, EnforceError>(()),
        })?;
        let mut in_use: BTreeSet<u32> = members.iter().map(|member| member.revision).collect();
        in_use.extend(current);
        match self.maps.ipcache() {
            Ok(mut ipcache) => {
                for revision in ipcache.revisions()?.difference(&in_use) {
                    ipcache.remove_networks(*revision)?;
                }
            }
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        exclusive.keep_only(current)?;
        Ok(exclusive.settle()?)
    }

    /// The policy map of an endpoint; none of one that was removed since it was looked for.
    pub(super) fn policy_of(&self, member: &Member) -> Result<Option<PolicyMap>, EnforceError> {
        match self.maps.policy(member.id) {
            Ok(policy) => Ok(Some(policy)),
            Err(MapsError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
