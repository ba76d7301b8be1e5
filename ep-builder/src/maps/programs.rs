//! Maps of numbers by place: which places of a program array are filled, and revisions of policies.

use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError};

use super::error::MapsError;
use super::name::MapName;
use super::table::{Opened, open};
use crate::endpoint::EndpointId;

/// A map of numbers by place.
///
/// aya's type for keys and values makes the calls that all of these maps take; its type for program arrays
/// does not read.
struct Numbers {
    map: HashMap<MapData, u32, u32>,
    places: u32,
    path: PathBuf,
}

impl Numbers {
    fn open(name: MapName, path: &Path) -> Result<Self, MapsError> {
        let Opened {
            data,
            max_entries,
            path,
        } = open(name, path)?;
        match HashMap::try_from(Map::HashMap(data)) {
            Ok(map) => Ok(Self {
                map,
                places: max_entries,
                path,
            }),
            Err(source) => Err(MapsError::Open { path, source }),
        }
    }

    fn get(&self, place: u32) -> Result<Option<u32>, MapsError> {
        match self.map.get(&place, 0) {
            Ok(number) => Ok(Some(number)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(MapsError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Every place that holds something, with what it holds.
    fn all(&self) -> Result<Vec<(u32, u32)>, MapsError> {
        let mut found = Vec::new();
        for place in 0..self.places {
            if let Some(number) = self.get(place)? {
                found.push((place, number));
            }
        }
        Ok(found)
    }
}

/// A program array, for reading: the loader alone fills it.
pub struct ProgramsMap(Numbers);

impl ProgramsMap {
    pub(super) fn open(name: MapName, path: &Path) -> Result<Self, MapsError> {
        Numbers::open(name, path).map(Self)
    }

    /// The kernel's number for the program in a place.
    pub fn get(&self, place: u32) -> Result<Option<u32>, MapsError> {
        self.0.get(place)
    }

    /// Every place that is filled, with the kernel's number for the program.
    pub fn filled(&self) -> Result<Vec<(u32, u32)>, MapsError> {
        self.0.all()
    }
}

/// The revisions of the endpoints' policies. What conntrack allowed under another one is asked anew.
pub struct RevisionsMap(Numbers);

impl RevisionsMap {
    pub(super) fn open(path: &Path) -> Result<Self, MapsError> {
        Numbers::open(MapName::PolicyRevision, path).map(Self)
    }

    /// An endpoint's revision; 0 before the first one.
    pub fn get(&self, id: EndpointId) -> Result<u32, MapsError> {
        Ok(self.0.get(id.get().into())?.unwrap_or_default())
    }

    /// Sets an endpoint's revision: after its rules are written, so that no packet is judged by the old
    /// rules under the new revision.
    pub fn set(&mut self, id: EndpointId, revision: u32) -> Result<(), MapsError> {
        let place = u32::from(id.get());
        let set = self.0.map.insert(place, revision, 0);
        set.map_err(|source| MapsError::Write {
            what: "set a revision in",
            path: self.0.path.clone(),
            source,
        })
    }

    /// How many endpoints have a revision.
    pub fn count(&self) -> Result<usize, MapsError> {
        let all = self.0.all()?;
        Ok(all.iter().filter(|(_, revision)| *revision != 0).count())
    }
}
