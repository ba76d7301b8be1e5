//! Addresses that are given out, on disk.
//!
//! The truth is the folder of the network, in the format of `host-local`: one file per address. Beside it lies a
//! folder of things that are derived from it, so that no step looks at all files: [`index`] finds a free
//! address, [`owners`] the addresses of an owner. Every change is made under the lock of the network.

mod collect;
mod error;
mod folder;
mod front;
mod index;
mod owners;
mod page;
mod session;
mod steps;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ep_builder::lock::FileLock;

use super::config::{Pool, RangeSet, number};
use crate::names::{Attachment, NetworkName};
pub(crate) use collect::{Collected, Reservation};
pub(crate) use error::StoreError;
pub(crate) use folder::Holder;
use folder::{Folder, Record};
use index::Index;
use owners::Owners;
use session::Session;

/// The addresses of one network.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: Folder,
    owners: Owners,
    /// How long to wait for the lock.
    wait: Duration,
}

impl Store {
    /// The store of a network. Nothing need exist.
    pub(super) fn new(data_dir: &Path, network: &NetworkName, wait: Duration) -> Self {
        // The name of a network never begins with a dot, so this is nobody's folder.
        let derived = data_dir.join(format!(".index-{network}"));
        Self {
            folder: Folder::new(data_dir.join(network.as_str())),
            owners: Owners::new(derived),
            wait,
        }
    }

    /// Gives `owner` one address of each pool, or nothing. An owner that has one already is refused.
    pub(super) fn reserve(
        &self,
        owner: &Attachment,
        pools: &[Pool],
        excluded: &BTreeSet<u128>,
    ) -> Result<Vec<IpAddr>, StoreError> {
        self.folder.create()?;
        self.owners.create()?;
        let holder = Holder::from(owner);
        let mut session = Session::begin(self)?;
        if let Some(address) = session.held(&holder, &[])?.first() {
            let address = *address;
            return Err(StoreError::Duplicate { address, holder });
        }
        let mut given = Vec::new();
        for (set, pool) in pools.iter().enumerate() {
            match session.take(&holder, set, pool, excluded) {
                Ok(address) => given.push(address),
                Err(error) => {
                    // The last one may be claimed, too: a step behind its claim failed. What cannot be
                    // undone now is found by DEL, by its owner.
                    let held = session.held(&holder, &given).unwrap_or(given);
                    session.give_back(&holder, &held).unwrap_or_default();
                    session.end().unwrap_or_default();
                    return Err(error);
                }
            }
        }
        session.end()?;
        Ok(given)
    }

    /// Gives back everything that is the owner's, and tells what. `known` are addresses that the caller
    /// remembers: they are given back only if they still are the owner's.
    pub(super) fn release(
        &self,
        owner: &Attachment,
        known: &[IpAddr],
    ) -> Result<Vec<IpAddr>, StoreError> {
        if self.folder.stamp()?.is_none() {
            return Ok(Vec::new());
        }
        let holder = Holder::from(owner);
        match self.release_by_index(&holder, known) {
            // On a full disk nothing can be derived, and just there something must be given back.
            Err(StoreError::File(_)) => self.release_by_files(&holder),
            other => other,
        }
    }

    fn release_by_index(
        &self,
        holder: &Holder,
        known: &[IpAddr],
    ) -> Result<Vec<IpAddr>, StoreError> {
        self.owners.create()?;
        let mut session = Session::begin(self)?;
        let mut named = holder.clone();
        let mut held = session.held(&named, known)?;
        if held.is_empty() {
            named = holder.without_interface();
            held = session.held(&named, known)?;
        }
        session.give_back(holder, &held)?;
        session.give_back(&named, &[])?;
        session.end()?;
        Ok(held)
    }

    /// Looks into every file. The index notices by the folder's stamp.
    fn release_by_files(&self, holder: &Holder) -> Result<Vec<IpAddr>, StoreError> {
        let _lock = FileLock::acquire(&self.folder.lock(), self.wait)?;
        let (mut held, mut held_of_old) = (Vec::new(), Vec::new());
        for address in self.folder.addresses(true)? {
            match self.folder.record(address)? {
                Record::Held(other) if other == *holder => held.push(address),
                Record::Held(other) if other == holder.without_interface() => {
                    held_of_old.push(address);
                }
                _ => {}
            }
        }
        if held.is_empty() {
            held = held_of_old;
        }
        for address in &held {
            self.folder.remove(*address)?;
        }
        Ok(held)
    }

    /// Whether every one of these addresses is still the owner's.
    pub(super) fn check(&self, owner: &Attachment, addresses: &[IpAddr]) -> Result<(), StoreError> {
        let ours = Holder::from(owner);
        let old = ours.without_interface();
        for address in addresses {
            let holder = match self.folder.record(*address)? {
                Record::Held(holder) if holder == ours || holder == old => continue,
                Record::Held(holder) => Some(holder),
                Record::Free | Record::Empty { .. } | Record::Odd => None,
            };
            return Err(StoreError::Lost {
                address: *address,
                holder,
            });
        }
        Ok(())
    }

    /// Whether a set has an address left. It takes no lock and changes nothing: an ADD at the same time may make
    /// the answer old, never wrong for longer.
    pub(super) fn has_free(
        &self,
        set: &RangeSet,
        excluded: &BTreeSet<u128>,
    ) -> Result<(), StoreError> {
        let Some(stamp) = self.folder.stamp()? else {
            return Ok(());
        };
        let index = Index::open(&self.owners.index(), stamp);
        let is_free = index.is_some_and(|index| {
            let found = session::free_in(&index, set, excluded);
            matches!(found, Ok(Some(_)))
        });
        if is_free {
            return Ok(());
        }
        let addresses = self.folder.addresses(false)?;
        let taken: BTreeSet<_> = addresses.into_iter().map(number).collect();
        let counts = error::Counts::of(set, excluded, |first, last| {
            Ok::<_, StoreError>(taken.range(first..=last).count() as u128)
        })?;
        if counts.iter().any(error::Counts::has_free) {
            return Ok(());
        }
        Err(StoreError::Exhausted { counts })
    }
}

#[cfg(test)]
mod tests;
