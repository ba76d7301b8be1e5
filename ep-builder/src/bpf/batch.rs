//! Many entries of a map in one call.
//!
//! A policy of a node is tens of thousands of entries, and a system call costs more than an entry does. Tries
//! take these calls since Linux 5.13, arrays since 5.6; program arrays never do, so that every caller has
//! another way.
#![expect(
    unsafe_code,
    reason = "the kernel reads and writes keys and values in our memory"
)]

use std::os::fd::OwnedFd;

use nix::errno::Errno;

use super::error::{BpfError, Operation};
use super::map::Map;
use super::sys::{self, Command};

/// Entries in one call: enough that the call itself is not felt, little enough that nobody waits for the
/// kernel to come back.
const AT_ONCE: usize = 4_096;

#[repr(C)]
#[derive(Default)]
struct BatchAttribute {
    begin: u64,
    end: u64,
    keys: u64,
    values: u64,
    count: u32,
    fd: u32,
    element_flags: u64,
    flags: u64,
}

/// Entries, each key and each value behind the one before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entries {
    /// The keys.
    pub keys: Vec<u8>,
    /// The values.
    pub values: Vec<u8>,
}

impl Map {
    /// The map of a descriptor that somebody else has opened.
    pub fn of_descriptor(fd: OwnedFd, label: String) -> Result<Self, BpfError> {
        Self::of(fd, label)
    }

    /// Writes entries, whatever there is. Where the kernel refuses one, those before it are written.
    pub fn update_all(&self, entries: &Entries) -> Result<(), BpfError> {
        let (key, value) = self.sizes(Operation::Update)?;
        let count = self.count(Operation::Update, "keys", &entries.keys, key)?;
        if self.count(Operation::Update, "values", &entries.values, value)? != count {
            let problem = "there are not as many values as keys";
            return Err(BpfError::misuse(Operation::Update, self.label(), problem));
        }
        let keys = entries.keys.chunks(key * AT_ONCE);
        for (keys, values) in keys.zip(entries.values.chunks(value * AT_ONCE)) {
            let mut attribute = BatchAttribute {
                keys: sys::address_of(keys),
                values: sys::address_of(values),
                count: u32::try_from(keys.len() / key).unwrap_or(0),
                fd: sys::number(self),
                ..BatchAttribute::default()
            };
            // SAFETY: `keys` and `values` hold `count` keys and values of the sizes that the kernel has said,
            // and live until the call returns.
            unsafe { sys::bpf(Command::MapUpdateBatch, &mut attribute) }
                .map_err(BpfError::kernel(Operation::Update, self.label()))?;
        }
        Ok(())
    }

    /// Deletes entries. Where one is not there, or the kernel refuses, those before it are gone.
    pub fn delete_all(&self, keys: &[u8]) -> Result<(), BpfError> {
        let (key, _) = self.sizes(Operation::Delete)?;
        self.count(Operation::Delete, "keys", keys, key)?;
        for keys in keys.chunks(key * AT_ONCE) {
            let mut attribute = BatchAttribute {
                keys: sys::address_of(keys),
                count: u32::try_from(keys.len() / key).unwrap_or(0),
                fd: sys::number(self),
                ..BatchAttribute::default()
            };
            // SAFETY: `keys` holds `count` keys of the size that the kernel has said, and lives until the call
            // returns.
            unsafe { sys::bpf(Command::MapDeleteBatch, &mut attribute) }
                .map_err(BpfError::kernel(Operation::Delete, self.label()))?;
        }
        Ok(())
    }

    /// Every entry. What comes or goes meanwhile may be missed, or be there twice: the kernel begins again
    /// where its last key has gone. More than `limit` entries are given up, with none.
    pub fn read_all(&self, limit: usize) -> Result<Option<Entries>, BpfError> {
        let (key, value) = self.sizes(Operation::LookUp)?;
        let mut all = Entries::default();
        let mut keys = vec![0; key * AT_ONCE];
        let mut values = vec![0; value * AT_ONCE];
        // A hash table has a number here, and every other map a key.
        let mut place = vec![0; key.max(size_of::<u32>())];
        let mut has_begun = false;
        loop {
            let mut attribute = BatchAttribute {
                begin: if has_begun {
                    sys::address_of(&place)
                } else {
                    0
                },
                end: sys::address_of_mut(&mut place),
                keys: sys::address_of_mut(&mut keys),
                values: sys::address_of_mut(&mut values),
                count: u32::try_from(AT_ONCE).unwrap_or(0),
                fd: sys::number(self),
                ..BatchAttribute::default()
            };
            // SAFETY: `keys` and `values` have room for `count` keys and values of the sizes that the kernel
            // has said, `place` for a key, which it reads before it writes there; all live until the call
            // returns.
            let result = unsafe { sys::bpf(Command::MapLookupBatch, &mut attribute) };
            if let Err(error) = result
                && error != Errno::ENOENT
            {
                return Err(BpfError::kernel(Operation::LookUp, self.label())(error));
            }
            let count = usize::try_from(attribute.count).unwrap_or(0).min(AT_ONCE);
            all.keys.extend(keys.iter().take(count * key));
            all.values.extend(values.iter().take(count * value));
            if result.is_err() {
                return Ok(Some(all));
            }
            if all.keys.len() / key > limit {
                return Ok(None);
            }
            has_begun = true;
        }
    }

    /// Bytes of a key and of a value; neither is zero.
    fn sizes(&self, operation: Operation) -> Result<(usize, usize), BpfError> {
        let shape = self.shape();
        let size = |bytes| usize::try_from(bytes).unwrap_or(0);
        let (key, value) = (size(shape.key_size), size(shape.value_size));
        if key == 0 || value == 0 || shape.is_per_cpu() {
            let problem = "its entries are not read or written many at a time";
            return Err(BpfError::misuse(operation, self.label(), problem));
        }
        Ok((key, value))
    }

    fn count(
        &self,
        operation: Operation,
        what: &str,
        bytes: &[u8],
        size: usize,
    ) -> Result<usize, BpfError> {
        if bytes.len().is_multiple_of(size) {
            return Ok(bytes.len() / size);
        }
        let problem = format!("{} bytes are no {what} of {size} bytes", bytes.len());
        Err(BpfError::misuse(operation, self.label(), problem))
    }
}
