//! The maps of a generation: shared ones by their pins, its own ones new.

use std::os::fd::{AsFd, AsRawFd};
use std::path::PathBuf;

use nix::errno::Errno;

use super::bpffs::Pins;
use super::error::LoadError;
use crate::bpf::{Map, MapShape, Update, unpin};
use crate::btf::MapDefinition;
use crate::object::{DataSection, Loadable};

/// All maps of a generation.
#[derive(Debug)]
pub(super) struct MapSet {
    maps: Vec<(String, Map)>,
    data: Vec<Map>,
    /// The endpoint's own pins that this generation made: taken away if it does not come into force.
    created: Vec<PathBuf>,
}

impl MapSet {
    /// Opens and creates the maps of an object; the calls map is added when it is known whose it is.
    pub(super) fn open(object: &Loadable, pins: &Pins) -> Result<Self, LoadError> {
        Self::shared(object, pins)?.with_own(object, pins)
    }

    /// Those that are not the endpoint's own. What is created here is the node's, and stays.
    pub(super) fn shared(object: &Loadable, pins: &Pins) -> Result<Self, LoadError> {
        let mut set = Self {
            maps: Vec::new(),
            data: Vec::new(),
            created: Vec::new(),
        };
        set.open_maps(object, pins, |name| !pins.is_own(name))?;
        Ok(set)
    }

    /// Adds the endpoint's own, but for the calls map.
    pub(super) fn with_own(mut self, object: &Loadable, pins: &Pins) -> Result<Self, LoadError> {
        let calls = pins.calls_name();
        let opened = self.open_maps(object, pins, |name| pins.is_own(name) && name != calls);
        self.or_forget(opened)
    }

    fn open_maps(
        &mut self,
        object: &Loadable,
        pins: &Pins,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), LoadError> {
        for definition in object.maps.iter().filter(|map| wanted(&map.name)) {
            let map = self.open_map(definition, pins)?;
            self.maps.push((definition.name.clone(), map));
        }
        Ok(())
    }

    fn open_map(&mut self, definition: &MapDefinition, pins: &Pins) -> Result<Map, LoadError> {
        let name = &definition.name;
        if !definition.is_pinned {
            return Ok(Map::create(name, shape(definition))?);
        }
        let path = pins.of(name);
        if let Some(map) = Map::find_pin_of(&path, shape(definition))? {
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

    /// Adds a map, in place of one that has this name.
    pub(super) fn set(&mut self, name: &str, map: Map) {
        self.maps.retain(|(known, _)| known != name);
        self.maps.push((name.to_owned(), map));
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

    /// Takes a map out.
    pub(super) fn take(&mut self, name: &str) -> Result<Map, LoadError> {
        let at = self.maps.iter().position(|(known, _)| known == name);
        let missing = || LoadError::Missing(format!("map {name}"));
        at.map(|at| self.maps.swap_remove(at).1).ok_or_else(missing)
    }

    /// The descriptors of all maps, as the instructions of an object name them: by their order in it.
    pub(super) fn numbers(&self, object: &Loadable) -> Result<(Vec<i32>, Vec<i32>), LoadError> {
        let number = |map: &Map| map.as_fd().as_raw_fd();
        let maps = object.maps.iter();
        let maps = maps.map(|definition| Ok(number(self.get(&definition.name)?)));
        Ok((
            maps.collect::<Result<_, LoadError>>()?,
            self.data.iter().map(number).collect(),
        ))
    }
}

/// What the object wants, as the kernel will say it.
pub(super) fn shape(definition: &MapDefinition) -> MapShape {
    MapShape {
        map_type: definition.map_type,
        key_size: definition.key_size,
        value_size: definition.value_size,
        max_entries: definition.max_entries,
        flags: definition.map_flags,
    }
}

/// A map of another shape would be read wrongly, or be full too early: it is refused, and stays.
pub(super) fn compatible(
    map: Map,
    definition: &MapDefinition,
    path: PathBuf,
) -> Result<Map, LoadError> {
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
