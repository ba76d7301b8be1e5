//! What the loader needs of an object: functions, what they refer to, maps, data, types and source lines.
//!
//! [`Loadable::parse`] is total: any bytes give a value or an error, and a value cannot refer to anything
//! it does not have. Nothing here talks to the kernel; [`Loadable::link`] puts descriptors, which are
//! plain numbers here, into the instructions.

mod data;
mod ext;
mod functions;
mod link;
mod prepend;
mod relocations;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::ffi::CString;

use object::read::elf::{ElfFile64, ElfSymbol64};
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol, SymbolKind};

pub use data::DataSection;
pub use link::{Linked, Numbers};

use crate::btf::{self, Btf, BtfError, MapDefinition, TailSlot};

/// The whole of an object, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loadable {
    /// Its licence.
    pub license: CString,
    /// Its types, with the offsets of variables filled in as the kernel wants them.
    pub types: Vec<u8>,
    /// Its maps.
    pub maps: Vec<MapDefinition>,
    /// Its constants and other data; each section becomes a map of one entry.
    pub data: Vec<DataSection>,
    /// Its functions: programs and what they call.
    pub functions: Vec<Function>,
    /// Which program goes into which slot of which map.
    pub tails: Vec<TailSlot>,
}

/// A function: a program, or one that programs call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Its section, which says what it is for.
    pub section: String,
    /// Its instructions.
    pub code: Vec<[u8; 8]>,
    /// What instructions refer to.
    pub references: Vec<Reference>,
    /// Its records of functions: the instruction, and the type.
    pub func_info: Vec<[u32; 2]>,
    /// Its records of source lines: the instruction, names of file and text, line and column.
    pub line_info: Vec<[u32; 4]>,
}

/// An instruction that refers to something outside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The instruction's index in its function.
    pub instruction: usize,
    /// What it refers to.
    pub target: Target,
}

/// What an instruction refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A map, by its index.
    Map(usize),
    /// A byte of a data section.
    Data {
        /// The section's index.
        section: usize,
        /// The byte.
        offset: u32,
    },
    /// A function that is called, by its index.
    Call(usize),
    /// A function whose address is taken, for helpers that call back.
    Callback(usize),
}

/// A line of C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLine {
    /// The file, as the compiler was given it.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// Its text.
    pub text: String,
}

impl Loadable {
    /// Reads an object.
    pub fn parse(bytes: &[u8]) -> Result<Self, ObjectError> {
        let elf = ElfFile64::<LittleEndian>::parse(bytes)?;
        if elf.elf_header().e_machine.get(LittleEndian) != object::elf::EM_BPF {
            return Err(ObjectError::Kind);
        }
        let section = |name| -> Result<&[u8], ObjectError> {
            let section = elf.section_by_name(name);
            Ok(section.ok_or(ObjectError::Section(name))?.data()?)
        };
        let types = types::with_offsets(section(btf::SECTION)?, &variables(&elf)?)?;
        let btf = Btf::parse(&types)?;
        let maps = btf.maps()?;
        let tails = btf.tail_slots()?;
        let data = data::sections(&elf)?;
        let mut functions = functions::Functions::read(&elf)?;
        relocations::resolve(&elf, &mut functions, &maps, &data)?;
        if let Some(ext) = elf.section_by_name(".BTF.ext") {
            ext::add_records(ext.data()?, &types, &mut functions)?;
        }
        Ok(Self {
            license: data::license(section("license")?)?,
            maps,
            data: data.into_iter().map(|(_, section)| section).collect(),
            functions: functions.into_list(),
            tails,
            types,
        })
    }

    /// The same with the data of `bytes`: an object that differs from this one in data only, as one whose
    /// constants were filled in does.
    pub fn with_data_of(mut self, bytes: &[u8]) -> Result<Self, ObjectError> {
        let data = data::sections(&ElfFile64::<LittleEndian>::parse(bytes)?)?;
        let names = data.iter().map(|(_, section)| &section.name);
        if !names.eq(self.data.iter().map(|section| &section.name)) {
            return Err(ObjectError::broken("its data is another object's"));
        }
        self.data = data.into_iter().map(|(_, section)| section).collect();
        Ok(self)
    }

    /// The programs: functions that the kernel can run by themselves. Those in `.text` are only called.
    pub fn programs(&self) -> impl Iterator<Item = (usize, &Function)> {
        let functions = self.functions.iter().enumerate();
        functions.filter(|(_, function)| function.section != functions::CALLED_ONLY)
    }

    /// The function of this name, by its index.
    pub fn function_named(&self, name: &str) -> Option<usize> {
        self.functions
            .iter()
            .position(|function| function.name == name)
    }

    /// The map of this name, by its index.
    pub fn map(&self, name: &str) -> Option<(usize, &MapDefinition)> {
        self.maps
            .iter()
            .enumerate()
            .find(|(_, map)| map.name == name)
    }

    /// The source line of an instruction of a linked program.
    pub fn source_line(&self, linked: &Linked, instruction: usize) -> Option<SourceLine> {
        let at = u32::try_from(instruction).ok()?;
        let records = linked.line_info.iter();
        let [_, file, text, place] = records.rev().find(|[first, ..]| *first <= at)?;
        Some(SourceLine {
            file: types::string(&self.types, *file)?.to_owned(),
            line: place >> 10,
            text: types::string(&self.types, *text)?.trim().to_owned(),
        })
    }
}

/// The place of every variable that has a name: by section, then by name; and the sections' sizes.
type Variables<'a> = BTreeMap<&'a str, (u32, BTreeMap<&'a str, u32>)>;

fn variables<'a>(elf: &ElfFile64<'a, LittleEndian>) -> Result<Variables<'a>, ObjectError> {
    let mut variables = Variables::new();
    let mut names = BTreeMap::new();
    for section in elf.sections() {
        let size = u32::try_from(section.size()).map_err(|_| ObjectError::Kind)?;
        let name = section.name()?;
        names.insert(section.index().0, name);
        variables.insert(name, (size, BTreeMap::new()));
    }
    // Most symbols are labels, between which a function jumps.
    let of_data = |symbol: &ElfSymbol64<'a, '_, LittleEndian>| symbol.kind() == SymbolKind::Data;
    for symbol in elf.symbols().filter(of_data) {
        let section = symbol.section_index().and_then(|index| names.get(&index.0));
        let Some((_, places)) = section.and_then(|name| variables.get_mut(name)) else {
            continue;
        };
        if let Ok(place) = u32::try_from(symbol.address()) {
            places.insert(symbol.name()?, place);
        }
    }
    Ok(variables)
}

/// Why an object cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// Not an ELF file, or cut.
    #[error("the object is no readable ELF file")]
    Read(#[from] object::read::Error),
    /// Not for BPF, or larger than any object is.
    #[error("the object is not a little-endian 64-bit BPF object")]
    Kind,
    /// A section that every object has.
    #[error("the object has no section {0}")]
    Section(&'static str),
    /// Its types.
    #[error(transparent)]
    Types(#[from] BtfError),
    /// A part that contradicts another one.
    #[error("the object contradicts itself: {0}")]
    Broken(String),
    /// Something this loader does not know.
    #[error("the object needs what weir does not load: {0}")]
    Unsupported(String),
}

impl ObjectError {
    fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into())
    }
}
