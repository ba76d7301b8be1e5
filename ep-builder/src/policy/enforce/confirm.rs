//! A policy that is in force for a time, unless somebody says that it shall stay: what locked its operator out is over
//! when the time is.
//!
//! What to go back to is on disk before the new policy is in force. Whoever looks at policies behind the deadline goes
//! back first: the process that waits, the next command, the next pod.

use std::time::Duration;

use super::apply::{Applied, Prepared};
use super::told::Told;
use super::{EnforceError, Enforcement};
use crate::policy::{Documents, Exclusive, Pending, StoreError, Uptime};

/// A policy in force that waits to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The revision to go back to; none for no policy at all.
    pub previous: Option<u32>,
    /// How long it waits.
    pub left: Duration,
}

impl Enforcement<'_> {
    /// As [`Enforcement::apply`], for so long: if nobody confirms it until then, the policy before it comes back.
    pub fn apply_for(
        &self,
        documents: &Documents,
        span: Duration,
    ) -> Result<Applied, EnforceError> {
        let (exclusive, prepared) = self.prepared(documents)?;
        let previous = self.policies.current()?;
        // What cannot be gone back to must not be left.
        previous.map(|revision| self.told(revision)).transpose()?;
        let until = Uptime::now()?.after(span);
        self.switch(&exclusive, &prepared, || {
            Ok(exclusive.put_pending(&Pending { previous, until })?)
        })
    }

    /// Documents, ready to be put in force by who has the right to.
    pub(super) fn prepared(
        &self,
        documents: &Documents,
    ) -> Result<(Exclusive<'_>, Prepared), EnforceError> {
        let exclusive = self.policies.exclude()?;
        self.settle(&exclusive, self.current_if_whole()?)?;
        match self.end_if_due(&exclusive) {
            // What cannot be read is no reason to refuse a new policy.
            Err(EnforceError::Store(StoreError::Damaged { .. } | StoreError::NoBasis { .. })) => {
                exclusive.remove_pending()?;
            }
            ended => drop(ended?),
        }
        if let Some(waiting) = self.waiting()? {
            let left = waiting.left;
            return Err(EnforceError::Unconfirmed { left });
        }
        let members = self.members()?;
        let known = self.known(&members)?;
        let prepared = self.prepare(self.telling(documents)?, &members, known)?;
        Ok((exclusive, prepared))
    }

    /// Whether the policy in force waits to be confirmed, or to be taken back.
    pub fn waiting(&self) -> Result<Option<Waiting>, EnforceError> {
        let Some(pending) = self.policies.pending()? else {
            return Ok(None);
        };
        Ok(Some(Waiting {
            previous: pending.previous,
            left: pending.until.left(&Uptime::now()?),
        }))
    }

    /// Lets the policy in force stay.
    pub fn confirm(&self) -> Result<u32, EnforceError> {
        let exclusive = self.policies.exclude()?;
        let current = self.policies.current()?;
        self.settle(&exclusive, current)?;
        if self.end_if_due(&exclusive)?.is_some() {
            return Err(EnforceError::TooLate);
        }
        let (Some(_), Some(current)) = (self.waiting()?, current) else {
            return Err(EnforceError::NothingToConfirm);
        };
        exclusive.remove_pending()?;
        exclusive.keep_only([current])?;
        Ok(current)
    }

    /// Puts the policy before one that waits in force again, now.
    pub fn take_back(&self) -> Result<Applied, EnforceError> {
        let exclusive = self.policies.exclude()?;
        self.settle(&exclusive, self.policies.current()?)?;
        match self.policies.pending()? {
            Some(pending) => self.go_back(&exclusive, &pending),
            None => Err(EnforceError::NothingToConfirm),
        }
    }

    /// Likewise, if its time is over; says whether it was.
    pub fn take_back_if_due(&self) -> Result<Option<Applied>, EnforceError> {
        match self.waiting()? {
            Some(waiting) if waiting.left.is_zero() => {}
            _ => return Ok(None),
        }
        let exclusive = self.policies.exclude()?;
        self.settle(&exclusive, self.policies.current()?)?;
        self.end_if_due(&exclusive)
    }

    /// Likewise, by who has the right to change the policy.
    pub(super) fn end_if_due(
        &self,
        exclusive: &Exclusive<'_>,
    ) -> Result<Option<Applied>, EnforceError> {
        match self.policies.pending()? {
            Some(pending) if pending.until.left(&Uptime::now()?).is_zero() => {
                self.go_back(exclusive, &pending).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Whether these documents are what the policy in force was made from.
    pub fn is_in_force(&self, documents: &Documents) -> Result<bool, EnforceError> {
        let Some(current) = self.policies.current()? else {
            return Ok(false);
        };
        let ours = self.telling(documents)?.sources;
        Ok(self.policies.sources(current)?.files == ours.files)
    }

    /// The record goes last: who dies before that goes back once more, to the same.
    fn go_back(
        &self,
        exclusive: &Exclusive<'_>,
        pending: &Pending,
    ) -> Result<Applied, EnforceError> {
        let told = match pending.previous {
            Some(revision) => self.told(revision)?,
            None => Told::nothing(self.allows_localhost()),
        };
        let members = self.members()?;
        let known = self.known(&members)?;
        let prepared = self.prepare(told, &members, known)?;
        let applied = self.switch::<EnforceError>(exclusive, &prepared, || Ok(()))?;
        exclusive.remove_pending()?;
        exclusive.keep_only([applied.revision])?;
        Ok(applied)
    }
}
