//! What instructions refer to: the relocations of the code, and calls that need none.

use object::elf::{R_BPF_64_32, R_BPF_64_64};
use object::read::elf::ElfFile64;
use object::{
    LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SectionIndex,
};

use super::data::DataSection;
use super::functions::{Functions, Place};
use super::{ObjectError, Reference, Target};
use crate::btf::MapDefinition;

/// `ld_imm64`: takes two instructions.
const LOAD_WIDE: u8 = 0x18;
/// A call; of a function of the same program if the source register is 1.
const CALL: u8 = 0x85;
const TO_FUNCTION: u8 = 1;

type Elf<'data> = ElfFile64<'data, LittleEndian>;
type Symbol<'data, 'file> = <Elf<'data> as Object<'data>>::Symbol<'file>;

/// The number in an instruction.
fn immediate(code: [u8; 8]) -> i32 {
    let [.., a, b, c, d] = code;
    i32::from_le_bytes([a, b, c, d])
}

fn is_call(code: [u8; 8]) -> bool {
    let [operation, registers, ..] = code;
    operation == CALL && registers >> 4 == TO_FUNCTION
}

/// Fills in the references of every function.
pub(super) fn resolve(
    elf: &Elf<'_>,
    functions: &mut Functions,
    maps: &[MapDefinition],
    data: &[(SectionIndex, DataSection)],
) -> Result<(), ObjectError> {
    for index in functions.sections() {
        let section = elf.section_by_index(SectionIndex(index))?;
        for (byte, relocation) in section.relocations() {
            let broken = |what: &str| {
                let section = section.name().unwrap_or_default();
                ObjectError::Broken(format!("a relocation at byte {byte} of {section} {what}"))
            };
            let place = functions
                .at(index, byte)
                .ok_or_else(|| broken("is of no instruction"))?;
            let RelocationTarget::Symbol(symbol) = relocation.target() else {
                return Err(broken("refers to no symbol"));
            };
            let symbol = elf.symbol_by_index(symbol)?;
            let RelocationFlags::Elf { r_type: kind } = relocation.flags() else {
                return Err(broken("is not one of ELF"));
            };
            let target = match kind {
                R_BPF_64_32 => call(functions, place, &symbol),
                R_BPF_64_64 => value(functions, place, &symbol, maps, data),
                other => return Err(ObjectError::Unsupported(format!("relocation type {other}"))),
            };
            let target = target.ok_or_else(|| {
                let name = symbol.name().unwrap_or_default();
                broken(&format!(
                    "refers to {name:?}, which is no map, constant or function"
                ))
            })?;
            functions.add_reference(
                place.function,
                Reference {
                    instruction: place.instruction,
                    target,
                },
            );
        }
    }
    calls_without_relocation(functions)
}

/// The function a call goes to. Where the symbol is the section's, the instruction says how many
/// instructions behind its first one.
fn call(functions: &Functions, place: Place, symbol: &Symbol<'_, '_>) -> Option<Target> {
    let code = *functions.get(place.function)?.code.get(place.instruction)?;
    if !is_call(code) {
        return None;
    }
    let section = symbol.section_index()?.0;
    let byte = if symbol.kind() == object::SymbolKind::Section {
        u64::try_from(i64::from(immediate(code)).checked_add(1)?.checked_mul(8)?).ok()?
    } else {
        symbol.address()
    };
    functions.beginning_at(section, byte).map(Target::Call)
}

/// The map, byte or function whose address an instruction takes.
fn value(
    functions: &Functions,
    place: Place,
    symbol: &Symbol<'_, '_>,
    maps: &[MapDefinition],
    data: &[(SectionIndex, DataSection)],
) -> Option<Target> {
    let code = &functions.get(place.function)?.code;
    let first = *code.get(place.instruction)?;
    let is_wide = first.first() == Some(&LOAD_WIDE) && code.len() > place.instruction + 1;
    let section = symbol.section_index().filter(|_| is_wide)?;
    let addend = i64::from(immediate(first));
    let byte = u64::try_from(i64::try_from(symbol.address()).ok()?.checked_add(addend)?).ok()?;
    if let Some(at) = data.iter().position(|(index, _)| *index == section) {
        let offset = u32::try_from(byte).ok()?;
        let (_, section) = data.get(at)?;
        let inside = usize::try_from(offset).ok()? < section.bytes.len();
        return inside.then_some(Target::Data {
            section: at,
            offset,
        });
    }
    if let Some(function) = functions.beginning_at(section.0, byte) {
        return Some(Target::Callback(function));
    }
    let name = symbol.name().ok()?;
    let map = maps.iter().position(|map| map.name == name);
    map.filter(|_| addend == 0).map(Target::Map)
}

/// The assembler resolves a call within one section by itself, as a distance; functions are laid out anew,
/// so such a call must be known, too.
fn calls_without_relocation(functions: &mut Functions) -> Result<(), ObjectError> {
    for (section, start, index) in functions.places() {
        let Some(function) = functions.get(index) else {
            continue;
        };
        let mut found = Vec::new();
        let mut is_second_half = false;
        for (instruction, &code) in function.code.iter().enumerate() {
            let is_code = !std::mem::replace(&mut is_second_half, false);
            is_second_half = is_code && code.first() == Some(&LOAD_WIDE);
            if !is_code || !is_call(code) {
                continue;
            }
            let known = function
                .references
                .iter()
                .any(|r| r.instruction == instruction);
            if known {
                continue;
            }
            let target = || {
                let next = i64::try_from(start / 8).ok()? + i64::try_from(instruction).ok()? + 1;
                let byte = u64::try_from(next.checked_add(immediate(code).into())?).ok()?;
                functions.beginning_at(section, byte.checked_mul(8)?)
            };
            let target = target().map(Target::Call).ok_or_else(|| {
                ObjectError::Broken(format!(
                    "instruction {instruction} of {} calls what is no function",
                    function.name
                ))
            })?;
            found.push(Reference {
                instruction,
                target,
            });
        }
        for reference in found {
            functions.add_reference(index, reference);
        }
    }
    Ok(())
}
