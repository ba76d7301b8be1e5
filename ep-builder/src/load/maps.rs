//! The maps of a generation: shared ones by their pins, its own ones new.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use nix::errno::Errno;

use super::bpffs::Pins;
use super::error::LoadError;
use crate::bpf::{Map, MapShape, Update, unpin};
use crate::btf::MapDefinition;
use crate::object::{DataSection, Loadable};

/// All maps of a generation, in the order of the object.
#[derive(Debug)]
pub(super) struct MapSet {
    maps: Vec<(String, Map)>,
    data: Vec<Map>,
    /// The endpoint's own pins that this generation made: taken away if it does not come into force.
    created: Vec<PathBuf>,
}

impl MapSet {
    /// Opens and creates the maps of an object.
    pub(super) fn open(object: &Loadable, pins: &Pins) -> Result<Self, LoadError> {
        let mut set = Self {
            maps: Vec::new(),
            data: Vec::new(),
            created: Vec::new(),
        };
        let opened = set.open_maps(object, pins);
        set.or_forget(opened)
    }

    fn open_maps(&mut self, object: &Loadable, pins: &Pins) -> Result<(), LoadError> {
        for definition in &object.maps {
            let map = self.open_map(definition, pins)?;
            self.maps.push((definition.name.clone(), map));
        }
        Ok(())
    }

    fn open_map(&mut self, definition: &MapDefinition, pins: &Pins) -> Result<Map, LoadError> {
        let name = &definition.name;
        // A calls map belongs to one generation: its pin is made when the programs are in force.
        if !definition.is_pinned || *name == pins.calls_name() {
            return Ok(Map::create(name, shape(definition))?);
        }
        let path = pins.of(name);
        if let Some(map) = Map::find_pin(&path)? {
            return compatible(map, definition, path);
        }
        let map = Map::create(name, shape(definition))?;
        match map.pin(&path) {
            Ok(()) => {
                if pins.is_own(name) {
                    self.created.push(path);
                }
                Ok(map)
            }
            // Another process was faster: its map is the one that all will use.
            Err(error) if error.errno() == Some(Errno::EEXIST) => {
                compatible(Map::open_pin(&path)?, definition, path)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Creates, fills and freezes the maps of the data sections.
    pub(super) fn add_data(&mut self, object: &Loadable) -> Result<(), LoadError> {
        for section in &object.data {
            self.data.push(data_map(section)?);
        }
        Ok(())
    }

    /// Takes the new pins of the endpoint's own away if `result` is an error.
    fn or_forget(self, result: Result<(), LoadError>) -> Result<Self, LoadError> {
        match result {
            Ok(()) => Ok(self),
            Err(error) => {
                self.forget();
                Err(error)
            }
        }
    }

    /// Takes away the pins of the endpoint's own that this generation made.
    pub(super) fn forget(&self) {
        for path in &self.created {
            // What is left is found by name when the endpoint is deleted.
            drop(unpin(path));
        }
    }

    /// A map by its name.
    pub(super) fn get(&self, name: &str) -> Result<&Map, LoadError> {
        let found = self.maps.iter().find(|(known, _)| known == name);
        let missing = || LoadError::Missing(format!("map {name}"));
        found.map(|(_, map)| map).ok_or_else(missing)
    }

    /// The descriptors of all maps, as instructions name them.
    pub(super) fn numbers(&self) -> (Vec<i32>, Vec<i32>) {
        let number = |map: &Map| map.as_fd().as_raw_fd();
        (
            self.maps.iter().map(|(_, map)| number(map)).collect(),
            self.data.iter().map(number).collect(),
        )
    }
}

/// What the object wants, as the kernel will say it.
fn shape(definition: &MapDefinition) -> MapShape {
    MapShape {
        map_type: definition.map_type,
        key_size: definition.key_size,
        value_size: definition.value_size,
        max_entries: definition.max_entries,
        flags: definition.map_flags,
    }
}

/// A map of another shape would be read wrongly, or be full too early: it is refused, and stays.
fn compatible(map: Map, definition: &MapDefinition, path: PathBuf) -> Result<Map, LoadError> {
    let (pinned, wanted) = (map.shape(), shape(definition));
    if pinned == wanted {
        return Ok(map);
    }
    Err(LoadError::Incompatible {
        name: definition.name.clone(),
        path,
        pinned: Box::new(pinned),
        wanted: Box::new(wanted),
    })
}

/// Frozen before the programs are loaded: only then does the verifier take the values for constants, and
/// cut what they switch off.
fn data_map(section: &DataSection) -> Result<Map, LoadError> {
    let shape = MapShape {
        map_type: MapShape::ARRAY,
        key_size: 4,
        value_size: u32::try_from(section.bytes.len()).unwrap_or(u32::MAX),
        max_entries: 1,
        flags: if section.read_only {
            MapShape::READ_ONLY_FOR_PROGRAMS
        } else {
            0
        },
    };
    let map = Map::create(&section.name, shape)?;
    map.update(&0_u32.to_ne_bytes(), &section.bytes, Update::Any)?;
    if section.read_only {
        map.freeze()?;
    }
    Ok(map)
}
