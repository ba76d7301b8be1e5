//! A twin of an owner's programs: the same object, loaded a second time, with maps that packets never meet.

use super::Target;
use super::bpffs;
use super::constants;
use super::datapath::{Datapath, Tails, complete};
use super::error::LoadError;
use super::maps::MapSet;
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::timeline::Timeline;

/// Loads an object for test runs, with maps below the folder of `target`, which must not be the node's.
///
/// `change` may do to it what no answer depends on. The size of maps: the kernel takes a second, and hundreds of
/// megabytes, to make room for a node's connections, and a twin has a few; no program knows the size of a map by
/// which it looks something up. Instructions that write down what happens.
pub fn load_twin(
    object: &EndpointObject,
    target: &Target,
    change: impl FnOnce(&mut Loadable),
) -> Result<Datapath, LoadError> {
    let owner = target.owner;
    let bytes = object.bytes();
    let mut object =
        Loadable::parse(bytes).map_err(|source| LoadError::Object { owner, source })?;
    constants::check(bytes, &object, target, None)?;
    complete(&object, owner)?;
    change(&mut object);
    bpffs::ready(&target.bpffs_dir)?;
    let pins = target.pins();
    let maps = MapSet::open(&object, &pins)?;
    let mut datapath = Datapath::of(maps, pins);
    datapath.fill(&object, Tails::Shared, &mut Timeline::default())?;
    Ok(datapath)
}
