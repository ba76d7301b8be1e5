//! A generation that is loaded and not yet in force.

use super::Target;
use super::bpffs;
use super::constants;
use super::error::LoadError;
use super::maps::MapSet;
use super::programs::{self, Loaded};
use crate::attach::{Device, Hook};
use crate::bpf::{LoadedBtf, Map, Program};
use crate::object::Loadable;
use crate::patch::EndpointObject;
use crate::timeline::Timeline;

/// The section of the program that judges what other pods send to this one.
const POLICY: &str = "policy/ingress";

/// A loaded generation: everything it consists of, held by this value alone.
#[derive(Debug)]
pub struct Datapath {
    pub(super) maps: MapSet,
    programs: Vec<Loaded>,
    pub(super) calls: String,
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
}

impl Datapath {
    pub(super) fn load(
        object: &EndpointObject,
        target: &Target,
        device: Option<&Device>,
        timeline: &mut Timeline,
    ) -> Result<Self, LoadError> {
        let id = target.id.get();
        let bytes = object.bytes();
        let object = Loadable::parse(bytes).map_err(|source| LoadError::Object { id, source })?;
        constants::check(bytes, &object, target, device)?;
        complete(&object)?;
        timeline.mark("parse");
        bpffs::ready(&target.bpffs_dir)?;
        let maps = MapSet::open(&object, &target.pins())?;
        timeline.mark("maps");
        let mut datapath = Self {
            maps,
            programs: Vec::new(),
            calls: target.pins().calls_name(),
        };
        match datapath.fill(&object, id, timeline) {
            Ok(()) => Ok(datapath),
            Err(error) => {
                datapath.abandon();
                Err(error)
            }
        }
    }

    fn fill(
        &mut self,
        object: &Loadable,
        id: u16,
        timeline: &mut Timeline,
    ) -> Result<(), LoadError> {
        self.maps.add_data(object)?;
        timeline.mark("constants");
        let btf = LoadedBtf::load(&object.types)?;
        timeline.mark("types");
        self.programs = programs::load(object, &self.maps, &btf, id)?;
        timeline.mark("programs");
        for tail in &object.tails {
            let program = self.find(|loaded| loaded.name == tail.function);
            let program = program.ok_or_else(|| missing_program(&tail.function))?;
            let slot = tail.slot.to_ne_bytes();
            self.maps.get(&tail.map)?.update_fd(&slot, program)?;
        }
        timeline.mark("slots");
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

    /// The program that judges what other pods send to this one.
    pub fn policy(&self) -> Result<&Program, LoadError> {
        self.program(POLICY)
    }

    /// A map of this generation, by its name.
    pub fn map(&self, name: &str) -> Result<&Map, LoadError> {
        self.maps.get(name)
    }

    /// The facts of its programs.
    pub fn programs(&self) -> Result<Vec<LoadedProgram>, LoadError> {
        let facts = self.programs.iter().map(|loaded| {
            let info = loaded.program.info()?;
            Ok(LoadedProgram {
                name: loaded.name.clone(),
                section: loaded.section.clone(),
                id: info.id,
                tag: info.tag,
                verified_instructions: info.verified_instructions,
            })
        });
        facts.collect()
    }

    /// Lets it go without having put it in force. A first generation's pins go with it.
    pub fn abandon(self) {
        self.maps.forget();
    }
}

fn missing_program(name: &str) -> LoadError {
    LoadError::Missing(format!("program {name}"))
}

/// Refuses an object without the programs that are attached, before anything is created.
fn complete(object: &Loadable) -> Result<(), LoadError> {
    let sections = Hook::ALL.map(Hook::section);
    for wanted in sections.into_iter().chain([POLICY]) {
        if !object
            .programs()
            .any(|(_, function)| function.section == wanted)
        {
            return Err(missing_program(wanted));
        }
    }
    Ok(())
}
