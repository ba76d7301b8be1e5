//! Constants and other data of an object.

use std::ffi::{CStr, CString};

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, SectionIndex, SectionKind};

use super::ObjectError;

/// A forged size must not take all memory; ours have some hundred bytes.
const LIMIT: u64 = 1 << 20;

/// A section of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSection {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether programs may only read it.
    pub read_only: bool,
}

/// The sections that instructions may refer to, with their indices in the file.
pub(super) fn sections(
    elf: &ElfFile64<'_, LittleEndian>,
) -> Result<Vec<(SectionIndex, DataSection)>, ObjectError> {
    let mut found = Vec::new();
    for section in elf.sections() {
        let name = section.name()?;
        let read_only = name.starts_with(".rodata");
        let is_data = read_only || name.starts_with(".data") || name.starts_with(".bss");
        if !is_data || section.size() == 0 {
            continue;
        }
        if section.size() > LIMIT {
            return Err(ObjectError::Unsupported(format!(
                "{} bytes of data in {name}",
                section.size()
            )));
        }
        let bytes = match section.kind() {
            SectionKind::UninitializedData => vec![0; usize::try_from(section.size()).unwrap_or(0)],
            _ => section.data()?.to_vec(),
        };
        let data = DataSection {
            name: name.to_owned(),
            bytes,
            read_only,
        };
        found.push((section.index(), data));
    }
    Ok(found)
}

/// The licence, which the kernel reads up to its zero.
pub(super) fn license(section: &[u8]) -> Result<CString, ObjectError> {
    CStr::from_bytes_until_nul(section)
        .map(CStr::to_owned)
        .map_err(|_| ObjectError::broken("its licence does not end"))
}
