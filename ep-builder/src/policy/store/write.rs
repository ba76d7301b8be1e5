//! Changing the policy on disk: one process at a time.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::StoreError;
use super::{Basis, Pending, PolicyStore, Sources, Stored, json, layout};
use crate::lock::FileLock;
use crate::maps::Prefix;
use crate::policy::Origin;
use crate::step::Step;
use crate::whole_file;

/// A revision that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// What it is made from.
    pub sources: &'a Sources,
    /// What they say.
    pub basis: &'a Basis,
    /// Its rules.
    pub origins: &'a [Origin],
    /// Its networks.
    pub networks: &'a [(Prefix, u32)],
    /// The policies of all identities.
    pub identities: &'a [Stored],
}

/// The right to change the policy; until it is dropped nobody else has it, and nobody reads to write into maps.
#[derive(Debug)]
pub struct Exclusive<'a> {
    store: &'a PolicyStore,
    lock: FileLock,
}

impl<'a> Exclusive<'a> {
    pub(super) fn new(store: &'a PolicyStore, lock: FileLock) -> Self {
        Self { store, lock }
    }

    /// The lock alone, for who changes maps and nothing on disk.
    pub fn into_lock(self) -> FileLock {
        self.lock
    }

    /// Says that maps are about to hold two revisions.
    pub fn unsettle(&self) -> Result<(), StoreError> {
        self.put(self.store.layout.unsettled(), b"")
    }

    /// Says that maps and endpoints are of one revision.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.run(&[Step::Remove(self.store.layout.unsettled()), self.sync()])
    }

    /// Writes a revision, whole or not at all. It is not in force yet.
    pub fn write(&self, revision: u32, draft: &Draft<'_>) -> Result<(), StoreError> {
        let (folder, whole) = (
            self.store.layout.draft(revision),
            self.store.layout.revision(revision),
        );
        // Nothing may lie there: a number is used once. If something does, it is nobody's.
        self.run(&[Step::Remove(folder.clone()), Step::Remove(whole.clone())])?;
        let written = self.fill(&folder, draft);
        if written.is_err() {
            // A full disk is no reason to keep a part of what did not fit.
            self.run(&[Step::Remove(folder.clone())])
                .unwrap_or_default();
        }
        written?;
        self.run(&[Step::Rename(folder, whole), self.sync()])
    }

    fn fill(&self, folder: &Path, draft: &Draft<'_>) -> Result<(), StoreError> {
        self.run(&[
            Step::MakeFolder(folder.to_owned()),
            Step::MakeFolder(layout::identities(folder)),
        ])?;
        self.put(
            layout::sources(folder),
            &json::write_sources(draft.sources)?,
        )?;
        self.put(layout::basis(folder), &draft.basis.encode())?;
        self.put(
            layout::origins(folder),
            &json::write_origins(draft.origins)?,
        )?;
        self.put(
            layout::networks(folder),
            &json::write_networks(draft.networks)?,
        )?;
        for identity in draft.identities {
            let path = layout::identity(folder, identity.identity);
            self.put(path, &identity.encode())?;
        }
        Ok(())
    }

    /// Puts a revision that was written in force.
    pub fn publish(&self, revision: u32) -> Result<(), StoreError> {
        self.put(self.store.layout.current(), &json::write_current(revision)?)
    }

    /// Writes what a revision is compiled from, where that is missing or damaged.
    pub fn put_basis(&self, revision: u32, basis: &Basis) -> Result<(), StoreError> {
        let folder = self.store.layout.revision(revision);
        whole_file::refuse_link(&folder)?;
        self.put(layout::basis(&folder), &basis.encode())
    }

    /// Writes the policy of one identity into a revision.
    pub fn put_identity(&self, revision: u32, stored: &Stored) -> Result<(), StoreError> {
        let folder = self.store.layout.revision(revision);
        // It is written into what is there, and a link would lead elsewhere.
        for path in [&folder, &layout::identities(&folder)] {
            whole_file::refuse_link(path)?;
        }
        self.put(layout::identity(&folder, stored.identity), &stored.encode())
    }

    /// Removes a revision.
    pub fn remove(&self, revision: u32) -> Result<(), StoreError> {
        let layout = &self.store.layout;
        let whole = layout.revision(revision);
        let draft = layout.draft(revision);
        if !whole_file::is_absent(&whole) {
            // By one rename: a folder of this name is whole.
            self.run(&[
                Step::Remove(draft.clone()),
                Step::Rename(whole, draft.clone()),
            ])?;
        }
        self.run(&[Step::Remove(draft), self.sync()])
    }

    /// Says what the revision that is about to be in force goes back to unless it is confirmed.
    pub fn put_pending(&self, pending: &Pending) -> Result<(), StoreError> {
        let path = self.store.layout.pending();
        self.put(path, &json::write_pending(pending)?)
    }

    /// Says that it stays.
    pub fn remove_pending(&self) -> Result<(), StoreError> {
        self.run(&[Step::Remove(self.store.layout.pending()), self.sync()])
    }

    /// Removes all but these revisions, and what killed processes left of files in the making.
    pub fn keep_only(&self, kept: impl IntoIterator<Item = u32>) -> Result<(), StoreError> {
        let kept: BTreeSet<u32> = kept.into_iter().collect();
        let others = self.store.revisions()?.into_iter();
        for revision in others.filter(|revision| !kept.contains(revision)) {
            self.remove(revision)?;
        }
        let mut folders = vec![self.store.layout.root().to_owned()];
        for kept in kept {
            let folder = self.store.layout.revision(kept);
            folders.extend([layout::identities(&folder), folder]);
        }
        for folder in folders {
            for name in super::names(&folder)? {
                if name.starts_with(whole_file::TEMPORARY) {
                    self.run(&[Step::Remove(folder.join(name))])?;
                }
            }
        }
        Ok(())
    }

    fn put(&self, path: PathBuf, bytes: &[u8]) -> Result<(), StoreError> {
        self.run(&[Step::Write(path, bytes)])
    }

    fn sync(&self) -> Step<'static> {
        Step::Sync(self.store.layout.root().to_owned())
    }

    fn run(&self, steps: &[Step<'_>]) -> Result<(), StoreError> {
        Ok(self.store.steps.run(steps)?)
    }
}
