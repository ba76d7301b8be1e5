//! What the kernel runs for an endpoint, told from its programs themselves: whether they came together, and
//! which maps they use, whatever is pinned.

use std::collections::BTreeMap;

use crate::bpf::{BpfError, Map, MapInfo, Program, ProgramInfo};
use crate::endpoint::EndpointId;
use crate::maps::{MapName, Maps, MapsError};

use super::LifecycleError;
use crate::load::LoadError;

/// The kernel keeps so many characters of a map's name.
const NAME: usize = 15;

/// A place that one program of an endpoint's own has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Where it is, in words.
    pub(super) place: String,
    /// The kernel's number for it.
    pub(super) id: u32,
}

/// The programs of an endpoint, and the maps they use.
#[derive(Debug)]
pub(super) struct Running {
    own: Vec<(Placed, ProgramInfo)>,
    maps: BTreeMap<u32, MapInfo>,
}

impl Running {
    /// Looks at the programs in these places, and at those that they call.
    pub(super) fn look(
        maps: &Maps,
        id: EndpointId,
        places: Vec<Placed>,
    ) -> Result<Self, LifecycleError> {
        let mut running = Self {
            own: Vec::new(),
            maps: BTreeMap::new(),
        };
        for placed in places {
            let info = info(placed.id)?;
            running.add_maps(&info)?;
            running.own.push((placed, info));
        }
        for tail in tails(maps, id)? {
            running.add_maps(&info(tail)?)?;
        }
        Ok(running)
    }

    fn add_maps(&mut self, program: &ProgramInfo) -> Result<(), LifecycleError> {
        for id in &program.map_ids {
            if !self.maps.contains_key(id) {
                let map = Map::open_id(*id).and_then(|map| map.info());
                self.maps.insert(*id, map.map_err(LoadError::from)?);
            }
        }
        Ok(())
    }

    /// A program that was not loaded together with the others: a generation's own programs have their types in
    /// one object of the kernel.
    pub(super) fn stranger(&self) -> Option<&Placed> {
        let count = |types: u32| self.own.iter().filter(|(_, it)| it.btf_id == types).count();
        let most = self
            .own
            .iter()
            .map(|(_, it)| it.btf_id)
            .max_by_key(|it| count(*it))?;
        let mut strangers = self.own.iter().filter(|(_, it)| it.btf_id != most);
        strangers.next().map(|(placed, _)| placed)
    }

    /// The map that the programs use under this name; none where two could be meant, because the kernel cuts
    /// names.
    pub(super) fn map_called(&self, name: &str) -> Option<&MapInfo> {
        let cut = name.get(..NAME).unwrap_or(name);
        let mut called = self.maps.values().filter(|map| map.name == cut);
        called.next().filter(|_| called.next().is_none())
    }

    /// A pinned map of the endpoint's that is another one than its programs use, with the numbers of both.
    pub(super) fn other_map(
        &self,
        maps: &Maps,
        id: EndpointId,
    ) -> Result<Option<OtherMap>, MapsError> {
        for name in maps.list()?.into_iter().filter(|map| concerns(*map, id)) {
            let pinned = match maps.facts(name) {
                // It was unpinned since the folder was listed.
                Err(MapsError::Missing { .. }) => continue,
                facts => facts?.id,
            };
            let used = self.map_called(&maps.name(name)).map(|map| map.id);
            let is_other = match name {
                // A shared one is called after the endpoint that made it.
                MapName::Calls(_) => !self.own_maps().any(|map| map == pinned),
                _ => used.is_some_and(|used| used != pinned),
            };
            if is_other {
                return Ok(Some(OtherMap { name, pinned, used }));
            }
        }
        Ok(None)
    }

    fn own_maps(&self) -> impl Iterator<Item = u32> {
        self.own
            .iter()
            .flat_map(|(_, info)| info.map_ids.iter().copied())
    }
}

/// A pin that leads elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OtherMap {
    /// Which map.
    pub(super) name: MapName,
    /// The number of the one that is pinned.
    pub(super) pinned: u32,
    /// The number of the one in use, where it is known.
    pub(super) used: Option<u32>,
}

/// Whether an endpoint's programs may use a map of this name.
fn concerns(map: MapName, id: EndpointId) -> bool {
    match map {
        MapName::Policy(owner) | MapName::Calls(owner) => owner == id,
        MapName::Conntrack(map) => map.owner.is_none_or(|owner| owner == id),
        // No pod's program asks the node's policy itself, and its name is that of the pod's up to where the kernel
        // cuts it.
        MapName::NodePolicy | MapName::Tails(_) | MapName::DeviceCalls(_) => false,
        _ => true,
    }
}

fn info(program: u32) -> Result<ProgramInfo, LoadError> {
    let info: Result<_, BpfError> = Program::open_id(program).and_then(|program| program.info());
    Ok(info?)
}

/// The numbers of the programs that the endpoint's own ones call.
fn tails(maps: &Maps, id: EndpointId) -> Result<Vec<u32>, LifecycleError> {
    let filled = maps.calls(id).and_then(|calls| calls.filled());
    Ok(filled?.into_iter().map(|(_, program)| program).collect())
}
