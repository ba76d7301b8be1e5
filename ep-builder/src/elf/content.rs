//! What an object does, apart from how it was made: for comparing a patched template with the object
//! compiled from the endpoint's own header.

use std::collections::{BTreeMap, BTreeSet};

use object::elf::R_BPF_64_32;
use object::read::elf::ElfFile64;
use object::{
    LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SectionKind,
};

use super::{CONSTANT_PREFIX, CONSTANT_SECTION, ElfError};

/// The content of an object that the kernel would see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The instructions of each program section; a reference is the name of what it refers to.
    pub programs: BTreeMap<String, Vec<Instruction>>,
    /// The bytes of each constant.
    pub constants: BTreeMap<String, Vec<u8>>,
    /// The names of the maps.
    pub maps: BTreeSet<String>,
}

/// Eight bytes, and the symbol they refer to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// As they stand in the section.
    pub bytes: [u8; 8],
    /// The target of the relocation on them; a call within the section carries its offset in the bytes.
    pub refers_to: Option<String>,
}

impl Content {
    /// Reads an object.
    pub fn read(object: &[u8]) -> Result<Self, ElfError> {
        let elf = ElfFile64::<LittleEndian>::parse(object)?;
        let mut content = Self {
            programs: BTreeMap::new(),
            constants: BTreeMap::new(),
            maps: BTreeSet::new(),
        };
        for section in elf
            .sections()
            .filter(|s| s.kind() == SectionKind::Text && s.size() > 0)
        {
            let name = section.name()?.to_owned();
            content.programs.insert(name, instructions(&elf, &section)?);
        }
        for symbol in elf.symbols().filter(|s| s.size() > 0) {
            let Some(index) = symbol.section_index() else {
                continue;
            };
            let section = elf.section_by_index(index)?;
            let name = symbol.name()?;
            match section.name()? {
                ".maps" => drop(content.maps.insert(name.to_owned())),
                CONSTANT_SECTION => {
                    let bytes = section.data_range(symbol.address(), symbol.size())?;
                    let bytes = bytes.ok_or(ElfError::Outside("a constant"))?.to_vec();
                    let name = name.strip_prefix(CONSTANT_PREFIX).unwrap_or(name);
                    content.constants.insert(name.to_owned(), bytes);
                }
                _ => {}
            }
        }
        Ok(content)
    }

    /// One line for each thing that differs.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = differences("program", &self.programs, &other.programs);
        lines.extend(differences("constant", &self.constants, &other.constants));
        let only = self.maps.symmetric_difference(&other.maps);
        lines.extend(only.map(|name| format!("map {name} is in one of the objects only")));
        lines
    }
}

fn differences<V: PartialEq>(
    what: &str,
    ours: &BTreeMap<String, V>,
    theirs: &BTreeMap<String, V>,
) -> Vec<String> {
    let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    names
        .into_iter()
        .filter(|name| ours.get(*name) != theirs.get(*name))
        .map(
            |name| match (ours.contains_key(name), theirs.contains_key(name)) {
                (true, true) => format!("{what} {name} differs"),
                _ => format!("{what} {name} is in one of the objects only"),
            },
        )
        .collect()
}

fn instructions<'data>(
    elf: &ElfFile64<'data, LittleEndian>,
    section: &impl ObjectSection<'data>,
) -> Result<Vec<Instruction>, ElfError> {
    let (chunks, _) = section.data()?.as_chunks::<8>();
    let mut code: Vec<_> = chunks
        .iter()
        .map(|&bytes| Instruction {
            bytes,
            refers_to: None,
        })
        .collect();
    for (offset, relocation) in section.relocations() {
        let RelocationTarget::Symbol(index) = relocation.target() else {
            continue;
        };
        let symbol = elf.symbol_by_index(index)?;
        let local_call =
            matches!(relocation.flags(), RelocationFlags::Elf { r_type } if r_type == R_BPF_64_32);
        let name = if local_call && symbol.name()?.is_empty() {
            ".text"
        } else {
            symbol.name()?
        };
        let place = usize::try_from(offset / 8)
            .ok()
            .and_then(|at| code.get_mut(at));
        place.ok_or(ElfError::Outside("a relocation"))?.refers_to = Some(name.to_owned());
    }
    Ok(code)
}
