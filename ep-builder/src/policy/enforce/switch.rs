//! The switch from one revision to the next: disk and maps together.
//!
//! Old and new entries lie beside each other until every endpoint stands at the new revision and no program
//! that has read the old one runs any more. `current` divides what is taken back from what is ended.

use super::apply::{Applied, Prepared, Staged, changes, records};
use super::{EnforceError, Enforcement, Member, for_each};
use crate::bpf::wait_for_running_programs;
use crate::maps::{MapsError, Prefix};
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
            self.take_back(exclusive, revision, &members)
                .unwrap_or_default();
            return Err(error);
        }
        let ended = self.end(exclusive, revision, &members);
        ended.map_err(|source| EnforceError::Unsettled {
            revision,
            source: Box::new(source),
        })?;
        Ok(Applied {
            revision,
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
        match self.maps.ipcache() {
            Ok(mut ipcache) => Ok(ipcache.insert_networks(revision, networks)?),
            Err(MapsError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn insert(&self, revision: u32, staged: &Staged) -> Result<(), EnforceError> {
        let Some(mut policy) = self.policy_of(&staged.member)? else {
            return Ok(());
        };
        let inserted = policy.insert_all(revision, &staged.rows);
        inserted.map_err(|source| EnforceError::Endpoint {
            id: staged.member.id,
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

    fn take_back(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        members: &[Member],
    ) -> Result<(), EnforceError> {
        for_each(members, |member| match self.policy_of(member)? {
            Some(mut policy) => Ok(policy.remove_generation(revision)?),
            None => Ok::<_, EnforceError>(()),
        })?;
        match self.maps.ipcache() {
            Ok(mut ipcache) => ipcache.remove_networks(revision)?,
            Err(MapsError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        exclusive.remove(revision)?;
        Ok(exclusive.settle()?)
    }

    fn end(
        &self,
        exclusive: &Exclusive<'_>,
        revision: u32,
        members: &[Member],
    ) -> Result<(), EnforceError> {
        let moved: Vec<_> = members.iter().map(|member| (member.id, revision)).collect();
        if !moved.is_empty() {
            self.maps.policy_revisions()?.set_all(&moved)?;
            // A program that has read the old revision may still look for its entries.
            wait_for_running_programs();
        }
        let members: Vec<_> = members
            .iter()
            .map(|member| Member {
                revision,
                ..*member
            })
            .collect();
        self.tidy(exclusive, &members, Some(revision))
    }
}
