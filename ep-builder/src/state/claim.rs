//! Claiming an id: who makes the folder has the id.

use std::collections::HashSet;
use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::io;

use super::error::StateError;
use super::generation::{Held, Next};
use super::layout::{FolderName, Place};
use super::lock;
use super::recover::Side;
use super::store::Store;
use crate::endpoint::EndpointId;
use crate::lock::FileLock;
use crate::step::Step;
use crate::whole_file::FileError;

/// Below half occupancy this many guesses all fail once in 250 claims; then the folder is listed.
const GUESSES: u64 = 8;

/// An id that is ours, with an empty folder. Dropped, it is given back; a process that dies with it
/// leaves the folder, which [`Store::list`] reports and [`Store::reap`] removes.
#[derive(Debug)]
#[must_use = "an unused claim is given back"]
pub struct Claim {
    held: Held,
}

impl Claim {
    /// The id.
    pub fn id(&self) -> EndpointId {
        self.held.id
    }

    /// Begins the endpoint's first generation. The id is given back unless that is committed.
    pub fn begin(self) -> Result<Next, StateError> {
        Next::begin(self.held)
    }
}

impl Store {
    /// Claims any free id.
    ///
    /// Ids are spread over their range, so that one that has just been freed does not come back while
    /// something in the kernel still carries it.
    pub fn claim(&self) -> Result<Claim, StateError> {
        let random = RandomState::new();
        for id in (0..GUESSES).filter_map(|guess| ids_from(random.hash_one(guess)).next()) {
            if let Attempt::Claimed(claim) = self.attempt(id)? {
                return Ok(claim);
            }
        }
        self.claim_listed(ids_from(random.hash_one(GUESSES)))
    }

    /// Claims this id.
    pub fn claim_id(&self, id: EndpointId) -> Result<Claim, StateError> {
        let lock = self.lock(id)?;
        match self.attempt_locked(id, lock)? {
            Attempt::Claimed(claim) => Ok(claim),
            // We have the lock, so an empty folder belongs to nobody who lives.
            Attempt::Taken(lock) if self.look(id, Place::Live)? == Side::Empty => {
                self.take(id, lock)
            }
            Attempt::Taken(_) | Attempt::Busy => Err(StateError::Taken { id }),
        }
    }

    /// Claims a free id of a crowded range, trying each that has no folder.
    fn claim_listed(&self, ids: impl Iterator<Item = EndpointId>) -> Result<Claim, StateError> {
        let mut taken = self.live_ids()?;
        let mut busy = 0;
        for id in ids {
            if taken.contains(&id) {
                continue;
            }
            match self.attempt(id)? {
                Attempt::Claimed(claim) => return Ok(claim),
                Attempt::Busy => busy += 1,
                Attempt::Taken(_) => {
                    taken.insert(id);
                }
            }
        }
        Err(StateError::Full {
            taken: taken.len(),
            busy,
        })
    }

    fn live_ids(&self) -> Result<HashSet<EndpointId>, StateError> {
        let root = self.layout.root();
        let list = || -> io::Result<HashSet<EndpointId>> {
            let mut ids = HashSet::new();
            for entry in fs::read_dir(root)? {
                if let FolderName::Endpoint(id, Place::Live) =
                    FolderName::parse(&entry?.file_name())
                {
                    ids.insert(id);
                }
            }
            Ok(ids)
        };
        Ok(list().map_err(FileError::of("list", root))?)
    }

    fn attempt(&self, id: EndpointId) -> Result<Attempt, StateError> {
        match lock::try_acquire(&self.layout, id)? {
            Some(lock) => self.attempt_locked(id, lock),
            None => Ok(Attempt::Busy),
        }
    }

    /// The lock comes before the folder, so that an empty folder without a lock holder is a dead claim
    /// and never one in the making.
    fn attempt_locked(&self, id: EndpointId, lock: FileLock) -> Result<Attempt, StateError> {
        let folder = self.layout.folder(id, Place::Live);
        match self.steps.run(&[Step::MakeFolder(folder)]) {
            Ok(()) => self.take(id, lock).map(Attempt::Claimed),
            Err(e) if e.source.kind() == io::ErrorKind::AlreadyExists => Ok(Attempt::Taken(lock)),
            Err(e) => Err(e.into()),
        }
    }

    /// Takes possession of an id whose empty folder and lock we have: what an earlier endpoint of this
    /// id left goes.
    fn take(&self, id: EndpointId, lock: FileLock) -> Result<Claim, StateError> {
        let mut held = Held::new(self, id, lock);
        held.fresh = true;
        self.steps.run(
            &[Place::Next, Place::Failed, Place::Previous]
                .map(|place| Step::Remove(self.layout.folder(id, place))),
        )?;
        Ok(Claim { held })
    }
}

/// How an attempt at an id ended.
enum Attempt {
    /// It is ours.
    Claimed(Claim),
    /// There is a folder; the lock that we have on it.
    Taken(FileLock),
    /// Somebody else works on it.
    Busy,
}

/// All ids, each once, from a place on that `number` decides, and around.
fn ids_from(number: u64) -> impl Iterator<Item = EndpointId> {
    let span = u64::from(EndpointId::MAX - EndpointId::MIN) + 1;
    let start = EndpointId::MIN + u16::try_from(number % span).unwrap_or(0);
    (start..=EndpointId::MAX)
        .chain(EndpointId::MIN..start)
        .filter_map(|id| EndpointId::new(id).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_through_all_ids_once() {
        for number in [0, 1, 65_533, 65_534, u64::MAX] {
            let ids: HashSet<_> = ids_from(number).map(EndpointId::get).collect();
            assert_eq!(ids.len(), usize::from(EndpointId::MAX));
            assert_eq!(ids_from(number).count(), ids.len());
        }
        assert_eq!(ids_from(65_533).next().unwrap().get(), EndpointId::MAX);
        assert_eq!(ids_from(65_534).next().unwrap().get(), EndpointId::MIN);
    }
}
