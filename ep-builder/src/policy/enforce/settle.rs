//! The end of a change: whoever finds one that was not ended goes on from there.

use std::collections::BTreeSet;

use super::members::{UNJUDGED, present};
use super::{EnforceError, Enforcement, Holder, Member, for_each};
use crate::maps::{BY_HAND, MapsError, OpenPort, PolicyMap};
use crate::policy::Exclusive;

impl Enforcement<'_> {
    /// Ends what a killed process began, if one did; says whether. Who is changing the policy now ends it himself.
    pub fn settle_if_left(&self) -> Result<bool, EnforceError> {
        if !self.policies.is_unsettled() {
            return Ok(false);
        }
        let exclusive = match self.policies.exclude() {
            Err(error) if error.is_busy() => return Ok(false),
            exclusive => exclusive?,
        };
        let is_left = self.policies.is_unsettled();
        self.settle(&exclusive, self.policies.current()?)?;
        Ok(is_left)
    }

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
        let due = for_each(&members, |member| self.due(member, current))?;
        let mut moved = Vec::new();
        for (member, due) in members.iter_mut().zip(due) {
            if let Some(revision) = due {
                member.revision = revision;
                moved.push(*member);
            }
        }
        self.turn(&moved, &self.open_under(&moved)?)?;
        self.tidy(exclusive, &members, current)
    }

    /// The revision to which somebody is to be turned: the one in force, of which they have all entries while they
    /// stand at another one. What the one in force says nothing of is judged no more.
    fn due(&self, member: &Member, current: Option<u32>) -> Result<Option<u32>, EnforceError> {
        let Some(current) = current.filter(|current| *current != member.revision) else {
            return Ok(None);
        };
        if member.revision & BY_HAND != 0 {
            return Ok(None);
        }
        let Some(stored) = self.policies.identity(current, member.identity)? else {
            let is_done = member.holder == Holder::Node && !member.is_unjudged();
            return Ok(is_done.then_some(UNJUDGED));
        };
        let Some(policy) = self.policy_of(member)? else {
            return Ok(None);
        };
        let is_whole = policy.generation(current)?.len() == stored.policy.entries.len();
        Ok((is_whole && stored.is_complete).then_some(current))
    }

    /// The ports that are open on the node by the revision to which it is about to be turned, if it is.
    fn open_under(&self, members: &[Member]) -> Result<BTreeSet<OpenPort>, EnforceError> {
        let mut judged = members.iter();
        let node = judged.find(|it| it.holder == Holder::Node && !it.is_unjudged());
        let basis = node.map(|node| self.policies.basis(node.revision));
        Ok(basis.transpose()?.unwrap_or_default().node.open)
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
        if let Some(mut ipcache) = present(self.maps.ipcache())? {
            for revision in ipcache.revisions()?.difference(&in_use) {
                ipcache.remove_networks(*revision)?;
            }
        }
        let pending = self.policies.pending()?;
        if pending.is_none() {
            // One of a change that never came to be must not become one of the next change.
            exclusive.remove_pending()?;
        }
        let previous = pending.and_then(|pending| pending.previous);
        exclusive.keep_only(current.into_iter().chain(previous))?;
        Ok(exclusive.settle()?)
    }

    /// Somebody's policy map; none of one that was removed since it was looked for.
    pub(super) fn policy_of(&self, member: &Member) -> Result<Option<PolicyMap>, EnforceError> {
        Ok(present(self.map_of(member.holder))?)
    }

    /// The policy map of an endpoint, or of the node.
    pub(super) fn map_of(&self, holder: Holder) -> Result<PolicyMap, MapsError> {
        match holder {
            Holder::Node => self.maps.node_policy(),
            Holder::Endpoint(id) => self.maps.policy(id),
        }
    }
}
