//! A pinned map of keys and values, by the structures that it holds.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError, MapKeys, PerCpuHashMap};

use super::codec::Record;
use super::error::{MapsError, cause};
use super::name::{Definition, MapName, MapType};

/// `BPF_NOEXIST`
const NO_EXIST: u64 = 1;

/// A map that is open, and what was asked for.
pub(super) struct Opened {
    pub(super) data: MapData,
    pub(super) descriptor: OwnedFd,
    pub(super) max_entries: u32,
    pub(super) path: PathBuf,
}

/// Opens a pin and compares the map with what the datapath takes it for.
pub(super) fn open(name: MapName, path: &Path) -> Result<Opened, MapsError> {
    let (data, facts) = inspect(name, path)?;
    let want = name.definition();
    if facts.definition != want {
        return Err(MapsError::Different {
            path: path.to_owned(),
            have: facts.definition,
            want,
        });
    }
    let descriptor = data.fd().as_fd().try_clone_to_owned();
    let descriptor = descriptor.map_err(|error| MapsError::Open {
        path: path.to_owned(),
        source: MapError::IoError(error),
    })?;
    Ok(Opened {
        data,
        descriptor,
        max_entries: facts.max_entries,
        path: path.to_owned(),
    })
}

/// What the kernel says of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The kernel's number for it.
    pub id: u32,
    /// What it is.
    pub definition: Definition,
    /// Its limit: entries, or bytes of a ring buffer.
    pub max_entries: u32,
    /// The kernel's flags of creation.
    pub flags: u32,
}

/// Opens whatever is pinned there.
pub(super) fn inspect(name: MapName, path: &Path) -> Result<(MapData, Facts), MapsError> {
    let failed = |source| match cause(&source) {
        Some(io::ErrorKind::NotFound) => MapsError::Missing {
            path: path.to_owned(),
            made: made(name),
        },
        _ => MapsError::Open {
            path: path.to_owned(),
            source,
        },
    };
    let data = MapData::from_pin(path).map_err(failed)?;
    let info = data.info().map_err(failed)?;
    let map_type = info.map_type().map_err(failed)?;
    let size = |size| usize::try_from(size).unwrap_or(usize::MAX);
    let facts = Facts {
        id: info.id(),
        definition: Definition {
            map_type: MapType::of(map_type as u32),
            key_size: size(info.key_size()),
            value_size: size(info.value_size()),
        },
        max_entries: info.max_entries(),
        flags: info.map_flags(),
    };
    Ok((data, facts))
}

/// What brings a map that is not there.
fn made(name: MapName) -> &'static str {
    match name {
        MapName::Policy(_) | MapName::Calls(_) => {
            "it is there while the endpoint is attached: `weir endpoint list` shows the endpoints"
        }
        MapName::Tails(_) => {
            "it is there from the first endpoint of a template until `weir gc` finds it unused"
        }
        MapName::Conntrack(_) => {
            "it is made when the first endpoint is attached that tracks connections of its family"
        }
        MapName::DeviceCalls(_)
        | MapName::NodePolicy
        | MapName::NodeOpen
        | MapName::HostPorts
        | MapName::NodeAddresses
        | MapName::NativeCidrs
        | MapName::Snat(_)
        | MapName::Netns
        | MapName::SockAsked => "it is made when the node is set up: `weir node init`",
        _ => "it is made when the first endpoint is attached",
    }
}

/// A map of keys and values.
///
/// The kernel's calls are the same for a hash table and a trie, so both are [`HashMap`]s here: the type
/// for tries would take the length of the prefix out of the key, and a key would be half a structure.
pub struct Table<K: Record, V: Record> {
    map: HashMap<MapData, K::Bytes, V::Bytes>,
    descriptor: OwnedFd,
    max_entries: u32,
    path: PathBuf,
}

impl<K: Record, V: Record> Table<K, V> {
    pub(super) fn open(name: MapName, path: &Path) -> Result<Self, MapsError> {
        let Opened {
            data,
            descriptor,
            max_entries,
            path,
        } = open(name, path)?;
        match HashMap::try_from(Map::HashMap(data)) {
            Ok(map) => Ok(Self {
                map,
                descriptor,
                max_entries,
                path,
            }),
            Err(source) => Err(MapsError::Open { path, source }),
        }
    }

    /// The value of a key; in a trie, of the longest prefix that covers it.
    pub fn get(&self, key: &K) -> Result<Option<V>, MapsError> {
        match self.map.get(&key.to_bytes(), 0) {
            Ok(value) => Ok(Some(V::from_bytes(value.as_ref()))),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(self.unread(source)),
        }
    }

    /// Every key and its value, in the order of their bytes. What comes or goes meanwhile may be missed.
    pub fn entries(&self) -> Result<Vec<(K, V)>, MapsError> {
        let keys = collect(self.map.keys(), self.max_entries, &self.path)?;
        let mut entries = Vec::with_capacity(keys.len());
        for key in keys {
            match self.map.get(&key, 0) {
                Ok(value) => {
                    entries.push((K::from_bytes(key.as_ref()), V::from_bytes(value.as_ref())));
                }
                Err(MapError::KeyNotFound) => {}
                Err(source) => return Err(self.unread(source)),
            }
        }
        Ok(entries)
    }

    /// Every key, in the order of their bytes.
    pub fn keys(&self) -> Result<Vec<K>, MapsError> {
        let keys = collect(self.map.keys(), self.max_entries, &self.path)?;
        Ok(keys.iter().map(|key| K::from_bytes(key.as_ref())).collect())
    }

    /// How many entries there are.
    pub fn count(&self) -> Result<usize, MapsError> {
        Ok(collect(self.map.keys(), self.max_entries, &self.path)?.len())
    }

    /// Sets the value of a key, at once: a packet meets the old value or the new one.
    pub fn insert(&mut self, key: &K, value: &V) -> Result<(), MapsError> {
        let inserted = self.map.insert(key.to_bytes(), value.to_bytes(), 0);
        inserted.map_err(|source| self.not_inserted(source))
    }

    /// Sets the value of a key that has none; whether it had none.
    pub fn insert_new(&mut self, key: &K, value: &V) -> Result<bool, MapsError> {
        match self.map.insert(key.to_bytes(), value.to_bytes(), NO_EXIST) {
            Ok(()) => Ok(true),
            Err(source) if cause(&source) == Some(io::ErrorKind::AlreadyExists) => Ok(false),
            Err(source) => Err(self.not_inserted(source)),
        }
    }

    fn not_inserted(&self, source: MapError) -> MapsError {
        match cause(&source) {
            // A hash table that is full says E2BIG, a trie ENOSPC.
            Some(io::ErrorKind::ArgumentListTooLong | io::ErrorKind::StorageFull) => {
                MapsError::Full {
                    path: self.path.clone(),
                    max_entries: self.max_entries,
                }
            }
            _ => self.unwritten("put an entry into", source),
        }
    }

    /// Takes a key and its value out; whether it was there.
    pub fn remove(&mut self, key: &K) -> Result<bool, MapsError> {
        match self.map.remove(&key.to_bytes()) {
            Ok(()) => Ok(true),
            Err(source) if cause(&source) == Some(io::ErrorKind::NotFound) => Ok(false),
            Err(source) => Err(self.unwritten("take an entry from", source)),
        }
    }

    /// The map, for calls that take many entries.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    /// How many entries there is room for.
    pub(super) fn max_entries(&self) -> u32 {
        self.max_entries
    }

    /// Its pin.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn unread(&self, source: MapError) -> MapsError {
        MapsError::Read {
            path: self.path.clone(),
            source,
        }
    }

    fn unwritten(&self, what: &'static str, source: MapError) -> MapsError {
        MapsError::Write {
            what,
            path: self.path.clone(),
            source,
        }
    }
}

/// A map with a value for each processor.
///
/// aya's type for keys and values makes the call that an array takes, too.
pub struct PerCpuTable<K: Record, V: Record> {
    map: PerCpuHashMap<MapData, K::Bytes, V::Bytes>,
    path: PathBuf,
}

impl<K: Record, V: Record> PerCpuTable<K, V> {
    pub(super) fn open(name: MapName, path: &Path) -> Result<Self, MapsError> {
        let Opened { data, path, .. } = open(name, path)?;
        match PerCpuHashMap::try_from(Map::PerCpuHashMap(data)) {
            Ok(map) => Ok(Self { map, path }),
            Err(source) => Err(MapsError::Open { path, source }),
        }
    }

    /// Every processor's value of a key.
    pub fn get(&self, key: &K) -> Result<Vec<V>, MapsError> {
        match self.map.get(&key.to_bytes(), 0) {
            Ok(values) => Ok(values
                .iter()
                .map(|value| V::from_bytes(value.as_ref()))
                .collect()),
            Err(MapError::KeyNotFound) => Ok(Vec::new()),
            Err(source) => Err(MapsError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// The keys, each once. Where a key vanishes before the next one is asked for, the kernel begins again, so
/// a busy map may never come to an end: one that gives several times what it can hold is given up.
fn collect<B: aya::Pod + Ord>(
    keys: MapKeys<'_, B>,
    max_entries: u32,
    path: &Path,
) -> Result<BTreeSet<B>, MapsError> {
    let patience = u64::from(max_entries)
        .saturating_mul(4)
        .saturating_add(1_024);
    let mut found = BTreeSet::new();
    for (steps, key) in (0..).zip(keys) {
        if steps > patience {
            return Err(MapsError::Restless {
                path: path.to_owned(),
            });
        }
        found.insert(key.map_err(|source| MapsError::Read {
            path: path.to_owned(),
            source,
        })?);
    }
    Ok(found)
}
