//! What the kernel keeps for an endpoint.

use std::collections::BTreeSet;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use ep_builder::bpf::{Map, Program};
use ep_builder::load::{LoadError, LoadedProgram};
use ep_builder::whole_file;

use crate::failure::Failure;

/// More than the facts of any descriptor.
const LIMIT: u64 = 64 << 10;

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

/// What the kernel charges for what a descriptor stands for.
fn charged(object: &impl AsFd) -> Result<u64, Failure> {
    let facts = Path::new("/proc/self/fdinfo").join(object.as_fd().as_raw_fd().to_string());
    let text = whole_file::read_named(&facts, LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    let bytes = line.and_then(|bytes| bytes.trim().parse().ok());
    bytes.ok_or_else(|| Failure::Input(format!("{} says nothing of memory", facts.display())))
}
