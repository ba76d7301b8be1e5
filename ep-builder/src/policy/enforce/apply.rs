//! A new policy for all endpoints: what it will change, and the change.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::changes::{Change, Numbered, Row, numbered, staged};
use super::members::present;
use super::pods::{Known, facts};
use super::told::Told;
use super::{EnforceError, Enforcement, Holder, Member, for_each};
use crate::maps::{BY_HAND, MapName};
use crate::policy::{
    CompileOptions, Compiled, Documents, HOST, StoreError, Stored, SubjectPolicy, compile,
};

/// What putting documents in force will change.
#[derive(Debug)]
pub struct Plan {
    /// The revision in force; none before the first one.
    pub current: Option<u32>,
    /// What becomes of the node and of each endpoint, in the order of their ids.
    pub changes: Vec<Change>,
    /// Whether a document speaks for the node, and the part of the node that judges is not there yet.
    pub waits_for_node: bool,
}

/// Documents that were put in force.
#[derive(Debug)]
pub struct Applied {
    /// The revision.
    pub revision: u32,
    /// What became of the node and of each endpoint.
    pub changes: Vec<Change>,
    /// Whether a document speaks for the node, and the part of the node that judges is not there yet.
    pub waits_for_node: bool,
}

/// All that is needed to put documents in force, and fits.
pub(super) struct Prepared {
    pub(super) told: Told,
    pub(super) compiled: Compiled,
    pub(super) known: Known,
    pub(super) staged: Vec<Staged>,
}

impl Prepared {
    pub(super) fn waits_for_node(&self) -> bool {
        let is_there = |staged: &Staged| staged.member.holder == Holder::Node;
        self.compiled.subjects.contains_key(&HOST) && !self.staged.iter().any(is_there)
    }
}

/// Somebody and their new entries.
pub(super) struct Staged {
    pub(super) member: Member,
    /// Whether the new policy judges them: of the node it may say nothing.
    pub(super) is_judged: bool,
    pub(super) rows: Vec<Row>,
    pub(super) change: Change,
}

impl Enforcement<'_> {
    /// What putting these documents in force would change. Changes nothing.
    pub fn plan(&self, documents: &Documents) -> Result<Plan, EnforceError> {
        let _shared = self.policies.share()?;
        let current = self.current_if_whole()?;
        let members = self.members()?;
        let known = self.known(&members)?;
        let prepared = self.prepare(self.telling(documents)?, &members, known)?;
        Ok(Plan {
            current,
            waits_for_node: prepared.waits_for_node(),
            changes: changes(&prepared.staged),
        })
    }

    /// Puts documents in force for all endpoints. When it returns, every packet is judged by them; if it fails,
    /// the policy that was in force goes on.
    pub fn apply(&self, documents: &Documents) -> Result<Applied, EnforceError> {
        let (exclusive, prepared) = self.prepared(documents)?;
        self.switch(&exclusive, &prepared, || Ok(()))
    }

    /// The revision in force. One that cannot be read is no reason to refuse a new one.
    pub(super) fn current_if_whole(&self) -> Result<Option<u32>, EnforceError> {
        match self.policies.current() {
            Err(StoreError::Damaged { .. }) => Ok(None),
            other => Ok(other?),
        }
    }

    pub(super) fn options(&self, allow_localhost: bool) -> CompileOptions {
        CompileOptions {
            allow_localhost,
            max_entries: usize::try_from(self.settings.node.sizes.policy).unwrap_or(usize::MAX),
        }
    }

    /// Compiles, and compares with what the maps hold. What does not fit is told here.
    pub(super) fn prepare(
        &self,
        told: Told,
        members: &[Member],
        known: Known,
    ) -> Result<Prepared, EnforceError> {
        let options = self.options(told.basis.allow_localhost);
        let compiled = compile(
            &told.basis.set,
            &facts(&known),
            &told.basis.node.facts,
            &options,
        )?;
        let old_networks = self.networks_in_maps(members, compiled.networks.len())?;
        let new_networks = numbered(&compiled.networks);
        let staged = for_each(members, |member| {
            let old_networks = old_networks.get(&member.revision);
            let new = compiled.subjects.get(&member.identity);
            self.stage(member, old_networks, new, &new_networks)
        })?;
        Ok(Prepared {
            told,
            compiled,
            known,
            staged: staged.into_iter().flatten().collect(),
        })
    }

    /// The networks of each revision that endpoints stand at, if there is room for as many more.
    fn networks_in_maps(
        &self,
        members: &[Member],
        more: usize,
    ) -> Result<BTreeMap<u32, Numbered>, EnforceError> {
        let Some(ipcache) = present(self.maps.ipcache())? else {
            return Ok(BTreeMap::new());
        };
        if more > 0 {
            let old = self.maps.count(MapName::Ipcache)?.unwrap_or_default();
            let max = usize::try_from(ipcache.max_entries()).unwrap_or(usize::MAX);
            if old + more > max {
                return Err(EnforceError::NoRoomForNetworks {
                    path: self.maps.pin(MapName::Ipcache),
                    old,
                    new: more,
                    max,
                });
            }
        }
        let mut networks = BTreeMap::new();
        for member in members {
            if let Entry::Vacant(vacant) = networks.entry(member.revision) {
                vacant.insert(numbered(&ipcache.networks(member.revision)?));
            }
        }
        Ok(networks)
    }

    fn stage(
        &self,
        member: &Member,
        old_networks: Option<&Numbered>,
        new: Option<&SubjectPolicy>,
        new_networks: &Numbered,
    ) -> Result<Option<Staged>, EnforceError> {
        let nothing = SubjectPolicy::default();
        let is_judged = new.is_some();
        let new = match (new, member.holder) {
            (Some(new), _) => new,
            (None, Holder::Node) if !member.is_unjudged() => &nothing,
            (None, _) => return Ok(None),
        };
        let Some(policy) = self.policy_of(member)? else {
            return Ok(None);
        };
        let old = policy.generation(member.revision)?;
        let none = Numbered::new();
        let old_networks = old_networks.unwrap_or(&none);
        let (rows, change) = staged(member, &old, old_networks, new, new_networks);
        let max = usize::try_from(policy.max_entries()).unwrap_or(usize::MAX);
        if old.len() + rows.len() > max {
            return Err(EnforceError::NoRoom {
                holder: member.holder,
                path: self.maps.pin(member.holder.map()),
                old: old.len(),
                new: rows.len(),
                max,
            });
        }
        Ok(Some(Staged {
            member: *member,
            is_judged,
            rows,
            change,
        }))
    }

    /// A number that no entry anywhere has: above those on disk, and above those in the maps, because a state
    /// folder may have been wiped under endpoints that run.
    pub(super) fn next_revision(&self, members: &[Member]) -> Result<u32, EnforceError> {
        let mut used = self.policies.revisions()?;
        used.extend(self.current_if_whole()?);
        used.extend(members.iter().map(|member| member.revision));
        if let Some(ipcache) = present(self.maps.ipcache())? {
            used.extend(ipcache.revisions()?);
        }
        let mut of_the_node = used.into_iter().filter(|revision| revision & BY_HAND == 0);
        Ok(of_the_node.next_back().unwrap_or_default() + 1)
    }
}

/// What becomes of each.
pub(super) fn changes(staged: &[Staged]) -> Vec<Change> {
    let mut changes: Vec<_> = staged.iter().map(|staged| staged.change).collect();
    changes.sort_by_key(|change| change.endpoint);
    changes
}

/// What stands where others have the digest of their labels.
const OF_NO_LABELS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What is kept of the policies of all identities.
pub(super) fn records(compiled: &Compiled, known: &Known) -> Vec<Stored> {
    let subjects = compiled.subjects.iter();
    let records = subjects.filter_map(|(identity, policy)| {
        let labels = match *identity {
            HOST => OF_NO_LABELS.to_owned(),
            pods => known.get(&pods)?.labels.clone(),
        };
        Some(Stored {
            identity: *identity,
            labels,
            is_complete: true,
            policy: policy.clone(),
        })
    });
    records.collect()
}
