//! Whether the kernel runs the generation that lies on disk: a process may have died between putting one in force
//! and making it the live folder.

use super::LifecycleError;
use crate::bpf::{Map, MapShape, Program, loaded_types};
use crate::elf::CONSTANT_SECTION;
use crate::endpoint::EndpointId;
use crate::load::{LoadError, Owner};
use crate::maps::{Maps, MapsError};
use crate::object::Loadable;

/// Compares what an endpoint's programs came with: their types, in which are the lines of their sources, and the
/// values of their constants. An endpoint without programs agrees with nothing and is told elsewhere.
pub(super) fn agrees(maps: &Maps, id: EndpointId, object: &[u8]) -> Result<bool, LifecycleError> {
    let verdicts = match maps.verdicts() {
        Err(MapsError::Missing { .. }) => return Ok(true),
        verdicts => verdicts?,
    };
    let Some(program) = verdicts.get(id.get().into())? else {
        return Ok(true);
    };
    let wanted = Loadable::parse(object);
    let wanted = wanted.map_err(|source| LoadError::Object {
        owner: Owner::Endpoint(id),
        source,
    })?;
    let running = Program::open_id(program).and_then(|program| program.info());
    let running = running.map_err(LoadError::from)?;
    let types = loaded_types(running.btf_id).map_err(LoadError::from)?;
    let constants = constants(&running.map_ids)?;
    let section = wanted
        .data
        .iter()
        .find(|data| data.name == CONSTANT_SECTION);
    let same_constants = constants.as_deref() == section.map(|section| section.bytes.as_slice());
    // A program that uses no constant names no map of them.
    Ok(types == wanted.types && (constants.is_none() || same_constants))
}

/// The content of the map of constants among these.
fn constants(maps: &[u32]) -> Result<Option<Vec<u8>>, LoadError> {
    for number in maps {
        let map = Map::open_id(*number)?;
        let info = map.info()?;
        if info.shape.map_type == MapShape::ARRAY && info.name == CONSTANT_SECTION {
            return Ok(map.lookup(&0_u32.to_ne_bytes())?);
        }
    }
    Ok(None)
}
