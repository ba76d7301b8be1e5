//! The switch from one revision to the next: disk and maps together.
//!
//! Old and new entries lie beside each other until every endpoint stands at the new revision and no program
//! that has read the old one runs any more. `current` divides what is taken back from what is ended.

use std::collections::BTreeSet;

use super::apply::{Applied, Prepared, Staged, changes, records};
use super::members::{UNJUDGED, present};
use super::{EnforceError, Enforcement, Holder, Member, for_each};
use crate::bpf::wait_for_running_programs;
use crate::maps::{OpenPort, Prefix};
use crate::policy::{Draft, Exclusive};

impl Enforcement<'_> {
    /// Puts what was prepared in force. `between` is done when all entries are there and nobody goes by them
    /// yet; if it fails, so does all of it.
    pub(super) fn switch<E: From<EnforceError>>(
        &self,
        exclusive: &Exclusive<'_>,
        prepared: &Prepared,
        between: impl FnOnce() -> Result<(), E>,
    ) -> Result<Applied, E> {
        let members: Vec<_> = prepared.staged.iter().map(|staged| staged.member).collect();
        let revision = self.next_revision(&members)?;
        exclusive.unsettle().map_err(EnforceError::from)?;
        let written = self.write(exclusive, revision, prepared);
        let begun = written.map_err(E::from).and_then(|()| between());
        let published = begun.and_then(|()| self.publish(exclusive, revision).map_err(E::from));
        if let Err(error) = published {
            // What cannot be taken back now is by whoever changes the policy next.
            self.withdraw(exclusive, revision, &members)
                .unwrap_or_default();
            return Err(error);
        }
        let ended = self.end(exclusive, revision, prepared);
        ended.map_err(|source| EnforceError::Unsettled {
            revision,
            source: Box::new(source),
        })?;
        Ok(Applied {
            revision,
            waits_for_node: prepared.waits_for_node(),
            changes: changes(&prepared.staged),
        })
    }

    fn write(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        prepared: &Prepared,
    ) -> Result<(), EnforceError> {
        let compiled = &prepared.compiled;
        let draft = Draft {
            sources: &prepared.told.sources,
            basis: &prepared.told.basis,
            origins: &compiled.origins,
            networks: &compiled.networks,
            identities: &records(compiled, &prepared.known),
        };
        exclusive.write(revision, &draft)?;
        self.write_networks(revision, &compiled.networks)?;
        for_each(&prepared.staged, |staged| self.insert(revision, staged))?;
        Ok(())
    }

    /// Before the first endpoint there is no map for them: the first one that asks for networks writes them.
    pub(super) fn write_networks(
        &self,
        revision: u32,
        networks: &[(Prefix, u32)],
    ) -> Result<(), EnforceError> {
        match present(self.maps.ipcache())? {
            Some(mut ipcache) => Ok(ipcache.insert_networks(revision, networks)?),
            None => Ok(()),
        }
    }

    fn insert(&self, revision: u32, staged: &Staged) -> Result<(), EnforceError> {
        let Some(mut policy) = self.policy_of(&staged.member)? else {
            return Ok(());
        };
        let inserted = policy.insert_all(revision, &staged.rows);
        inserted.map_err(|source| EnforceError::Holder {
            holder: staged.member.holder,
            source,
        })
    }

    /// A file that was replaced is replaced, whatever failed behind that: what it says then counts.
    fn publish(&self, exclusive: &Exclusive<'_>, revision: u32) -> Result<(), EnforceError> {
        match exclusive.publish(revision) {
            Err(_) if matches!(self.policies.current(), Ok(Some(current)) if current == revision) => {
                Ok(())
            }
            other => Ok(other?),
        }
    }

    fn withdraw(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        members: &[Member],
    ) -> Result<(), EnforceError> {
        for_each(members, |member| match self.policy_of(member)? {
            Some(mut policy) => Ok(policy.remove_generation(revision)?),
            None => Ok::<_, EnforceError>(()),
        })?;
        if let Some(mut ipcache) = present(self.maps.ipcache())? {
            ipcache.remove_networks(revision)?;
        }
        if self.policies.pending()?.is_none() {
            exclusive.remove_pending()?;
        }
        exclusive.remove(revision)?;
        Ok(exclusive.settle()?)
    }

    fn end(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        prepared: &Prepared,
    ) -> Result<(), EnforceError> {
        let staged = prepared.staged.iter();
        let members: Vec<_> = staged
            .map(|staged| Member {
                revision: if staged.is_judged { revision } else { UNJUDGED },
                ..staged.member
            })
            .collect();
        self.turn(&members, &prepared.told.basis.node.open)?;
        self.tidy(exclusive, &members, Some(revision))
    }

    /// Turns each to its revision, the node with these ports open.
    pub(super) fn turn(
        &self,
        members: &[Member],
        open: &BTreeSet<OpenPort>,
    ) -> Result<(), EnforceError> {
        let (mut pods, mut node) = (Vec::new(), None);
        for member in members {
            match member.holder {
                Holder::Node => node = Some(member.revision),
                Holder::Endpoint(id) => pods.push((id, member.revision)),
            }
        }
        if members.is_empty() {
            return Ok(());
        }
        if node.is_some_and(|revision| revision != UNJUDGED) {
            self.maps.node_open()?.replace(open)?;
        }
        let mut revisions = self.maps.policy_revisions()?;
        revisions.set_all_with_node(&pods, node)?;
        // A program that has read the old revision may still look for its entries.
        wait_for_running_programs();
        Ok(())
    }
}
