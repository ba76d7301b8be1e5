//! Taking back the numbers that no endpoint uses.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Identities;
use super::error::IdentityError;
use super::folder::Listing;
use crate::step::Step;

/// How long a number is kept that no record names: longer than from the moment a pod gets it until its
/// record is there, even if a compile lies between (`[clang] timeout_seconds` is an hour at most).
pub const KEEP_UNUSED: Duration = Duration::from_hours(2);

impl Identities {
    /// Takes back the numbers that are not `in_use` and that nobody acquired for `keep_for`, and says which.
    /// With `dry_run` it only says which.
    pub fn collect(
        &self,
        in_use: impl Fn(u32) -> bool,
        keep_for: Duration,
        dry_run: bool,
    ) -> Result<Vec<u32>, IdentityError> {
        let is_unused =
            |number: &u32| !in_use(*number) && has_rested(&self.folder.number(*number), keep_for);
        let listing = Listing::read(&self.folder)?;
        if dry_run || listing.is_empty() {
            return Ok(listing.numbers.into_keys().filter(is_unused).collect());
        }
        let _lock = self.lock()?;
        let listing = self.order()?;
        let digests = listing.digests_by_file();
        let mut collected = Vec::new();
        for (number, file) in &listing.numbers {
            if is_unused(number) && self.take_back(*number, digests.get(file), keep_for)? {
                collected.push(*number);
            }
        }
        for digest in listing.lone_digests() {
            let path = self.folder.digest(&digest);
            if has_rested(&path, keep_for) {
                self.steps.run(&[Step::Remove(path)])?;
            }
        }
        self.sync()?;
        Ok(collected)
    }

    /// The name by digest goes first, so that from then on nobody finds the number without the lock; who
    /// found it before that has marked it as used, and it is given its name back.
    fn take_back(
        &self,
        number: u32,
        digest: Option<&&str>,
        keep_for: Duration,
    ) -> Result<bool, IdentityError> {
        let file = self.folder.number(number);
        let name = digest.map(|digest| self.folder.digest(digest));
        let first: Vec<_> = name.iter().cloned().map(Step::Remove).collect();
        self.steps.run(&first)?;
        if has_rested(&file, keep_for) {
            self.steps.run(&[Step::Remove(file)])?;
            return Ok(true);
        }
        let back: Vec<_> = name
            .map(|name| Step::Link(file, name))
            .into_iter()
            .collect();
        self.steps.run(&back)?;
        Ok(false)
    }
}

/// Whether nobody has acquired it for that long. A time in the future, after a clock was set back, is none.
fn has_rested(path: &Path, keep_for: Duration) -> bool {
    let marked = fs::symlink_metadata(path).and_then(|there| there.modified());
    let rest = marked
        .ok()
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    rest.is_some_and(|rest| rest >= keep_for)
}
