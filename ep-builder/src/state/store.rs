//! The store itself: where it is, and the verbs that need no state of their own.

use std::path::Path;
use std::time::Duration;

use super::error::StateError;
use super::layout::{Place, StateLayout};
use super::lock;
use super::recover::{self, Recovery, Side};
use crate::endpoint::EndpointId;
use crate::lock::FileLock;
use crate::step::{Step, Steps};
use crate::whole_file::{self, is_absent, is_there};

/// Long enough for a cold compile under load, short enough for a runtime that waits.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The endpoints of a node. Cheap to clone; handles in other threads and processes see the same.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) layout: StateLayout,
    pub(super) steps: Steps,
    lock_wait: Duration,
}

impl Store {
    /// Opens the store in `root`, which is made if it is missing, and must be writable by us alone.
    pub fn open(root: &Path) -> Result<Self, StateError> {
        whole_file::private_folder(root)?;
        Ok(Self {
            layout: StateLayout::new(root),
            steps: Steps::real(),
            lock_wait: LOCK_WAIT,
        })
    }

    /// The same store, waiting at most `wait` for the lock of an endpoint.
    #[must_use]
    pub fn with_lock_wait(self, wait: Duration) -> Self {
        Self {
            lock_wait: wait,
            ..self
        }
    }

    /// The same store with other hands.
    #[cfg(test)]
    pub(super) fn with_steps(self, steps: Steps) -> Self {
        Self { steps, ..self }
    }

    /// Where everything lies.
    pub fn layout(&self) -> &StateLayout {
        &self.layout
    }

    /// Brings what a killed process left of this endpoint to an end. Afterwards the live folder is the
    /// old generation or the new one, whole. Repeatable.
    pub fn recover(&self, id: EndpointId) -> Result<Recovery, StateError> {
        let _lock = self.lock(id)?;
        self.settle(id)
    }

    /// Removes all of an endpoint; its id is free afterwards. Needs nothing of it to be readable, and
    /// succeeds when there is nothing.
    pub fn remove(&self, id: EndpointId) -> Result<(), StateError> {
        if self.has_nothing_of(id) {
            return Ok(());
        }
        let _lock = self.lock(id)?;
        self.clear(id)
    }

    /// A lock needs a file, for which there may be no room: what is gone already is no reason to make
    /// one. Whoever works on the endpoint has its lock file, so that is asked for first.
    fn has_nothing_of(&self, id: EndpointId) -> bool {
        is_absent(&self.layout.lock(id))
            && Place::ALL
                .into_iter()
                .all(|place| is_absent(&self.layout.folder(id, place)))
    }

    /// Removes what a killed ADD left: an id that is claimed without an endpoint, or remains without a
    /// live folder. Checked under the lock, so an endpoint that was committed since it was listed is
    /// safe. Says whether the id is free now.
    pub fn reap(&self, id: EndpointId) -> Result<bool, StateError> {
        let Some(_lock) = lock::try_acquire(&self.layout, id)? else {
            return Ok(false);
        };
        let dead = matches!(self.look(id, Place::Live)?, Side::Absent | Side::Empty);
        if dead {
            self.clear(id)?;
        }
        Ok(dead)
    }

    /// Throws away what is kept of a failed build. Repeatable.
    pub fn forget_failure(&self, id: EndpointId) -> Result<(), StateError> {
        let folder = self.layout.folder(id, Place::Failed);
        // The common case, at the price of one system call.
        if is_absent(&folder) {
            return Ok(());
        }
        let _lock = self.lock(id)?;
        Ok(self.steps.run(&[Step::Remove(folder)])?)
    }

    /// The endpoint's lock, or an error after the deadline.
    pub(super) fn lock(&self, id: EndpointId) -> Result<FileLock, StateError> {
        lock::acquire(&self.layout, id, self.lock_wait)
    }

    /// What one of the folders holds.
    pub(super) fn look(&self, id: EndpointId, place: Place) -> Result<Side, StateError> {
        Side::look(&self.layout, id, place)
    }

    /// [`Self::recover`] for a caller who has the lock.
    pub(super) fn settle(&self, id: EndpointId) -> Result<Recovery, StateError> {
        let next = self.look(id, Place::Next)?;
        // The common case, at the price of one system call.
        if next == Side::Absent {
            return Ok(Recovery::Nothing);
        }
        let what = recover::decide(self.look(id, Place::Live)?, next);
        self.steps.run(&recover::steps(&self.layout, id, what))?;
        Ok(what)
    }

    /// Removes all four folders and the lock file, for a caller who has the lock. The live folder goes
    /// last, and by one rename, so that nobody ever meets a part of it.
    fn clear(&self, id: EndpointId) -> Result<(), StateError> {
        let folder = |place| self.layout.folder(id, place);
        let mut steps = vec![
            Step::Remove(folder(Place::Next)),
            Step::Remove(folder(Place::Failed)),
            Step::Remove(folder(Place::Previous)),
        ];
        if is_there(&folder(Place::Live))? {
            steps.push(Step::Rename(folder(Place::Live), folder(Place::Next)));
            steps.push(Step::Remove(folder(Place::Next)));
        }
        steps.push(Step::Sync(self.layout.root().to_owned()));
        steps.push(Step::Remove(self.layout.lock(id)));
        Ok(self.steps.run(&steps)?)
    }
}
