//! Giving a set its number: the slow path, under the lock.

use super::error::{Damage, IdentityError};
use super::file::{self, Stored};
use super::folder::Listing;
use super::number;
use super::{Identities, Look};
use crate::endpoint::Labels;
use crate::step::Step;

impl Identities {
    /// The number of a set that was not found at a glance: found after all, repaired, or new.
    pub(super) fn assign(&self, labels: &Labels) -> Result<u32, IdentityError> {
        let _lock = self.lock()?;
        let listing = self.order()?;
        let digest = file::digest(labels);
        match self.look(labels)? {
            Look::Known(number) => return Ok(number),
            Look::Absent => {}
            Look::Wrong(damage) => {
                if let Some(number) = self.number_under(&damage, &digest, &listing) {
                    return self.rebuild(number, labels);
                }
                let path = self.folder.digest(&digest);
                self.steps.run(&[Step::Remove(path)])?;
            }
        }
        self.create(labels, &digest, &listing)
    }

    /// The number of a set whose file is damaged: its other name says it. A file that is whole and another
    /// set's has that name for a reason.
    fn number_under(&self, damage: &Damage, digest: &str, listing: &Listing) -> Option<u32> {
        let number = listing.number_of(digest)?;
        let is_others = matches!(damage, Damage::OtherLabels | Damage::OtherNumber(_))
            && self.folder.read_number(number).is_ok();
        (!is_others).then_some(number)
    }

    fn rebuild(&self, number: u32, labels: &Labels) -> Result<u32, IdentityError> {
        self.put(number, labels)?;
        self.pair()?;
        self.sync()?;
        Ok(number)
    }

    /// Gives a set a number. The name by number is there first, so the number is taken from then on; the
    /// name by digest makes it found; the last step says where the next one goes on, and is no loss.
    fn create(
        &self,
        labels: &Labels,
        digest: &str,
        listing: &Listing,
    ) -> Result<u32, IdentityError> {
        let highest = || listing.numbers.keys().next_back().copied();
        let number = number::after(self.last_given().or_else(highest))
            .find(|number| !listing.numbers.contains_key(number))
            .ok_or(IdentityError::Full)?;
        let text = Stored::new(number, labels).encode()?;
        let new = self.folder.new_file();
        self.steps.run(&[
            Step::Write(new.clone(), &text),
            Step::Link(new.clone(), self.folder.number(number)),
            Step::Link(new.clone(), self.folder.digest(digest)),
            Step::Rename(new, self.folder.last_given()),
        ])?;
        self.sync()?;
        Ok(number)
    }

    pub(super) fn sync(&self) -> Result<(), IdentityError> {
        let folder = self.folder.path().to_owned();
        Ok(self.steps.run(&[Step::Sync(folder)])?)
    }
}
