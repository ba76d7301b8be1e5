//! Maps of numbers by place, and which places of a program array are filled.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use aya::maps::{HashMap, Map, MapData, MapError};

use super::error::MapsError;
use super::name::MapName;
use super::table::{Opened, open};

/// A map of numbers by place.
///
/// aya's type for keys and values makes the calls that all of these maps take; its type for program arrays
/// does not read.
pub(super) struct Numbers {
    map: HashMap<MapData, u32, u32>,
    descriptor: OwnedFd,
    places: u32,
    path: PathBuf,
}

impl Numbers {
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
                places: max_entries,
                path,
            }),
            Err(source) => Err(MapsError::Open { path, source }),
        }
    }

    /// What a place holds; none for an empty one.
    pub(super) fn get(&self, place: u32) -> Result<Option<u32>, MapsError> {
        match self.map.get(&place, 0) {
            Ok(number) => Ok(Some(number)),
            Err(MapError::KeyNotFound) => Ok(None),
            Err(source) => Err(MapsError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }

    /// Sets what a place holds.
    pub(super) fn set(&mut self, place: u32, number: u32) -> Result<(), MapsError> {
        let set = self.map.insert(place, number, 0);
        set.map_err(|source| MapsError::Write {
            what: "set a number in",
            path: self.path.clone(),
            source,
        })
    }

    /// The map, for calls that take many places.
    pub(super) fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    /// How many places there are.
    pub(super) fn places(&self) -> u32 {
        self.places
    }

    /// Its pin.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Every place that holds something, with what it holds.
    pub(super) fn all(&self) -> Result<Vec<(u32, u32)>, MapsError> {
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
