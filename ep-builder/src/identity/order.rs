//! Bringing the names into order, for who has the lock: after a kill from what the names alone say, after
//! damage from what the endpoints' records say.

use std::collections::HashSet;

use super::Identities;
use super::error::IdentityError;
use super::file::{self, Stored};
use super::folder::Listing;
use super::number::{FIRST, LAST};
use crate::endpoint::Labels;
use crate::step::Step;

/// The names after they were brought into order.
pub(super) struct Ordered {
    pub(super) listing: Listing,
    /// Whether something lies there that cannot be read, nor told from its other name.
    has_damage: bool,
}

/// What a name leads to.
enum Found {
    Whole(Stored),
    Damaged,
    /// A newer weir's: not ours to judge.
    Newer,
}

impl Identities {
    /// Brings the names into order, and says which there are.
    ///
    /// The records are asked only where the folder cannot know all: with damage, and before the first
    /// number is given, when there may be endpoints that have theirs from elsewhere.
    pub(super) fn order(&self) -> Result<Listing, IdentityError> {
        let ordered = self.pair()?;
        if ordered.has_damage || self.last_given().is_none() {
            return self.adopt(ordered.listing);
        }
        Ok(ordered.listing)
    }

    /// The number that was given last, where that is known.
    pub(super) fn last_given(&self) -> Option<u32> {
        let stored = Stored::read(&self.folder.last_given()).ok()?;
        Some(stored.number)
    }

    /// Gives every number its two names again.
    pub(super) fn pair(&self) -> Result<Ordered, IdentityError> {
        let mut listing = Listing::read(&self.folder)?;
        for path in listing.litter.drain(..) {
            self.steps.run(&[Step::Remove(path)])?;
        }
        let mut damaged = HashSet::new();
        for number in listing.lone_numbers() {
            match found(self.folder.read_number(number))? {
                Found::Whole(stored) => self.pair_number(&mut listing, &stored)?,
                Found::Damaged => drop(damaged.insert(number)),
                Found::Newer => {}
            }
        }
        let mut has_damage = false;
        for digest in listing.lone_digests() {
            match found(self.folder.read_digest(&digest).map(|(stored, _)| stored))? {
                Found::Whole(stored) => {
                    self.pair_digest(&mut listing, &digest, stored.number, &mut damaged)?;
                }
                Found::Damaged => has_damage = true,
                Found::Newer => {}
            }
        }
        Ok(Ordered {
            listing,
            has_damage: has_damage || !damaged.is_empty(),
        })
    }

    /// A whole number is the truth about its set. One whose set has another number, too, stays without a
    /// digest: it is only there so that no other set gets it.
    fn pair_number(&self, listing: &mut Listing, stored: &Stored) -> Result<(), IdentityError> {
        let digest = file::digest(&stored.labels);
        if listing.number_of(&digest).is_some() {
            return Ok(());
        }
        let from = self.folder.number(stored.number);
        let to = self.folder.digest(&digest);
        self.steps
            .run(&[Step::Remove(to.clone()), Step::Link(from, to)])?;
        let file = listing.numbers.get(&stored.number);
        listing.digests.extend(file.map(|file| (digest, *file)));
        Ok(())
    }

    /// A whole digest stands in for a number that is missing or damaged; if the number is another set's,
    /// it is wrong.
    fn pair_digest(
        &self,
        listing: &mut Listing,
        digest: &str,
        number: u32,
        damaged: &mut HashSet<u32>,
    ) -> Result<(), IdentityError> {
        let from = self.folder.digest(digest);
        if listing.numbers.contains_key(&number) && !damaged.remove(&number) {
            self.steps.run(&[Step::Remove(from)])?;
            listing.digests.remove(digest);
            return Ok(());
        }
        let to = self.folder.number(number);
        self.steps
            .run(&[Step::Remove(to.clone()), Step::Link(from, to)])?;
        let file = listing.digests.get(digest);
        listing.numbers.extend(file.map(|file| (number, *file)));
        Ok(())
    }

    /// Takes over the numbers that endpoints have and the folder does not know.
    fn adopt(&self, listing: Listing) -> Result<Listing, IdentityError> {
        let mut has_adopted = false;
        for (_, record) in self.store.records()?.kept {
            let (number, labels) = (record.endpoint.identity, &record.endpoint.labels);
            if !(FIRST..=LAST).contains(&number) || labels.is_empty() {
                continue;
            }
            let is_known = match self.folder.read_number(number) {
                Err(error) if error.is_absent() => false,
                read => !matches!(found(read)?, Found::Damaged),
            };
            if !is_known {
                self.put(number, labels)?;
                has_adopted = true;
            }
        }
        Ok(if has_adopted {
            self.pair()?.listing
        } else {
            listing
        })
    }

    /// Writes a number anew, in the place of what has its name. Its digest is for [`Self::pair`].
    pub(super) fn put(&self, number: u32, labels: &Labels) -> Result<(), IdentityError> {
        let text = Stored::new(number, labels).encode()?;
        let (new, path) = (self.folder.new_file(), self.folder.number(number));
        self.steps.run(&[Step::Write(new.clone(), &text)])?;
        if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
            self.steps.run(&[Step::Remove(path.clone())])?;
        }
        Ok(self.steps.run(&[Step::Rename(new, path)])?)
    }
}

fn found(read: Result<Stored, IdentityError>) -> Result<Found, IdentityError> {
    match read {
        Ok(stored) => Ok(Found::Whole(stored)),
        Err(IdentityError::Damaged { .. }) => Ok(Found::Damaged),
        Err(IdentityError::NewerFormat { .. }) => Ok(Found::Newer),
        Err(error) => Err(error),
    }
}
