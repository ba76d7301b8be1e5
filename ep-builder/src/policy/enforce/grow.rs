//! A new identity under the policy in force: its own policy, and what those of the others say of it.
//!
//! Its file comes first, marked as incomplete: whoever finds that mark, whatever became of who began, begins
//! again. A number that another set had before is no new identity: entries everywhere may be about that set, so
//! everything is compiled anew under a new revision.

use std::collections::BTreeMap;

use super::pods::{Known, Pods, facts};
use super::{EnforceError, Enforcement, Member, for_each};
use crate::maps::{Counters, Rule};
use crate::policy::{Exclusive, HOST, Introduced, PolicyEntry, StoreError, Stored, introduce};

impl Enforcement<'_> {
    /// Sees to it that the policy in force knows an identity. The pods that have it are met by nobody yet.
    pub(super) fn acquaint(
        &self,
        exclusive: &Exclusive<'_>,
        identity: u32,
        pods: &Pods,
    ) -> Result<(), EnforceError> {
        let current = self.policies.current()?;
        self.settle(exclusive, current)?;
        let Some(revision) = current else {
            return Ok(());
        };
        match self.policies.identity(revision, identity) {
            Ok(Some(stored)) if stored.labels != pods.labels => {
                self.renew(exclusive, revision, identity, pods)
            }
            Ok(Some(stored)) if stored.is_complete => Ok(()),
            Ok(_) => self.grow(exclusive, revision, identity, pods),
            Err(StoreError::Damaged { .. }) => self.renew(exclusive, revision, identity, pods),
            Err(error) => Err(error.into()),
        }
    }

    /// The documents in force, compiled for the pods that there are now, under a new revision.
    fn renew(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        identity: u32,
        pods: &Pods,
    ) -> Result<(), EnforceError> {
        let told = self.told(revision)?;
        let members = self.members()?;
        let mut known = self.known(&members)?;
        known.insert(identity, pods.clone());
        let prepared = self.prepare(told, &members, known)?;
        self.switch(exclusive, &prepared, || Ok(()))
            .map(|_applied| ())
    }

    fn grow(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        identity: u32,
        pods: &Pods,
    ) -> Result<(), EnforceError> {
        let members = self.members()?;
        let mut known = self.known(&members)?;
        known.remove(&identity);
        let others = match self.compiled_for(exclusive, revision, identity, known)? {
            Others::AsCompiled(others) => others,
            Others::Renumbered => return self.renew(exclusive, revision, identity, pods),
        };
        let basis = self.policies.basis(revision)?;
        let options = self.options(basis.allow_localhost);
        let introduced = introduce(
            &basis.set,
            &others,
            &basis.node.facts,
            identity,
            &pods.facts,
            &options,
        )?;
        self.make_room(&members, &introduced)?;
        let mut own = Stored {
            identity,
            labels: pods.labels.clone(),
            is_complete: false,
            policy: introduced.subject.clone(),
        };
        exclusive.put_identity(revision, &own)?;
        for (other, additions) in &introduced.additions {
            if let Some(mut stored) = self.policies.identity(revision, *other)? {
                merge(&mut stored.policy.entries, additions);
                exclusive.put_identity(revision, &stored)?;
            }
        }
        for_each(&members, |member| self.add(member, &introduced))?;
        own.is_complete = true;
        Ok(exclusive.put_identity(revision, &own)?)
    }

    /// The other identities that the revision was compiled for, as they are now. One that was taken back since
    /// misses what is added from now on, and is to be introduced again if it comes back.
    fn compiled_for(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        identity: u32,
        mut known: Known,
    ) -> Result<Others, EnforceError> {
        let mut others = Known::new();
        for other in self.policies.identities(revision)? {
            // The node is known by what the revision itself says of it.
            if other == identity || other == HOST {
                continue;
            }
            let Some(mut stored) = self.policies.identity(revision, other)? else {
                continue;
            };
            match known.remove(&other) {
                Some(pods) if pods.labels != stored.labels => return Ok(Others::Renumbered),
                Some(pods) => drop(others.insert(other, pods)),
                None if stored.is_complete => {
                    stored.is_complete = false;
                    exclusive.put_identity(revision, &stored)?;
                }
                None => {}
            }
        }
        Ok(Others::AsCompiled(facts(&others)))
    }

    fn make_room(&self, members: &[Member], new: &Introduced) -> Result<(), EnforceError> {
        for member in members {
            let (Some(additions), Some(policy)) =
                (new.additions.get(&member.identity), self.policy_of(member)?)
            else {
                continue;
            };
            let old = policy.generation(member.revision)?;
            let is_new = |entry: &&PolicyEntry| !old.contains_key(&entry.rule);
            let (old, new) = (old.len(), additions.iter().filter(is_new).count());
            let max = usize::try_from(policy.max_entries()).unwrap_or(usize::MAX);
            if old + new > max {
                return Err(EnforceError::NoRoom {
                    holder: member.holder,
                    path: self.maps.pin(member.holder.map()),
                    old,
                    new,
                    max,
                });
            }
        }
        Ok(())
    }

    fn add(&self, member: &Member, new: &Introduced) -> Result<(), EnforceError> {
        let (Some(additions), Some(mut policy)) =
            (new.additions.get(&member.identity), self.policy_of(member)?)
        else {
            return Ok(());
        };
        let rows: Vec<_> = additions
            .iter()
            .map(|entry| (entry.rule, entry.decision, Counters::default()))
            .collect();
        let added = policy.insert_all(member.revision, &rows);
        added.map_err(|source| EnforceError::Holder {
            holder: member.holder,
            source,
        })
    }
}

/// The pods that a revision was compiled for.
enum Others {
    AsCompiled(BTreeMap<u32, crate::policy::PodFacts>),
    /// A number has been given to another set since.
    Renumbered,
}

/// Puts entries into a sorted list, each in the place of one with its rule.
fn merge(entries: &mut Vec<PolicyEntry>, additions: &[PolicyEntry]) {
    let mut merged: BTreeMap<Rule, PolicyEntry> =
        entries.iter().map(|entry| (entry.rule, *entry)).collect();
    merged.extend(additions.iter().map(|entry| (entry.rule, *entry)));
    *entries = merged.into_values().collect();
}
