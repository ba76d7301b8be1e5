//! The maps of a generation: shared ones by their pins, its own ones new.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::bpffs::Pins;
use super::error::LoadError;
use super::owner::Owner;
use crate::bpf::{Map, MapShape, Update, unpin};
use crate::btf::MapDefinition;
use crate::object::{DataSection, Loadable, Target};

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
        let needed = needed(object, pins.owner());
        let is_called_by =
            |name: &str| !pins.owner().called().is_empty() && name == pins.call_policy_name();
        let maps = object.maps.iter().enumerate();
        for (_, definition) in maps.filter(|(index, map)| {
            (needed.contains(index) || is_called_by(&map.name)) && wanted(&map.name)
        }) {
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
        let (map, is_new) = find_or_make(definition, &path)?;
        if is_new && pins.is_own(name) {
            self.created.push(path);
        }
        Ok(map)
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
    pub(super) fn numbers(
        &self,
        object: &Loadable,
        owner: Owner,
    ) -> Result<(Vec<i32>, Vec<i32>), LoadError> {
        let number = |map: &Map| map.as_fd().as_raw_fd();
        let needed = needed(object, owner);
        let mut maps = Vec::with_capacity(object.maps.len());
        for (index, definition) in object.maps.iter().enumerate() {
            maps.push(if needed.contains(&index) {
                number(self.get(&definition.name)?)
            } else {
                NOBODY_S
            });
        }
        Ok((maps, self.data.iter().map(number).collect()))
    }
}

/// The descriptor of a map that no instruction names.
const NOBODY_S: i32 = -1;

/// Which maps of an object are made, by their order in it. An endpoint's object brings all maps of its shape; the
/// node's is compiled with the same declarations, and brings those that its programs name.
fn needed(object: &Loadable, owner: Owner) -> BTreeSet<usize> {
    match owner {
        Owner::Endpoint(_) => (0..object.maps.len()).collect(),
        Owner::Device(_) => {
            let functions = object.functions.iter();
            let references = functions.flat_map(|function| &function.references);
            let maps = references.filter_map(|reference| match reference.target {
                Target::Map(map) => Some(map),
                _ => None,
            });
            maps.collect()
        }
    }
}

/// The map that is pinned at `path`, or a new one, which is pinned there; whether it is new.
pub(crate) fn find_or_make(
    definition: &MapDefinition,
    path: &Path,
) -> Result<(Map, bool), LoadError> {
    if let Some(map) = Map::find_pin_of(path, shape(definition))? {
        return Ok((compatible(map, definition, path.to_owned())?, false));
    }
    let map = Map::create(&definition.name, shape(definition))?;
    match map.pin(path) {
        Ok(()) => Ok((map, true)),
        // Another process was faster: its map is the one that all will use.
        Err(error) if error.errno() == Some(Errno::EEXIST) => {
            let map = Map::open_pin(path)?;
            Ok((compatible(map, definition, path.to_owned())?, false))
        }
        Err(error) => Err(error.into()),
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
