//! A twin of an endpoint: its own object, loaded a second time, with maps that packets never meet.

use super::Target;
use super::bpffs;
use super::constants;
use super::datapath::{Datapath, Tails, complete};
use super::error::LoadError;
use super::maps::MapSet;
use crate::btf::MapDefinition;
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::timeline::Timeline;

/// Loads an object for test runs, with maps below the folder of `target`, which must not be the node's.
///
/// `size` says how many entries a map gets that is made here, where the object wants another number. The kernel takes a second, and hundreds of megabytes, to make room for a node's connections, and a
/// twin has a few. No program knows the size of a map by which it looks something up.
pub fn load_twin(
    object: &EndpointObject,
    target: &Target,
    size: impl Fn(&MapDefinition) -> u32,
) -> Result<Datapath, LoadError> {
    let owner = target.owner;
    let bytes = object.bytes();
    let mut object =
        Loadable::parse(bytes).map_err(|source| LoadError::Object { owner, source })?;
    constants::check(bytes, &object, target, None)?;
    complete(&object, owner)?;
    for map in &mut object.maps {
        map.max_entries = size(map);
    }
    bpffs::ready(&target.bpffs_dir)?;
    let pins = target.pins();
    let maps = MapSet::open(&object, &pins)?;
    let mut datapath = Datapath::of(maps, pins);
    datapath.fill(&object, Tails::Shared, &mut Timeline::default())?;
    Ok(datapath)
}
