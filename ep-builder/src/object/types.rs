//! The raw bytes of BTF: what the compiler leaves to the linker is filled in, and names are read.
//!
//! [`crate::btf`] gives types as values; the kernel wants the bytes.

use super::{ObjectError, Variables};
use crate::btf::BtfError;

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*word))
}

fn index(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    if let Some(place) = bytes.get_mut(at..).and_then(|b| b.first_chunk_mut::<4>()) {
        *place = value.to_le_bytes();
    }
}

/// Where the strings begin, and how long they are.
fn strings(types: &[u8]) -> Option<(usize, usize)> {
    let start = index(types, 4)?.checked_add(index(types, 16)?)?;
    Some((start, index(types, 20)?))
}

/// The string at an offset.
pub(super) fn string(types: &[u8], offset: u32) -> Option<&str> {
    let (start, length) = strings(types)?;
    let all = types.get(start..start.checked_add(length)?)?;
    let tail = all.get(usize::try_from(offset).ok()?..)?;
    let end = memchr::memchr(0, tail)?;
    std::str::from_utf8(tail.get(..end)?).ok()
}

/// Bytes behind the three common words of a type of this kind.
fn extra(kind: u32, count: usize) -> Option<usize> {
    Some(match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => count.checked_mul(12)?,
        6 | 13 => count.checked_mul(8)?,
        2 | 7..=12 | 16 | 18 => 0,
        _ => return None,
    })
}

/// A copy with the size of every section and the offset of every variable in it. The kernel wants
/// variables in the order of their offsets.
pub(super) fn with_offsets(
    section: &[u8],
    variables: &Variables<'_>,
) -> Result<Vec<u8>, ObjectError> {
    let mut types = section.to_vec();
    let all = places(&types).ok_or(ObjectError::Types(BtfError::Cut(section.len())))?;
    for &at in &all {
        let info = word(&types, at + 4).unwrap_or(0);
        if info >> 24 & 0x1f == 15 {
            fill_section(&mut types, at, &all, variables)?;
        }
    }
    Ok(types)
}

/// Where each type begins; none if they are cut or of an unknown kind, which `Btf::parse` explains.
fn places(types: &[u8]) -> Option<Vec<usize>> {
    let mut at = index(types, 4)?.checked_add(index(types, 8)?)?;
    let end = at.checked_add(index(types, 12)?)?;
    if end > types.len() {
        return None;
    }
    let mut places = Vec::new();
    while at < end {
        places.push(at);
        let info = word(types, at.checked_add(4)?)?;
        let count = usize::try_from(info & 0xffff).ok()?;
        let length = extra(info >> 24 & 0x1f, count)?;
        at = at.checked_add(12)?.checked_add(length)?;
    }
    (at == end).then_some(places)
}

fn fill_section(
    types: &mut [u8],
    at: usize,
    places: &[usize],
    variables: &Variables<'_>,
) -> Result<(), ObjectError> {
    let broken = |what: &str| ObjectError::Broken(format!("its types name {what}"));
    let name = |types: &[u8], at: usize| {
        let name = word(types, at).and_then(|offset| string(types, offset));
        name.map(str::to_owned)
            .ok_or_else(|| broken("what has no name"))
    };
    let section = name(types, at)?;
    // `.ksyms` and the like, which have no bytes in the file.
    let Some((size, known)) = variables.get(section.as_str()) else {
        return Err(broken(&format!("a section {section}, which it has not")));
    };
    let count = word(types, at + 4).map_or(0, |info| usize::try_from(info & 0xffff).unwrap_or(0));
    let first = at + 12;
    let mut entries = Vec::with_capacity(count);
    for entry in (0..count).map(|n| first + n * 12) {
        let id = index(types, entry).and_then(|id| id.checked_sub(1));
        let variable = id
            .and_then(|id| places.get(id))
            .ok_or_else(|| broken("no variable"))?;
        let name = name(types, *variable)?;
        let offset = known
            .get(name.as_str())
            .ok_or_else(|| broken(&format!("a variable {name}, which is not in {section}")))?;
        let size = word(types, entry + 8).unwrap_or(0);
        entries.push((*offset, word(types, entry).unwrap_or(0), size));
    }
    entries.sort_unstable();
    put(types, at + 8, *size);
    for (entry, (offset, id, size)) in (0..).zip(entries) {
        put(types, first + entry * 12, id);
        put(types, first + entry * 12 + 4, offset);
        put(types, first + entry * 12 + 8, size);
    }
    Ok(())
}
