//! The network namespaces whose sockets reach host ports: the node's own, and those of our pods. In any other
//! one the node's addresses may belong to another machine.

use nix::errno::Errno;

use super::cookie::NetnsCookie;
use super::error::SockError;
use crate::bpf::{Map, MapShape, Update};
use crate::btf::MapDefinition;
use crate::endpoint::EndpointId;
use crate::load::{find_or_make, ready};
use crate::maps::{MapName, Maps};

/// `BPF_F_NO_PREALLOC`.
const NO_PREALLOC: u32 = 1;

/// Whose namespace it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The node's own.
    Node,
    /// A pod's, by one of its endpoints.
    Pod(EndpointId),
}

impl Owner {
    /// The node is number 0 in the datapath.
    fn number(self) -> u32 {
        match self {
            Self::Node => 0,
            Self::Pod(id) => id.get().into(),
        }
    }
}

/// The map of these namespaces.
#[derive(Debug)]
pub struct NetnsMap(Map);

impl NetnsMap {
    /// The map in the folder of pins, new if it is not there, with room for as many.
    pub(super) fn ready(maps: &Maps, endpoints: u32) -> Result<Self, SockError> {
        ready(maps.folder())?;
        let definition = definition(maps, endpoints);
        let (map, _) = find_or_make(&definition, &maps.pin(MapName::Netns))?;
        Ok(Self(map))
    }

    /// The map, if it is there.
    pub fn find(maps: &Maps) -> Result<Option<Self>, SockError> {
        Ok(Map::find_pin(&maps.pin(MapName::Netns))?.map(Self))
    }

    /// Says whose a namespace is. The first word stands: a pod with several interfaces is known by the first of them,
    /// which goes last, and one in the node's own namespace is the node.
    pub fn enter(&self, cookie: NetnsCookie, owner: Owner) -> Result<(), SockError> {
        let number = owner.number().to_ne_bytes();
        match self.0.update(&cookie.key(), &number, Update::Create) {
            Err(error) if error.errno() == Some(Errno::EEXIST) => Ok(()),
            result => Ok(result?),
        }
    }

    /// Forgets the namespaces of an owner; returns how many there were.
    pub fn forget(&self, owner: Owner) -> Result<usize, SockError> {
        let mut forgotten = 0;
        for (cookie, known) in self.entries()? {
            if known == owner {
                forgotten += usize::from(self.0.delete(&cookie.key())?);
            }
        }
        Ok(forgotten)
    }

    /// Every namespace, and whose it is.
    pub fn entries(&self) -> Result<Vec<(NetnsCookie, Owner)>, SockError> {
        let mut entries = Vec::new();
        for key in self.0.keys() {
            let key = key?;
            // What was deleted meanwhile has no value.
            if let Some(value) = self.0.lookup(&key)? {
                entries.extend(entry(&key, &value));
            }
        }
        Ok(entries)
    }

    /// Whether no namespace is known.
    pub(super) fn is_empty(&self) -> Result<bool, SockError> {
        Ok(self.0.keys().next().transpose()?.is_none())
    }
}

fn entry(key: &[u8], value: &[u8]) -> Option<(NetnsCookie, Owner)> {
    let cookie = NetnsCookie::from_key(key.try_into().ok()?);
    let number = u32::from_ne_bytes(value.try_into().ok()?);
    let owner = match u16::try_from(number).ok()? {
        0 => Owner::Node,
        id => Owner::Pod(EndpointId::new(id).ok()?),
    };
    Some((cookie, owner))
}

/// As `bpf-src/maps_sock.h` has it: whoever comes first makes it, an ADD or the programs.
fn definition(maps: &Maps, endpoints: u32) -> MapDefinition {
    let wanted = MapName::Netns.definition();
    let size = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
    MapDefinition {
        name: maps.name(MapName::Netns),
        map_type: MapShape::HASH,
        key_size: size(wanted.key_size),
        value_size: size(wanted.value_size),
        // And the node.
        max_entries: endpoints.saturating_add(1),
        map_flags: NO_PREALLOC,
        is_pinned: true,
    }
}
