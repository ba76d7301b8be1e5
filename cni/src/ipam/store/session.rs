//! What is done under the lock of a network.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ep_builder::lock::FileLock;
use ep_builder::whole_file::FileError;

use super::error::Counts;
use super::folder::{Folder, Holder, Record};
use super::index::Index;
use super::owners::{Key, Owners};
use super::steps::step;
use super::{Store, StoreError};
use crate::ipam::config::{Pool, RangeSet, address, number};

/// The lock, and an index that is true while it is held.
#[derive(Debug)]
pub(super) struct Session<'a> {
    folder: &'a Folder,
    owners: &'a Owners,
    index: Index,
    /// Whether the index was derived within this session.
    is_derived: bool,
    _lock: FileLock,
}

impl<'a> Session<'a> {
    /// Takes the lock. An index that is missing, damaged, left in the middle of a change, or older than a
    /// change by somebody else is derived anew.
    pub(super) fn begin(store: &'a Store) -> Result<Self, StoreError> {
        let (folder, owners) = (&store.folder, &store.owners);
        step();
        let lock = FileLock::acquire(&folder.lock(), store.wait)?;
        let stamp = folder.stamp()?.unwrap_or_default();
        let valid = Index::open(&owners.index(), stamp);
        let is_derived = valid.is_none();
        let index = match valid {
            Some(index) => index,
            None => derive(folder, owners)?,
        };
        Ok(Self {
            folder,
            owners,
            index,
            is_derived,
            _lock: lock,
        })
    }

    /// Makes the index true again and releases the lock.
    pub(super) fn end(mut self) -> Result<(), FileError> {
        if self.index.is_changed() {
            self.index.finish(self.folder.mark()?)?;
        }
        Ok(())
    }

    /// Derives the index anew although it seems true.
    pub(super) fn derive(&mut self) -> Result<(), FileError> {
        self.index.begin()?;
        self.index = derive(self.folder, self.owners)?;
        self.is_derived = true;
        Ok(())
    }

    /// The addresses that are this holder's, of those its links name and of the known ones.
    pub(super) fn held(&self, holder: &Holder, known: &[IpAddr]) -> Result<Vec<IpAddr>, FileError> {
        let mut named: BTreeSet<_> = known.iter().copied().collect();
        named.extend(self.owners.addresses(&Key::of(holder))?);
        let mut held = Vec::new();
        for address in named {
            if self.is_held(address, holder)? {
                held.push(address);
            }
        }
        Ok(held)
    }

    fn is_held(&self, address: IpAddr, holder: &Holder) -> Result<bool, FileError> {
        let record = self.folder.record(address)?;
        Ok(matches!(record, Record::Held(other) if other == *holder))
    }

    /// Gives back addresses that are this holder's: the caller made sure of that under this lock. Then no link
    /// of its is left, not even one of an ADD that was killed.
    pub(super) fn give_back(
        &mut self,
        holder: &Holder,
        addresses: &[IpAddr],
    ) -> Result<(), FileError> {
        for address in addresses {
            self.free(*address)?;
        }
        self.owners.forget_from(&Key::of(holder), 0)
    }

    /// Frees an address, whoever has it.
    pub(super) fn free(&mut self, address: IpAddr) -> Result<(), FileError> {
        self.index.begin()?;
        self.folder.remove(address)?;
        self.index.clear(number(address))
    }

    /// Gives the holder an address of the pool. `set` is the pool's place in the configuration.
    pub(super) fn take(
        &mut self,
        holder: &Holder,
        set: usize,
        pool: &Pool,
        excluded: &BTreeSet<u128>,
    ) -> Result<IpAddr, StoreError> {
        self.index.begin()?;
        match pool.requested {
            Some(address) => self.take_requested(holder, set, address),
            None => self.take_next(holder, set, &pool.set, excluded),
        }
    }

    fn take_requested(
        &mut self,
        holder: &Holder,
        set: usize,
        address: IpAddr,
    ) -> Result<IpAddr, StoreError> {
        if self.claim(holder, set, address)? {
            return Ok(address);
        }
        // A round robin goes on where it was: a pod that asks for the last address must not make all others
        // begin anew.
        Err(match self.folder.record(address)? {
            Record::Held(holder) => StoreError::Taken { address, holder },
            Record::Empty { .. } | Record::Free | Record::Odd => StoreError::Blocked { address },
        })
    }

    fn take_next(
        &mut self,
        holder: &Holder,
        set: usize,
        ranges: &RangeSet,
        excluded: &BTreeSet<u128>,
    ) -> Result<IpAddr, StoreError> {
        loop {
            let last = self.folder.last(set).map(number);
            while let Some(number) = first_free(&self.index, &ranges.round_from(last), excluded)? {
                let address = address(number);
                if self.claim(holder, set, address)? {
                    self.folder.set_last(set, address)?;
                    return Ok(address);
                }
            }
            // A bit may be set although the address is free; the files decide.
            if self.is_derived {
                break;
            }
            self.derive()?;
            self.index.begin()?;
        }
        let counts = Counts::of(ranges, excluded, |first, last| {
            self.index.taken(first, last)
        })?;
        Err(StoreError::Exhausted { counts })
    }

    /// Makes the address the holder's, and notes it; false if it is somebody's, which is noted as well.
    fn claim(&mut self, holder: &Holder, set: usize, address: IpAddr) -> Result<bool, FileError> {
        let key = Key::of(holder);
        self.owners.note(&key, set, address)?;
        let mut is_ours = self.folder.claim(address, holder)?;
        if !is_ours && self.folder.record(address)? == (Record::Empty { is_stale: true }) {
            self.folder.remove(address)?;
            is_ours = self.folder.claim(address, holder)?;
        }
        if !is_ours {
            self.owners.forget_from(&key, set)?;
        }
        if !self.index.set(number(address))? {
            self.derive()?;
            self.index.begin()?;
        }
        Ok(is_ours)
    }
}

/// Derives the index and the links from the files, all of which are read: `host-local` may have been here, or
/// an operator. What processes left that died is removed.
fn derive(folder: &Folder, owners: &Owners) -> Result<Index, FileError> {
    let mut numbers = Vec::new();
    let mut wanted: BTreeMap<Key, BTreeSet<IpAddr>> = BTreeMap::new();
    for address in folder.addresses(true)? {
        match folder.record(address)? {
            Record::Free => continue,
            Record::Empty { is_stale: true } => {
                folder.remove(address)?;
                continue;
            }
            Record::Held(holder) => {
                wanted.entry(Key::of(&holder)).or_default().insert(address);
            }
            Record::Empty { .. } | Record::Odd => {}
        }
        numbers.push(number(address));
    }
    owners.rewrite(&wanted)?;
    Index::derive(&owners.index(), folder.mark()?, &numbers)
}

/// The first number of these spans that is free and not kept.
fn first_free(
    index: &Index,
    spans: &[(u128, u128)],
    excluded: &BTreeSet<u128>,
) -> Result<Option<u128>, FileError> {
    for (first, last) in spans {
        let mut from = *first;
        while let Some(number) = index.next_free(from, *last)? {
            if !excluded.contains(&number) {
                return Ok(Some(number));
            }
            if number == *last {
                break;
            }
            from = number + 1;
        }
    }
    Ok(None)
}

/// A number of the set that the index calls free.
pub(super) fn free_in(
    index: &Index,
    set: &RangeSet,
    excluded: &BTreeSet<u128>,
) -> Result<Option<u128>, FileError> {
    first_free(index, &set.round_from(None), excluded)
}
