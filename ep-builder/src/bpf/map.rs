//! Maps.
#![expect(
    unsafe_code,
    reason = "the kernel reads keys and values from our memory"
)]

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;

use super::cpus::possible_cpus;
use super::error::{BpfError, Operation};
use super::info::{self, MapInfo};
use super::keys::Keys;
use super::object::{self, Pinned, absent_as_none};
use super::sys::{self, Command};

/// What decides whether two maps are interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MapShape {
    /// Its type, by the kernel's number (`enum bpf_map_type`).
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value; of one processor's value in a per-CPU map.
    pub value_size: u32,
    /// Entries; bytes of a ring buffer.
    pub max_entries: u32,
    /// Flags of creation.
    pub flags: u32,
}

impl MapShape {
    /// Types that the datapath uses, with their names in messages.
    const TYPES: [(u32, &str); 9] = [
        (Self::HASH, "hash"),
        (Self::ARRAY, "array"),
        (Self::PROGRAM_ARRAY, "prog_array"),
        (Self::PER_CPU_HASH, "percpu_hash"),
        (Self::PER_CPU_ARRAY, "percpu_array"),
        (Self::LRU_HASH, "lru_hash"),
        (Self::LRU_PER_CPU_HASH, "lru_percpu_hash"),
        (Self::LPM_TRIE, "lpm_trie"),
        (Self::RING_BUFFER, "ringbuf"),
    ];
    /// A hash table.
    pub const HASH: u32 = 1;
    /// An array.
    pub const ARRAY: u32 = 2;
    /// Programs to tail-call.
    pub const PROGRAM_ARRAY: u32 = 3;
    /// A hash table with a value for each processor.
    pub const PER_CPU_HASH: u32 = 5;
    /// An array with a value for each processor.
    pub const PER_CPU_ARRAY: u32 = 6;
    /// A hash table that forgets what was idle longest.
    pub const LRU_HASH: u32 = 9;
    /// Likewise with a value for each processor.
    pub const LRU_PER_CPU_HASH: u32 = 10;
    /// Prefixes; the longest one is found.
    pub const LPM_TRIE: u32 = 11;
    /// A ring of events.
    pub const RING_BUFFER: u32 = 27;
    /// The flag of a map that programs may read only; the kernel sets it by itself in no map.
    pub const READ_ONLY_FOR_PROGRAMS: u32 = 1 << 7;

    /// The type by its name in `bpftool`; its number where the datapath uses no such map.
    pub fn type_name(&self) -> String {
        let known = Self::TYPES
            .iter()
            .find(|(number, _)| *number == self.map_type);
        known.map_or_else(|| self.map_type.to_string(), |(_, name)| (*name).to_owned())
    }

    /// Whether an entry has a value for each processor.
    pub fn is_per_cpu(&self) -> bool {
        matches!(
            self.map_type,
            Self::PER_CPU_HASH | Self::PER_CPU_ARRAY | Self::LRU_PER_CPU_HASH
        )
    }
}

impl fmt::Display for MapShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key_size,
            value_size,
            max_entries,
            flags,
            ..
        } = self;
        let kind = self.type_name();
        write!(
            f,
            "type {kind}, key {key_size} bytes, value {value_size} bytes, max_entries {max_entries}, flags {flags:#x}"
        )
    }
}

/// What an update expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// Whatever there is.
    Any,
    /// No entry.
    Create,
    /// An entry.
    Replace,
}

/// An open map.
#[derive(Debug)]
pub struct Map {
    fd: OwnedFd,
    label: String,
    id: u32,
    shape: MapShape,
}

#[repr(C)]
#[derive(Default)]
struct CreateAttribute {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    inner: u32,
    numa_node: u32,
    name: [u8; 16],
    ifindex: u32,
}

#[repr(C)]
struct ElementAttribute {
    fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

impl Map {
    /// Creates a map; the kernel keeps 15 characters of its name.
    pub fn create(name: &str, shape: MapShape) -> Result<Self, BpfError> {
        let label = format!("map {name}");
        let mut attribute = CreateAttribute {
            map_type: shape.map_type,
            key_size: shape.key_size,
            value_size: shape.value_size,
            max_entries: shape.max_entries,
            flags: shape.flags,
            name: sys::name(name),
            ..CreateAttribute::default()
        };
        // SAFETY: the attribute holds no addresses, and the command returns a new descriptor.
        let fd = unsafe { sys::bpf_fd(Command::MapCreate, &mut attribute) }.map_err(
            BpfError::kernel(Operation::Create, format!("{label} ({shape})")),
        )?;
        Self::of(fd, label)
    }

    /// Opens the map pinned at `path`.
    pub fn open_pin(path: &Path) -> Result<Self, BpfError> {
        Self::of(
            object::open_pin(path, Pinned::Map)?,
            format!("map {}", path.display()),
        )
    }

    /// As [`Map::open_pin`]; nothing there is none.
    pub fn find_pin(path: &Path) -> Result<Option<Self>, BpfError> {
        absent_as_none(Self::open_pin(path))
    }

    /// As [`Map::find_pin`], where a map of this shape is expected, and for half the price: what has the facts of
    /// such a map is one. In those of a program the digest of its code stands where a map's sizes of key and
    /// value do, in those of a link the program's number and zeros. Only of other facts `/proc` is asked.
    pub fn find_pin_of(path: &Path, shape: MapShape) -> Result<Option<Self>, BpfError> {
        let Some(fd) = absent_as_none(object::open_any_pin(path))? else {
            return Ok(None);
        };
        match Self::of(fd, format!("map {}", path.display())) {
            Ok(map) if map.shape == shape => Ok(Some(map)),
            _ => Self::find_pin(path),
        }
    }

    /// Opens a map by its number in the kernel.
    pub fn open_id(id: u32) -> Result<Self, BpfError> {
        Self::of(object::open_id(id, Pinned::Map)?, format!("map {id}"))
    }

    /// Sizes come from the kernel, never from the caller: all lengths below are checked against them.
    pub(super) fn of(fd: OwnedFd, label: String) -> Result<Self, BpfError> {
        let MapInfo { id, shape, .. } = info::map(fd.as_fd(), &label)?;
        Ok(Self {
            fd,
            label,
            id,
            shape,
        })
    }

    /// Its name in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Its number in the kernel.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Type, sizes and flags.
    pub fn shape(&self) -> MapShape {
        self.shape
    }

    /// The facts the kernel has.
    pub fn info(&self) -> Result<MapInfo, BpfError> {
        info::map(self.fd.as_fd(), &self.label)
    }

    /// The value of an entry, if there is one. A per-CPU map has one value behind the other, each padded to
    /// eight bytes: see [`Map::lookup_per_cpu`].
    pub fn lookup(&self, key: &[u8]) -> Result<Option<Vec<u8>>, BpfError> {
        self.check(Operation::LookUp, "key", key, self.shape.key_size)?;
        let mut value = vec![0; self.value_room(Operation::LookUp)?];
        let mut attribute = ElementAttribute {
            fd: sys::number(&self.fd),
            pad: 0,
            key: sys::address_of(key),
            value: sys::address_of_mut(&mut value),
            flags: 0,
        };
        // SAFETY: `key` has the length of the map's keys, and `value` room for what the kernel writes: the
        // map's value, or one for each possible CPU. Both live until the call returns.
        match unsafe { sys::bpf(Command::MapLookup, &mut attribute) } {
            Ok(_) => Ok(Some(value)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(BpfError::kernel(Operation::LookUp, &self.label)(error)),
        }
    }

    /// The values of an entry of a per-CPU map, in the order of the processors.
    pub fn lookup_per_cpu(&self, key: &[u8]) -> Result<Option<Vec<Vec<u8>>>, BpfError> {
        let size = usize::try_from(self.shape.value_size).unwrap_or(0);
        let step = size.next_multiple_of(8).max(8);
        Ok(self.lookup(key)?.map(|all| {
            let values = all.chunks(step);
            values
                .map(|one| one.iter().take(size).copied().collect())
                .collect()
        }))
    }

    /// Writes an entry. A per-CPU map takes one value for each possible processor, each padded to eight
    /// bytes.
    pub fn update(&self, key: &[u8], value: &[u8], expect: Update) -> Result<(), BpfError> {
        self.check(Operation::Update, "key", key, self.shape.key_size)?;
        let room = u32::try_from(self.value_room(Operation::Update)?).unwrap_or(u32::MAX);
        self.check(Operation::Update, "value", value, room)?;
        let mut attribute = ElementAttribute {
            fd: sys::number(&self.fd),
            pad: 0,
            key: sys::address_of(key),
            value: sys::address_of(value),
            flags: match expect {
                Update::Any => 0,
                Update::Create => 1,
                Update::Replace => 2,
            },
        };
        // SAFETY: key and value have the lengths that the kernel reads, and live until the call returns.
        unsafe { sys::bpf(Command::MapUpdate, &mut attribute) }
            .map_err(BpfError::kernel(Operation::Update, &self.label))?;
        Ok(())
    }

    /// Puts a program or an inner map into an entry.
    pub fn update_fd(&self, key: &[u8], object: impl AsFd) -> Result<(), BpfError> {
        self.update(key, &sys::number(object).to_ne_bytes(), Update::Any)
    }

    /// Deletes an entry; says whether there was one.
    pub fn delete(&self, key: &[u8]) -> Result<bool, BpfError> {
        self.check(Operation::Delete, "key", key, self.shape.key_size)?;
        let mut attribute = ElementAttribute {
            fd: sys::number(&self.fd),
            pad: 0,
            key: sys::address_of(key),
            value: 0,
            flags: 0,
        };
        // SAFETY: `key` has the length of the map's keys and lives until the call returns.
        match unsafe { sys::bpf(Command::MapDelete, &mut attribute) } {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT) => Ok(false),
            Err(error) => Err(BpfError::kernel(Operation::Delete, &self.label)(error)),
        }
    }

    /// Its keys, as they are while one goes through them: entries that come and go may be missed.
    pub fn keys(&self) -> Keys<'_> {
        Keys::new(self)
    }

    /// The key behind `key`, or the first.
    pub(super) fn key_after(&self, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, BpfError> {
        if let Some(key) = key {
            self.check(Operation::NextKey, "key", key, self.shape.key_size)?;
        }
        let mut next = vec![0; usize::try_from(self.shape.key_size).unwrap_or(0)];
        let mut attribute = ElementAttribute {
            fd: sys::number(&self.fd),
            pad: 0,
            key: key.map_or(0, sys::address_of),
            value: sys::address_of_mut(&mut next),
            flags: 0,
        };
        // SAFETY: both have the length of the map's keys and live until the call returns; no address asks
        // for the first key.
        match unsafe { sys::bpf(Command::MapNextKey, &mut attribute) } {
            Ok(_) => Ok(Some(next)),
            Err(Errno::ENOENT) => Ok(None),
            Err(error) => Err(BpfError::kernel(Operation::NextKey, &self.label)(error)),
        }
    }

    /// Makes it read-only for this and every other process, for good: the verifier then takes its content
    /// for constants.
    pub fn freeze(&self) -> Result<(), BpfError> {
        let mut attribute = [sys::number(&self.fd)];
        // SAFETY: the attribute is one descriptor and holds no addresses.
        unsafe { sys::bpf(Command::MapFreeze, &mut attribute) }
            .map_err(BpfError::kernel(Operation::Freeze, &self.label))?;
        Ok(())
    }

    /// Pins it at `path`, where nothing may be.
    pub fn pin(&self, path: &Path) -> Result<(), BpfError> {
        object::pin(self.fd.as_fd(), &self.label, path)
    }

    fn check(
        &self,
        operation: Operation,
        what: &str,
        bytes: &[u8],
        size: u32,
    ) -> Result<(), BpfError> {
        if u32::try_from(bytes.len()) == Ok(size) {
            return Ok(());
        }
        let problem = format!("its {what} has {size} bytes, not {}", bytes.len());
        Err(BpfError::misuse(operation, &self.label, problem))
    }

    /// How many bytes the kernel reads or writes as one entry's value.
    fn value_room(&self, operation: Operation) -> Result<usize, BpfError> {
        let size = usize::try_from(self.shape.value_size).unwrap_or(0);
        if !self.shape.is_per_cpu() {
            return Ok(size);
        }
        let cpus = possible_cpus()
            .map_err(|error| BpfError::misuse(operation, &self.label, error.to_string()))?;
        Ok(size.next_multiple_of(8) * cpus)
    }
}

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
