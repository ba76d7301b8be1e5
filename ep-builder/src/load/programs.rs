//! The programs of a generation.

use std::cmp::Reverse;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::error::LoadError;
use super::maps::MapSet;
use super::owner::Owner;
use super::verifier::{Refusal, last_instruction};
use crate::beside::together;
use crate::bpf::{BpfError, LoadedBtf, Program, ProgramSpec};
use crate::object::{Function, Linked, Loadable, Numbers};

/// A program with what it is for.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) section: String,
    pub(super) program: Program,
}

/// Loads the programs that are wanted, in the order of the object.
///
/// Nearly all of the time of a load is the verifier's, and it works for several threads at once.
pub(super) fn load(
    object: &Loadable,
    maps: &MapSet,
    btf: &LoadedBtf,
    owner: Owner,
    is_wanted: impl Fn(&Function) -> bool,
) -> Result<Vec<Loaded>, LoadError> {
    let (maps, data) = maps.numbers(object, owner)?;
    let numbers = Numbers {
        maps: &maps,
        data: &data,
    };
    let wanted = object
        .programs()
        .filter(|(_, function)| is_wanted(function));
    let mut programs: Vec<_> = wanted.collect();
    // The longest first: what is left for the end is then short.
    programs.sort_by_key(|(_, function)| Reverse(function.code.len()));
    let next = AtomicUsize::new(0);
    let loaded = Mutex::new(Vec::with_capacity(programs.len()));
    let work = || {
        while let Some((index, function)) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let program = load_one(object, *index, function, &numbers, btf, owner);
            let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
            loaded.push((*index, program));
        }
    };
    together(work);
    let mut loaded = loaded.into_inner().unwrap_or_else(PoisonError::into_inner);
    loaded.sort_by_key(|(index, _)| *index);
    loaded.into_iter().map(|(_, result)| result).collect()
}

fn load_one(
    object: &Loadable,
    index: usize,
    function: &Function,
    numbers: &Numbers<'_>,
    btf: &LoadedBtf,
    owner: Owner,
) -> Result<Loaded, LoadError> {
    let linked = object
        .link(index, numbers)
        .map_err(|source| LoadError::Object { owner, source })?;
    let program = Program::load(&ProgramSpec {
        name: &function.name,
        code: &linked.code,
        license: &object.license,
        btf: Some(btf),
        func_info: &linked.func_info,
        line_info: &linked.line_info,
    });
    Ok(Loaded {
        name: function.name.clone(),
        section: function.section.clone(),
        program: program.map_err(|error| explained(error, object, function, &linked))?,
    })
}

/// A refusal in terms of the source.
fn explained(
    error: BpfError,
    object: &Loadable,
    function: &Function,
    linked: &Linked,
) -> LoadError {
    match error {
        BpfError::Refused { log, source, .. } => {
            let line = last_instruction(&log).and_then(|at| object.source_line(linked, at));
            LoadError::Refused(Box::new(Refusal {
                program: function.name.clone(),
                section: function.section.clone(),
                line,
                log,
                errno: source,
            }))
        }
        other => other.into(),
    }
}
