//! The section `.BTF.ext`: which function and which source line an instruction comes from.

use super::ObjectError;
use super::functions::Functions;
use super::types;
use crate::btf::BtfError;

/// Little-endian words from bytes that may end anywhere.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn next(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_le_bytes(*word))
    }

    /// A record of `size` bytes, of which the first `N` words are known; later kernels may add more.
    fn record<const N: usize>(&mut self, size: usize) -> Option<[u32; N]> {
        let (record, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        let mut words = Words(record);
        let mut known = [0; N];
        for place in &mut known {
            *place = words.next()?;
        }
        Some(known)
    }
}

/// Adds each function's own records to it.
pub(super) fn add_records(
    section: &[u8],
    types: &[u8],
    functions: &mut Functions,
) -> Result<(), ObjectError> {
    let cut = || ObjectError::Types(BtfError::Cut(section.len()));
    let mut header = Words(section.get(4..).unwrap_or_default());
    let mut number = || usize::try_from(header.next()?).ok();
    let mut place = || Some((number()?, number()?, number()?, number()?, number()?));
    let (start, funcs, funcs_length, lines, lines_length) = place().ok_or_else(cut)?;
    let part = |offset: usize, length: usize| {
        let from = start.checked_add(offset)?;
        section.get(from..from.checked_add(length)?)
    };
    let funcs = part(funcs, funcs_length).ok_or_else(cut)?;
    let lines = part(lines, lines_length).ok_or_else(cut)?;
    each::<2>(funcs, types, functions, |function, record| {
        function.func_info.push(record);
    })?;
    each::<4>(lines, types, functions, |function, record| {
        function.line_info.push(record);
    })
}

/// Goes through the records of one part. Their first word, a byte of the section, becomes the instruction
/// in its function.
fn each<const N: usize>(
    part: &[u8],
    types: &[u8],
    functions: &mut Functions,
    add: impl Fn(&mut super::Function, [u32; N]),
) -> Result<(), ObjectError> {
    let cut = || ObjectError::Types(BtfError::Cut(part.len()));
    let mut words = Words(part);
    let Some(size) = words.next() else {
        return Ok(());
    };
    let size = usize::try_from(size).map_err(|_| cut())?;
    // A record of no bytes would make the count below run for nothing.
    if size < N * 4 {
        return Err(cut());
    }
    while !words.0.is_empty() {
        let name = words.next().ok_or_else(cut)?;
        let count = words.next().ok_or_else(cut)?;
        let section = types::string(types, name).and_then(|name| functions.section(name));
        for _ in 0..count {
            let mut record = words.record::<N>(size).ok_or_else(cut)?;
            let byte = record.first().copied().unwrap_or(0);
            let place = section.and_then(|section| functions.at(section.0, byte.into()));
            let Some(place) = place else {
                return Err(ObjectError::broken(
                    "it has a source line of no instruction",
                ));
            };
            if let (Some(first), Ok(instruction)) =
                (record.first_mut(), u32::try_from(place.instruction))
            {
                *first = instruction;
            }
            if let Some(function) = functions.get_mut(place.function) {
                add(function, record);
            }
        }
    }
    Ok(())
}
