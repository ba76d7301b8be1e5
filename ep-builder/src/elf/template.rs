//! Where in a template the constants and the names of an endpoint's or a device's own maps stand.

use std::collections::BTreeMap;
use std::ops::Range;

use memchr::memmem;
use object::LittleEndian as LE;
use object::elf::{EM_BPF, FileHeader64, SHT_SYMTAB};
use object::read::elf::{FileHeader, SectionHeader, SectionTable, Sym};

use super::{CONSTANT_PREFIX, CONSTANT_SECTION, ElfError};
use crate::endpoint::Constant;
use crate::unit::Unit;

type Header = FileHeader64<LE>;

/// The bytes of one constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConstantSite {
    /// Which one.
    pub constant: &'static Constant,
    /// Its bytes in the file.
    pub range: Range<usize>,
}

/// What is an endpoint's or a device's own of a map's name in one of the string tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameSite {
    /// The name they belong to.
    pub name: String,
    /// The digits in the file, and before those of a device what kind it is.
    pub digits: Range<usize>,
}

/// Every place of a template that differs from endpoint to endpoint, or from device to device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateLayout {
    /// In the order of the table of constants.
    pub constants: Vec<ConstantSite>,
    /// In the order of the file.
    pub names: Vec<NameSite>,
}

impl TemplateLayout {
    /// Finds the places, and refuses an object that does not have each of them, or has one that cannot
    /// be patched.
    pub fn read(unit: Unit, object: &[u8]) -> Result<Self, ElfError> {
        let elf = Elf::parse(object)?;
        Ok(Self {
            constants: elf.constants(unit)?,
            names: match unit.placeholder() {
                Some(placeholder) => elf.names(&placeholder)?,
                None => Vec::new(),
            },
        })
    }
}

/// Where the constants stand, in any object of a unit.
pub fn constant_sites(unit: Unit, object: &[u8]) -> Result<Vec<ConstantSite>, ElfError> {
    Elf::parse(object)?.constants(unit)
}

/// Holds the symbols against the table of the unit, both ways.
fn constants(
    unit: Unit,
    mut found: BTreeMap<String, Range<usize>>,
) -> Result<Vec<ConstantSite>, ElfError> {
    let mut sites = Vec::new();
    for constant in unit.constants() {
        let wrong = |problem: String| ElfError::Constant {
            name: constant.name.to_owned(),
            problem,
        };
        let range = found
            .remove(&format!("{CONSTANT_PREFIX}{}", constant.name))
            .ok_or_else(|| wrong("is missing in the object".to_owned()))?;
        if range.len() != constant.size {
            return Err(wrong(format!(
                "has {} bytes, not {}",
                range.len(),
                constant.size
            )));
        }
        sites.push(ConstantSite { constant, range });
    }
    match found.pop_first() {
        None => Ok(sites),
        Some((name, _)) => Err(ElfError::Constant {
            name,
            problem: "has no value".to_owned(),
        }),
    }
}

struct Elf<'a> {
    object: &'a [u8],
    sections: SectionTable<'a, Header>,
}

impl<'a> Elf<'a> {
    fn parse(object: &'a [u8]) -> Result<Self, ElfError> {
        let header = Header::parse(object)?;
        if header.e_machine.get(LE) != EM_BPF {
            return Err(ElfError::Kind);
        }
        Ok(Self {
            object,
            sections: header.sections(LE, object)?,
        })
    }

    /// A unit without constants has no section for them.
    fn constants(&self, unit: Unit) -> Result<Vec<ConstantSite>, ElfError> {
        let found = match self.symbols(CONSTANT_SECTION) {
            Err(ElfError::Section(_)) if unit.constants().next().is_none() => BTreeMap::new(),
            found => found?,
        };
        constants(unit, found)
    }

    /// The symbols with a size in a section, by name, with their bytes in the file.
    fn symbols(&self, section: &'static str) -> Result<BTreeMap<String, Range<usize>>, ElfError> {
        let missing = || ElfError::Section(section);
        let (index, header) = self
            .sections
            .section_by_name(LE, section.as_bytes())
            .ok_or_else(missing)?;
        let symbols = self.sections.symbols(LE, self.object, SHT_SYMTAB)?;
        let mut found = BTreeMap::new();
        for symbol in symbols.iter() {
            if usize::from(symbol.st_shndx(LE).0) != index.0 || symbol.st_size(LE) == 0 {
                continue;
            }
            let name = String::from_utf8_lossy(symbol.name(LE, symbols.strings())?).into_owned();
            let start = header.sh_offset(LE).checked_add(symbol.st_value(LE));
            let end = start.and_then(|s| s.checked_add(symbol.st_size(LE)));
            let range = start
                .zip(end)
                .and_then(|(s, e)| Some(usize::try_from(s).ok()?..usize::try_from(e).ok()?));
            let range = range
                .filter(|r| self.object.get(r.clone()).is_some())
                .ok_or(ElfError::Outside("a symbol"))?;
            found.insert(name, range);
        }
        Ok(found)
    }

    /// The end of every name that ends in the placeholder: map names, and what quotes them.
    fn names(&self, placeholder: &str) -> Result<Vec<NameSite>, ElfError> {
        let suffix = format!("_{placeholder}");
        let maps = self.symbols(".maps")?;
        let tables = [self.table(".strtab", 0)?, self.btf_strings()?];
        let mut sites = Vec::new();
        for name in maps.into_keys().filter(|name| name.ends_with(&suffix)) {
            for start in memmem::find_iter(self.object, name.as_bytes()) {
                let end = start + name.len();
                if !tables.iter().any(|t| t.start <= start && end <= t.end) {
                    return Err(ElfError::StrayName {
                        name,
                        offset: start,
                    });
                }
                sites.push(NameSite {
                    name: name.clone(),
                    digits: end - placeholder.len()..end,
                });
            }
        }
        sites.sort_by_key(|site| site.digits.start);
        // A name that ends another (`..._ct4_65535`) finds the same digits twice.
        sites.dedup_by_key(|site| site.digits.start);
        if sites.is_empty() {
            Err(ElfError::NoName)
        } else {
            Ok(sites)
        }
    }

    /// The bytes of a section from `skip` on.
    fn table(&self, name: &'static str, skip: u64) -> Result<Range<usize>, ElfError> {
        let (_, header) = self
            .sections
            .section_by_name(LE, name.as_bytes())
            .ok_or(ElfError::Section(name))?;
        let (offset, size) = header.file_range(LE).ok_or(ElfError::Section(name))?;
        let start = usize::try_from(offset.saturating_add(skip));
        let end = usize::try_from(offset.saturating_add(size));
        match (start, end) {
            (Ok(start), Ok(end)) if start <= end && end <= self.object.len() => Ok(start..end),
            _ => Err(ElfError::Outside(name)),
        }
    }

    /// The string part of `.BTF`: behind the header and the types.
    fn btf_strings(&self) -> Result<Range<usize>, ElfError> {
        let whole = self.table(".BTF", 0)?;
        let header = self
            .object
            .get(whole.clone())
            .and_then(|b| b.first_chunk::<24>());
        let header = header.ok_or(ElfError::Outside(".BTF"))?;
        let word = |at: usize| {
            let bytes = header.get(at..at + 4).and_then(|b| b.first_chunk());
            u64::from(bytes.map_or(u32::MAX, |b| u32::from_le_bytes(*b)))
        };
        self.table(".BTF", word(4) + word(16))
    }
}
