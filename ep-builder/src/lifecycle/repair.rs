//! The policy map of an endpoint, pinned again out of the hands of the programs that still use it.

use nix::errno::Errno;

use super::LifecycleError;
use crate::bpf::{BpfError, Map, Program, ProgramInfo, replace_pin};
use crate::endpoint::EndpointId;
use crate::load::LoadError;
use crate::maps::{MapName, Maps, MapsError};

/// The kernel keeps so many characters of a map's name.
const NAME: usize = 15;

/// Pins the policy map that the endpoint's programs use, where another one is pinned or none: a new map has no
/// rules, and whoever makes one would have to guess them. Says so if it did something.
pub(super) fn repin(maps: &Maps, id: EndpointId) -> Result<Option<String>, LifecycleError> {
    let Some(map) = used_policy(maps, id)? else {
        return Ok(None);
    };
    let used = map.info().map_err(LoadError::from)?.id;
    let pinned = match maps.facts(MapName::Policy(id)) {
        Err(MapsError::Missing { .. }) => None,
        facts => Some(facts?.id),
    };
    if pinned == Some(used) {
        return Ok(None);
    }
    let pin = maps.pin(MapName::Policy(id));
    replace_pin(&pin, |path| map.pin(path)).map_err(LoadError::from)?;
    Ok(Some(format!(
        "{} was not the map that the programs of endpoint {id} use, and is it again",
        pin.display()
    )))
}

/// The policy map of the programs in force.
fn used_policy(maps: &Maps, id: EndpointId) -> Result<Option<Map>, LifecycleError> {
    let (verdict, policy) = (
        program(maps, MapName::Verdict, id)?,
        program(maps, MapName::CallPolicy, id)?,
    );
    let (Some(verdict), Some(policy)) = (verdict, policy) else {
        return Ok(None);
    };
    // One that did not come with the other is not the endpoint's, whatever place it has.
    if verdict.btf_id != policy.btf_id {
        return Ok(None);
    }
    let name = maps.name(MapName::Policy(id));
    let cut = name.get(..NAME).unwrap_or(&name);
    for number in verdict.map_ids {
        let map = Map::open_id(number).map_err(LoadError::from)?;
        if map.info().map_err(LoadError::from)?.name == cut {
            return Ok(Some(map));
        }
    }
    Ok(None)
}

/// The program of the endpoint in a map of all endpoints' programs.
fn program(
    maps: &Maps,
    map: MapName,
    id: EndpointId,
) -> Result<Option<ProgramInfo>, LifecycleError> {
    let programs = match map {
        MapName::Verdict => maps.verdicts(),
        _ => maps.call_policy(),
    };
    let place = match programs {
        Err(MapsError::Missing { .. }) => None,
        programs => programs?.get(id.get().into())?,
    };
    let info = place.map(|id| Program::open_id(id).and_then(|program| program.info()));
    Ok(info
        .map(gone_as_none)
        .transpose()
        .map_err(LoadError::from)?
        .flatten())
}

fn gone_as_none(info: Result<ProgramInfo, BpfError>) -> Result<Option<ProgramInfo>, BpfError> {
    match info {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        info => info.map(Some),
    }
}
