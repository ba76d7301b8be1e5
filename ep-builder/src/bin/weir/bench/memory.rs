//! What the kernel keeps for an endpoint.

use std::collections::BTreeSet;

use ep_builder::bpf::{Map, Program};
use ep_builder::load::{LoadError, LoadedProgram};

use crate::failure::Failure;
use crate::memory::charged;

/// Bytes of an endpoint's own programs, and of the maps that they use and those of `others` do not.
pub(super) fn of_endpoint(
    ours: &[LoadedProgram],
    others: &[LoadedProgram],
) -> Result<u64, Failure> {
    let (mut bytes, mut maps) = (0, BTreeSet::new());
    for program in ours.iter().filter(|program| !program.is_shared) {
        let program = Program::open_id(program.id).map_err(LoadError::from)?;
        maps.extend(program.info().map_err(LoadError::from)?.map_ids);
        bytes += charged(&program)?;
    }
    for program in others {
        let program = Program::open_id(program.id).map_err(LoadError::from)?;
        for id in program.info().map_err(LoadError::from)?.map_ids {
            maps.remove(&id);
        }
    }
    for id in maps {
        bytes += charged(&Map::open_id(id).map_err(LoadError::from)?)?;
    }
    Ok(bytes)
}
