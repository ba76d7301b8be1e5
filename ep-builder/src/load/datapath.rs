//! A generation that is loaded and not yet in force.

use super::Target;
use super::bpffs::{self, Pins};
use super::constants;
use super::error::LoadError;
use super::fits;
use super::maps::{MapSet, shape};
use super::owner::{Owner, VERDICT};
use super::programs::{self, Loaded};
use super::tails;
use crate::attach::{Device, Hook};
use crate::bpf::{LoadedBtf, Map, Program};
use crate::btf::TailSlot;
use crate::object::{Function, Loadable};
use crate::patch::EndpointObject;
use crate::timeline::Timeline;

/// A loaded generation: everything it consists of, held by this value, and by others who share its tail
/// programs.
#[derive(Debug)]
pub struct Datapath {
    pub(super) maps: MapSet,
    pub(super) pins: Pins,
    /// Its own programs.
    programs: Vec<Loaded>,
    /// The tail programs, with their sections; the calls map holds them.
    tails: Vec<(TailSlot, String)>,
    /// Whether others may have the same tail programs.
    is_shared: bool,
}

/// The facts of one program of a generation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedProgram {
    /// Its name.
    pub name: String,
    /// Its section.
    pub section: String,
    /// Its number in the kernel.
    pub id: u32,
    /// The digest of its instructions.
    pub tag: [u8; 8],
    /// Instructions the verifier walked through.
    pub verified_instructions: u32,
    /// Whether it is loaded once for all endpoints of the template.
    pub is_shared: bool,
}

fn fact(
    name: &str,
    section: &str,
    is_shared: bool,
    program: &Program,
) -> Result<LoadedProgram, LoadError> {
    let info = program.info()?;
    Ok(LoadedProgram {
        name: name.to_owned(),
        section: section.to_owned(),
        id: info.id,
        tag: info.tag,
        verified_instructions: info.verified_instructions,
        is_shared,
    })
}

/// Which tail programs a generation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tails {
    /// Those of its template, where they are for every endpoint.
    Shared,
    /// Its own, so that the verifier sees all of them.
    Own,
}

impl Datapath {
    pub(super) fn load(
        object: &EndpointObject,
        target: &Target,
        device: Option<&Device>,
        tails: Tails,
        timeline: &mut Timeline,
    ) -> Result<Self, LoadError> {
        let owner = target.owner;
        let bytes = object.bytes();
        let object =
            Loadable::parse(bytes).map_err(|source| LoadError::Object { owner, source })?;
        constants::check(bytes, &object, target, device)?;
        let pins = target.pins();
        usable(&object, &pins)?;
        timeline.mark("parse");
        bpffs::ready(&target.bpffs_dir)?;
        let mut datapath = Self::of(MapSet::open(&object, &pins)?, pins);
        timeline.mark("maps");
        match datapath.fill(&object, tails, timeline) {
            Ok(()) => Ok(datapath),
            Err(error) => {
                datapath.abandon();
                Err(error)
            }
        }
    }

    /// One without programs yet.
    pub(super) fn of(maps: MapSet, pins: Pins) -> Self {
        Self {
            maps,
            pins,
            programs: Vec::new(),
            tails: Vec::new(),
            is_shared: false,
        }
    }

    pub(super) fn fill(
        &mut self,
        object: &Loadable,
        wanted: Tails,
        timeline: &mut Timeline,
    ) -> Result<(), LoadError> {
        let btf = LoadedBtf::load(&object.types)?;
        timeline.mark("types");
        let shared = match wanted {
            Tails::Shared => tails::shared_pin(object, &self.maps, &self.pins)?,
            Tails::Own => None,
        };
        self.fill_with(object, &btf, shared.as_deref(), timeline)
    }

    /// With the tail programs at that pin, or with its own.
    pub(super) fn fill_with(
        &mut self,
        object: &Loadable,
        btf: &LoadedBtf,
        shared: Option<&str>,
        timeline: &mut Timeline,
    ) -> Result<(), LoadError> {
        self.maps.add_data(object)?;
        timeline.mark("constants");
        match shared {
            Some(pin) => self.share_tails(object, btf, pin)?,
            None => self.load_tails(object, btf)?,
        }
        timeline.mark("tails");
        // A program that stands on no hook of this owner is not loaded.
        let owner = self.pins.owner();
        let own =
            |function: &Function| !tails::is_tail(object, function) && owner.has(&function.section);
        self.programs = programs::load(object, &self.maps, btf, owner, own)?;
        timeline.mark("programs");
        Ok(())
    }

    /// Takes the tail programs of the template; the first endpoint loads them.
    fn share_tails(
        &mut self,
        object: &Loadable,
        btf: &LoadedBtf,
        pin: &str,
    ) -> Result<(), LoadError> {
        let calls = self.pins.calls_name();
        let definition = tails::definition(object, &calls)?;
        self.is_shared = true;
        if let Some(map) = tails::find(&self.pins, pin, definition, &object.tails)? {
            self.maps.set(&calls, map);
            return self.note_tails(object);
        }
        self.load_tails(object, btf)?;
        let map = self.maps.take(&calls)?;
        let map = tails::publish(&self.pins, pin, map, definition, &object.tails)?;
        self.maps.set(&calls, map);
        Ok(())
    }

    /// Loads the tail programs into a new calls map, which nobody knows yet.
    fn load_tails(&mut self, object: &Loadable, btf: &LoadedBtf) -> Result<(), LoadError> {
        let calls = self.pins.calls_name();
        let map = Map::create(&calls, shape(tails::definition(object, &calls)?))?;
        self.maps.set(&calls, map);
        let is_tail = |function: &Function| tails::is_tail(object, function);
        let owner = self.pins.owner();
        let loaded = programs::load(object, &self.maps, btf, owner, is_tail)?;
        for tail in &object.tails {
            let program = loaded.iter().find(|program| program.name == tail.function);
            let program = program.ok_or_else(|| missing_program(&tail.function))?;
            let slot = tail.slot.to_ne_bytes();
            self.maps
                .get(&tail.map)?
                .update_fd(&slot, &program.program)?;
        }
        self.note_tails(object)
    }

    fn note_tails(&mut self, object: &Loadable) -> Result<(), LoadError> {
        let tail = |tail: &TailSlot| {
            let function = object.function_named(&tail.function);
            let function = function.and_then(|index| object.functions.get(index));
            let function = function.ok_or_else(|| missing_program(&tail.function))?;
            Ok((tail.clone(), function.section.clone()))
        };
        self.tails = object
            .tails
            .iter()
            .map(tail)
            .collect::<Result<_, LoadError>>()?;
        Ok(())
    }

    fn find(&self, wanted: impl Fn(&Loaded) -> bool) -> Option<&Program> {
        let found = self.programs.iter().find(|loaded| wanted(loaded));
        found.map(|loaded| &loaded.program)
    }

    /// The program of a section.
    pub fn program(&self, section: &str) -> Result<&Program, LoadError> {
        let program = self.find(|loaded| loaded.section == section);
        program.ok_or_else(|| missing_program(section))
    }

    /// The programs that are called by the owner's number, with the names of the maps they are called by.
    pub(super) fn called(&self) -> Result<Vec<(String, &Program)>, LoadError> {
        let called = |section: &&'static str| {
            let map = match *section {
                VERDICT => self.pins.verdict_name(),
                _ => self.pins.call_policy_name(),
            };
            Ok((map, self.program(section)?))
        };
        self.pins.owner().called().iter().map(called).collect()
    }

    /// Lets others call it, for test runs without a device: nothing is replaced that could be put back.
    pub fn offer(&self) -> Result<(), LoadError> {
        let slot = self.pins.slot();
        for (map, program) in self.called()? {
            self.map(&map)?.update_fd(&slot, program)?;
        }
        Ok(())
    }

    /// A map of this generation, by its name.
    pub fn map(&self, name: &str) -> Result<&Map, LoadError> {
        self.maps.get(name)
    }

    /// The calls map.
    pub(super) fn calls(&self) -> Result<&Map, LoadError> {
        self.map(&self.pins.calls_name())
    }

    /// The facts of its programs: its own, then the tail programs.
    pub fn programs(&self) -> Result<Vec<LoadedProgram>, LoadError> {
        let mut facts = Vec::new();
        for loaded in &self.programs {
            facts.push(fact(&loaded.name, &loaded.section, false, &loaded.program)?);
        }
        let slots: Vec<_> = self.tails.iter().map(|(tail, _)| tail.clone()).collect();
        let ids = tails::programs(self.calls()?, &slots)?;
        for ((tail, section), id) in self.tails.iter().zip(ids) {
            let program = Program::open_id(id)?;
            facts.push(fact(&tail.function, section, self.is_shared, &program)?);
        }
        Ok(facts)
    }

    /// Asks nothing more about the programs that it shares. To ask takes as long as to write all files of an endpoint,
    /// and who wires a pod tells nobody.
    pub(super) fn pass_over_shared(&mut self) {
        if self.is_shared {
            self.tails.clear();
        }
    }

    /// Lets it go without having put it in force. A first generation's pins go with it.
    pub fn abandon(self) {
        self.maps.forget();
    }
}

fn missing_program(name: &str) -> LoadError {
    LoadError::Missing(format!("program {name}"))
}

/// Refuses an object that is not complete, or that has more than this loader knows.
pub(super) fn usable(object: &Loadable, pins: &Pins) -> Result<(), LoadError> {
    complete(object, pins.owner())?;
    fits::check(object, pins)
}

/// Refuses an object without the programs that are attached, before anything is created.
pub(super) fn complete(object: &Loadable, owner: Owner) -> Result<(), LoadError> {
    let sections = owner.hooks().map(Hook::section);
    for wanted in sections.iter().chain(owner.called()) {
        if !object
            .programs()
            .any(|(_, function)| function.section == *wanted)
        {
            return Err(missing_program(wanted));
        }
    }
    Ok(())
}
