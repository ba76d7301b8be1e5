//! The tail programs: one set for all endpoints of a template, where that is possible.
//!
//! They are nearly all that the verifier has to walk through, and what they need to know of an endpoint they
//! are told by its own programs. So the first endpoint loads them into a calls map, and pins that under a
//! name that says which programs on which maps they are; the others find it, and load a few small programs
//! against it. Each endpoint pins the map under its own name, too: it lives as long as anybody uses it.

use std::collections::BTreeSet;

use nix::errno::Errno;
use sha2::{Digest, Sha256};

use super::bpffs::Pins;
use super::error::LoadError;
use super::maps::{MapSet, compatible, shape};
use crate::bpf::{BpfError, Map, replace_pin};
use crate::btf::{MapDefinition, TailSlot};
use crate::digest::hex;
use crate::elf::CONSTANT_SECTION;
use crate::object::{Function, Loadable, Target};

/// Changes when the same bytes come to mean something else.
const FORMAT: u32 = 1;
/// Bytes of the digest in a name.
const DIGEST: usize = 8;

/// What the tail programs of an object are, apart from the endpoint; only where nothing of it is in them.
struct Shareable {
    /// Code, names and constants.
    content: Sha256,
    /// The maps they name, but for the calls map.
    maps: BTreeSet<usize>,
}

impl Shareable {
    /// None if a constant or a map of the endpoint's own is in one of them: then the endpoint has them all for
    /// itself.
    fn of(object: &Loadable, calls: &str, is_own: impl Fn(&str) -> bool) -> Option<Self> {
        let mut this = Self {
            content: Sha256::new(),
            maps: BTreeSet::new(),
        };
        this.add(&FORMAT.to_le_bytes());
        this.add(object.license.to_bytes());
        let mut roots = Vec::new();
        for tail in &object.tails {
            roots.push(
                object
                    .function_named(&tail.function)
                    .filter(|_| tail.map == calls)?,
            );
            this.add(tail.function.as_bytes());
            this.add(&tail.slot.to_le_bytes());
        }
        let (_, definition) = object.map(calls)?;
        this.add(format!("{:?}", shape(definition)).as_bytes());
        for index in object.reached(&roots) {
            let function = object.functions.get(index)?;
            this.add(function.name.as_bytes());
            this.add(function.code.as_flattened());
            for reference in &function.references {
                this.add(&reference.instruction.to_le_bytes());
                this.refer(object, reference.target, calls, &is_own)?;
            }
        }
        Some(this)
    }

    fn refer(
        &mut self,
        object: &Loadable,
        target: Target,
        calls: &str,
        is_own: impl Fn(&str) -> bool,
    ) -> Option<()> {
        match target {
            Target::Map(map) => {
                let name = object.maps.get(map)?.name.as_str();
                if name != calls {
                    self.add(name.as_bytes());
                    self.maps.insert(map);
                }
                (name == calls || !is_own(name)).then_some(())
            }
            Target::Data { section, offset } => {
                let data = object.data.get(section)?;
                self.add(&offset.to_le_bytes());
                self.add(&data.bytes);
                (data.read_only && data.name != CONSTANT_SECTION).then_some(())
            }
            Target::Call(to) | Target::Callback(to) => {
                self.add(object.functions.get(to)?.name.as_bytes());
                Some(())
            }
        }
    }

    /// With its length, so that no two lists of parts look alike.
    fn add(&mut self, part: &[u8]) {
        self.content.update((part.len() as u64).to_le_bytes());
        self.content.update(part);
    }

    /// The kernel's numbers of the maps belong to it: programs hold their maps, and a map that was made anew
    /// is another one.
    fn digest(
        mut self,
        number: impl Fn(usize) -> Result<u32, LoadError>,
    ) -> Result<String, LoadError> {
        for map in std::mem::take(&mut self.maps) {
            self.add(&number(map)?.to_le_bytes());
        }
        let digest = self.content.finalize();
        Ok(hex(digest.get(..DIGEST).unwrap_or(&digest)))
    }
}

/// The pin under which endpoints share the tail programs of an object; none if they are the endpoint's alone.
pub(super) fn shared_pin(
    object: &Loadable,
    maps: &MapSet,
    pins: &Pins,
) -> Result<Option<String>, LoadError> {
    let Some(shareable) = Shareable::of(object, &pins.calls_name(), |name| pins.is_own(name))
    else {
        return Ok(None);
    };
    let number = |map: usize| {
        let name = object.maps.get(map).map_or("", |map| map.name.as_str());
        Ok(maps.get(name)?.id())
    };
    Ok(Some(pins.tails_name(&shareable.digest(number)?)))
}

/// The definition of the calls map.
pub(super) fn definition<'a>(
    object: &'a Loadable,
    calls: &str,
) -> Result<&'a MapDefinition, LoadError> {
    let found = object.map(calls).map(|(_, definition)| definition);
    found.ok_or_else(|| LoadError::Missing(format!("map {calls}")))
}

/// The map that is pinned there, if a program is in each of its slots.
pub(super) fn find(
    pins: &Pins,
    name: &str,
    definition: &MapDefinition,
    tails: &[TailSlot],
) -> Result<Option<Map>, LoadError> {
    let path = pins.of(name);
    let Some(map) = Map::find_pin_of(&path, shape(definition))? else {
        return Ok(None);
    };
    let map = compatible(map, definition, path)?;
    let filled = programs(&map, tails)?.len() == tails.len();
    Ok(filled.then_some(map))
}

/// The kernel's numbers of the programs in the slots, without the empty ones.
pub(super) fn programs(map: &Map, tails: &[TailSlot]) -> Result<Vec<u32>, BpfError> {
    let mut found = Vec::new();
    for tail in tails {
        let program = map.lookup(&tail.slot.to_ne_bytes())?;
        found.extend(
            program
                .and_then(|id| id.first_chunk().copied())
                .map(u32::from_ne_bytes),
        );
    }
    Ok(found)
}

/// Lets others find a map whose slots are all filled. Where somebody was faster, his is the one to use.
pub(super) fn publish(
    pins: &Pins,
    name: &str,
    map: Map,
    definition: &MapDefinition,
    tails: &[TailSlot],
) -> Result<Map, LoadError> {
    let path = pins.of(name);
    match map.pin(&path) {
        Ok(()) => return Ok(map),
        Err(error) if error.errno() == Some(Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    if let Some(others) = find(pins, name, definition, tails)? {
        return Ok(others);
    }
    // A map with empty slots under this name is nobody's work; ours is as good without a name.
    drop(replace_pin(&path, |path| map.pin(path)));
    Ok(map)
}

/// Whether a program is one of the tail programs.
pub(super) fn is_tail(object: &Loadable, function: &Function) -> bool {
    object
        .tails
        .iter()
        .any(|tail| tail.function == function.name)
}
