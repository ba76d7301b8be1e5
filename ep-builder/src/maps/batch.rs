//! Many entries of a table in few calls; one by one where the kernel does not take them together.
//!
//! Whatever goes wrong with many at a time is found again with one at a time, which says what it was.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use super::codec::Record;
use super::error::MapsError;
use super::table::Table;
use crate::bpf::{BpfError, Entries, Map};

/// The map behind a descriptor, for calls that take many entries.
pub(super) fn whole(fd: &OwnedFd, path: &Path) -> Result<Map, BpfError> {
    let label = format!("map {}", path.display());
    let fd = fd.as_fd().try_clone_to_owned().map_err(|error| {
        let problem = format!("no descriptor is left for it: {error}");
        BpfError::Misuse {
            operation: crate::bpf::Operation::Open,
            object: label.clone(),
            problem,
        }
    })?;
    Map::of_descriptor(fd, label)
}

/// How many entries a map that holds this many may give while others change it.
pub(super) fn patience(max_entries: u32) -> usize {
    usize::try_from(max_entries)
        .unwrap_or(usize::MAX)
        .saturating_mul(4)
        .saturating_add(1_024)
}

impl<K: Record, V: Record> Table<K, V> {
    /// As [`Table::entries`], for maps that hold many.
    pub(super) fn all(&self) -> Result<Vec<(K, V)>, MapsError> {
        let read = || whole(self.descriptor(), self.path())?.read_all(patience(self.max_entries()));
        let Ok(read) = read() else {
            return self.entries();
        };
        let Some(Entries { keys, values }) = read else {
            return Err(MapsError::Restless {
                path: self.path().to_owned(),
            });
        };
        let keys = keys.chunks_exact(size_of::<K::Bytes>());
        let found: BTreeMap<_, _> = keys
            .zip(values.chunks_exact(size_of::<V::Bytes>()))
            .collect();
        Ok(found
            .into_iter()
            .map(|(key, value)| (K::from_bytes(key), V::from_bytes(value)))
            .collect())
    }

    /// As [`Table::insert`] for each of these. Where one is refused, others may have been written.
    pub(super) fn insert_all(&mut self, entries: &[(K, V)]) -> Result<(), MapsError> {
        let mut bytes = Entries::default();
        for (key, value) in entries {
            bytes.keys.extend_from_slice(key.to_bytes().as_ref());
            bytes.values.extend_from_slice(value.to_bytes().as_ref());
        }
        let write = || whole(self.descriptor(), self.path())?.update_all(&bytes);
        if write().is_ok() {
            return Ok(());
        }
        for (key, value) in entries {
            self.insert(key, value)?;
        }
        Ok(())
    }

    /// Takes these keys and their values out, as far as they are there.
    pub(super) fn remove_all(&mut self, keys: &[K]) -> Result<(), MapsError> {
        let mut bytes = Vec::new();
        for key in keys {
            bytes.extend_from_slice(key.to_bytes().as_ref());
        }
        let delete = || whole(self.descriptor(), self.path())?.delete_all(&bytes);
        if delete().is_ok() {
            return Ok(());
        }
        for key in keys {
            self.remove(key)?;
        }
        Ok(())
    }
}
