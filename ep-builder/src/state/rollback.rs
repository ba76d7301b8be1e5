//! Back to the generation before.

use super::error::StateError;
use super::folder::Folder;
use super::layout::Place;
use super::read;
use super::recover::Side;
use super::store::Store;
use crate::endpoint::EndpointId;
use crate::lock::FileLock;
use crate::step::Step;

/// A generation that was put back, while nobody else can work on the endpoint.
#[derive(Debug)]
pub struct RolledBack {
    /// The generation that is live now.
    pub generation: u64,
    store: Store,
    id: EndpointId,
    _lock: FileLock,
}

impl RolledBack {
    /// Makes the generation live again that was live before.
    pub fn undo(self) -> Result<(), StateError> {
        self.store.exchange_with_previous(self.id)
    }
}

impl Store {
    /// Exchanges the live generation and the previous one. Done twice, all is as before.
    pub fn rollback(&self, id: EndpointId) -> Result<RolledBack, StateError> {
        let lock = self.lock(id)?;
        self.settle(id)?;
        match self.look(id, Place::Live)? {
            Side::Absent => return Err(StateError::Missing { id }),
            Side::Empty => return Err(StateError::NotBuilt { id }),
            Side::Kept { .. } | Side::Broken => {}
        }
        let previous = match Folder::open(self.layout.folder(id, Place::Previous)) {
            Err(e) if e.is_not_found() => return Err(StateError::NoPrevious { id }),
            other => other?,
        };
        // What comes back must be beyond doubt, so its object is read and not only measured.
        if let Some(fault) = read::faults(&previous, id).into_iter().next() {
            return Err(fault);
        }
        let generation = read::load(&previous, id)?.record.generation;
        self.exchange_with_previous(id)?;
        Ok(RolledBack {
            generation,
            store: self.clone(),
            id,
            _lock: lock,
        })
    }

    fn exchange_with_previous(&self, id: EndpointId) -> Result<(), StateError> {
        let folder = |place| self.layout.folder(id, place);
        self.steps.run(&[
            Step::Exchange(folder(Place::Previous), folder(Place::Live)),
            Step::Sync(self.layout.root().to_owned()),
        ])?;
        Ok(())
    }
}
