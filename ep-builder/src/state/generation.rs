//! A new generation of an endpoint: begun, written, then committed or failed.
//!
//! Each stage is a type that holds the endpoint's lock. Dropped before its end, it takes back what it
//! has made; killed, it leaves that to [`Store::recover`].

use std::borrow::Cow;
use std::path::PathBuf;

use super::error::StateError;
use super::layout::{BUILD_LOG, EP_CONFIG_H, OBJECT, Place, RECORD};
use super::read::{HEADER_LIMIT, LOG_LIMIT, OBJECT_LIMIT, RECORD_LIMIT};
use super::record::{EndpointRecord, EndpointState, Files};
use super::recover::Side;
use super::store::Store;
use crate::digest::FileFacts;
use crate::endpoint::EndpointId;
use crate::header::envelope;
use crate::lock::FileLock;
use crate::step::Step;

impl Store {
    /// Begins a new generation of an endpoint that has one. The first generation begins at its
    /// [`Claim`](super::Claim).
    pub fn begin(&self, id: EndpointId) -> Result<Next, StateError> {
        let held = Held::new(self, id, self.lock(id)?);
        match self.look(id, Place::Live)? {
            Side::Absent => Err(StateError::Missing { id }),
            Side::Empty => Err(StateError::NotBuilt { id }),
            Side::Kept { .. } | Side::Broken => Next::begin(held),
        }
    }
}

/// An endpoint we hold the lock of, and what is to be undone unless all goes well.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) store: Store,
    pub(super) id: EndpointId,
    /// Whether the id is ours to give back.
    pub(super) fresh: bool,
    /// Whether `_next` is ours to clear away.
    building: bool,
    _lock: FileLock,
}

impl Held {
    pub(super) fn new(store: &Store, id: EndpointId, lock: FileLock) -> Self {
        Self {
            store: store.clone(),
            id,
            fresh: false,
            building: false,
            _lock: lock,
        }
    }

    fn folder(&self, place: Place) -> PathBuf {
        self.store.layout.folder(self.id, place)
    }

    /// The number of the newest generation, once `_next` is out of the way.
    fn last_generation(&self) -> Result<u64, StateError> {
        // Whoever claimed the id has seen to it that there is an empty folder and nothing else.
        if self.fresh {
            return Ok(0);
        }
        let (store, id) = (&self.store, self.id);
        store.settle(id)?;
        // After a rollback the previous one is the newer one.
        let live = store.look(id, Place::Live)?.generation();
        let previous = store.look(id, Place::Previous)?.generation();
        Ok(live.max(previous))
    }

    /// Puts away what was live before the swap: the folder of the claim, or the generation before this one.
    fn tidy(&self, is_first: bool) -> Result<(), StateError> {
        let steps = &self.store.steps;
        if is_first {
            let claim = Step::RemoveEmpty(self.folder(Place::Next));
            return Ok(steps.run(&[self.sync_root(), claim, self.sync_root()])?);
        }
        steps.run(&[self.sync_root(), Step::Remove(self.folder(Place::Failed))])?;
        self.store.settle(self.id).map(drop)
    }

    fn sync_root(&self) -> Step<'static> {
        Step::Sync(self.store.layout.root().to_owned())
    }

    fn write(&self, name: &str, bytes: &[u8], limit: u64) -> Result<(), StateError> {
        let path = self.store.layout.file(self.id, Place::Next, name);
        let size = bytes.len() as u64;
        if size > limit {
            return Err(StateError::TooLarge { path, size, limit });
        }
        Ok(self.store.steps.run(&[Step::Write(path, bytes)])?)
    }

    /// Turns `_next` into `_next_fail`, with the reason in it.
    fn fail(mut self, log: &str) -> Result<(), StateError> {
        self.write(BUILD_LOG, tail(log).as_bytes(), 2 * LOG_LIMIT as u64)?;
        self.store.steps.run(&[
            Step::Remove(self.folder(Place::Failed)),
            Step::Rename(self.folder(Place::Next), self.folder(Place::Failed)),
            self.sync_root(),
        ])?;
        self.building = false;
        Ok(())
    }
}

impl Drop for Held {
    /// An error here leaves what a kill would leave, and is met in the same way: by the next one who
    /// works on the endpoint.
    fn drop(&mut self) {
        let mut steps = Vec::new();
        if self.building {
            steps.push(Step::Remove(self.folder(Place::Next)));
        }
        if self.fresh {
            steps.push(Step::RemoveEmpty(self.folder(Place::Live)));
            steps.push(Step::Remove(self.store.layout.lock(self.id)));
        }
        self.store.steps.run(&steps).unwrap_or_default();
    }
}

/// A generation that has been begun.
#[derive(Debug)]
#[must_use = "a generation that is not committed is dropped"]
pub struct Next {
    held: Held,
    generation: u64,
}

impl Next {
    /// Clears a stale `_next` away and makes a new one.
    pub(super) fn begin(mut held: Held) -> Result<Self, StateError> {
        let last = held.last_generation()?;
        let next = held.folder(Place::Next);
        held.store.steps.run(&[Step::MakeFolder(next)])?;
        held.building = true;
        Ok(Self {
            held,
            generation: last.saturating_add(1),
        })
    }

    /// The endpoint.
    pub fn id(&self) -> EndpointId {
        self.held.id
    }

    /// The number of this generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes the three files. The header must carry the endpoint's record, or a lost `endpoint.json`
    /// could not be restored.
    pub fn write(
        self,
        object: &[u8],
        header: &str,
        mut record: EndpointRecord,
    ) -> Result<Written, StateError> {
        let id = self.held.id;
        check_facts(id, header, &record)?;
        record.generation = self.generation;
        record.state = EndpointState::Ready;
        let files = Files {
            object: FileFacts::of(object),
            header: FileFacts::of(header.as_bytes()),
        };
        let written = Written {
            held: self.held,
            record,
            files,
        };
        // The record first: a `_next` that is half written must say which generation it is.
        written.write_record()?;
        written
            .held
            .write(EP_CONFIG_H, header.as_bytes(), HEADER_LIMIT)?;
        written.held.write(OBJECT, object, OBJECT_LIMIT)?;
        Ok(written)
    }

    /// Keeps what there is as `_next_fail`, with `log` as the reason. A claimed id is given back.
    pub fn fail(self, log: &str) -> Result<(), StateError> {
        self.held.fail(log)
    }
}

/// Record and header must be about the endpoint whose folder this is.
fn check_facts(id: EndpointId, header: &str, record: &EndpointRecord) -> Result<(), StateError> {
    let restored = envelope::decode(header).map_err(|source| StateError::Header { id, source })?;
    for (what, found) in [("record", record.endpoint.id), ("header", restored.id)] {
        if found != id {
            return Err(StateError::OtherEndpoint { id, found, what });
        }
    }
    Ok(())
}

/// A generation whose files are all there.
#[derive(Debug)]
#[must_use = "a generation that is not committed is dropped"]
pub struct Written {
    held: Held,
    record: EndpointRecord,
    files: Files,
}

/// A generation that is live.
#[derive(Debug)]
pub struct Committed {
    /// Its record.
    pub record: EndpointRecord,
    /// Why the generation before it could not be put away, if so. The new one is live all the same,
    /// and the next one who works on the endpoint does the rest.
    pub untidied: Option<StateError>,
}

impl Written {
    /// The endpoint.
    pub fn id(&self) -> EndpointId {
        self.held.id
    }

    /// The record as it was written.
    pub fn record(&self) -> &EndpointRecord {
        &self.record
    }

    /// Makes this generation the live one. An error means that the old one still is.
    pub fn commit(mut self) -> Result<Committed, StateError> {
        let held = &mut self.held;
        held.store.steps.run(&[
            held.sync_root(),
            Step::Exchange(held.folder(Place::Next), held.folder(Place::Live)),
        ])?;
        // `_next` is the old generation now, and no longer ours to throw away.
        let is_first = held.fresh;
        (held.fresh, held.building) = (false, false);
        let untidied = held.tidy(is_first).err();
        Ok(Committed {
            record: self.record,
            untidied,
        })
    }

    /// Keeps the files as `_next_fail`, with `log` as the reason. A claimed id is given back.
    pub fn fail(mut self, log: &str) -> Result<(), StateError> {
        self.record.state = EndpointState::Failed;
        self.write_record()?;
        self.held.fail(log)
    }

    fn write_record(&self) -> Result<(), StateError> {
        let id = self.held.id;
        let text = self
            .record
            .encode(&self.files)
            .map_err(|source| StateError::Encode { id, source })?;
        self.held.write(RECORD, &text, RECORD_LIMIT)
    }
}

/// The end of a long log: compiler and verifier say last what was wrong.
fn tail(log: &str) -> Cow<'_, str> {
    let Some(mut cut) = log.len().checked_sub(LOG_LIMIT).filter(|cut| *cut > 0) else {
        return log.into();
    };
    while !log.is_char_boundary(cut) {
        cut += 1;
    }
    format!("[the first {cut} bytes are left out]\n{}", &log[cut..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_logs_keep_their_end() {
        assert_eq!(tail("short"), "short");
        let exact = "x".repeat(LOG_LIMIT);
        assert_eq!(tail(&exact), exact);
        let long = "\u{1F980}".repeat(LOG_LIMIT / 4) + "end";
        let cut = tail(&long);
        assert!(cut.starts_with("[the first 4 bytes are left out]\n\u{1F980}"));
        assert!(cut.ends_with("\u{1F980}end"));
    }
}
