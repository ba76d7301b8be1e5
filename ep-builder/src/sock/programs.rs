//! From an object to loaded programs.

use std::os::fd::{AsFd, AsRawFd};

use super::error::SockError;
use super::install::{Programs, section};
use crate::bpf::{LoadedBtf, Map, Program, ProgramSpec, SockHook};
use crate::load::{find_or_make, ready};
use crate::maps::Maps;
use crate::object::{Loadable, Numbers, ObjectError};

/// Loads the programs of all hooks. The maps that they name are shared: each is opened by its pin, or made.
pub(super) fn load(bytes: &[u8], maps: &Maps) -> Result<Programs, SockError> {
    let object = Loadable::parse(bytes)?;
    ready(maps.folder())?;
    let opened: Vec<Map> = object
        .maps
        .iter()
        .map(|map| find_or_make(map, &maps.folder().join(&map.name)).map(|(map, _)| map))
        .collect::<Result<_, _>>()?;
    let maps: Vec<_> = opened.iter().map(|map| map.as_fd().as_raw_fd()).collect();
    let numbers = Numbers {
        maps: &maps,
        data: &[],
    };
    if !object.data.is_empty() {
        let data = "programs of sockets with data of their own".to_owned();
        return Err(ObjectError::Unsupported(data).into());
    }
    let btf = LoadedBtf::load(&object.types)?;
    let load = |hook| Ok((hook, load_one(&object, hook, &numbers, &btf)?));
    let programs = SockHook::ALL.into_iter().map(load);
    Ok(Programs(programs.collect::<Result<_, SockError>>()?))
}

fn load_one(
    object: &Loadable,
    hook: SockHook,
    numbers: &Numbers<'_>,
    btf: &LoadedBtf,
) -> Result<Program, SockError> {
    let section = section(hook);
    let mut programs = object.programs();
    let found = programs.find(|(_, function)| function.section == section);
    let (index, function) = found.ok_or(SockError::Missing(section))?;
    let linked = object.link(index, numbers)?;
    let spec = ProgramSpec {
        name: &function.name,
        code: &linked.code,
        license: &object.license,
        btf: Some(btf),
        func_info: &linked.func_info,
        line_info: &linked.line_info,
    };
    Ok(Program::load_for_sockets(&spec, hook)?)
}
