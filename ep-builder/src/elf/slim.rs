//! Takes out of an object what nothing that loads reads: the DWARF, which is half of the file, and the relocations of
//! source lines (`.BTF.ext`), which say again what stands where they point: a quarter of the rest.
//!
//! Done here and not by `llvm-strip -g`, so that compiling needs clang and nothing else. Such
//! sections stay in the table with size 0: no section or symbol is renumbered, so relocations, BTF and
//! every other byte of content stay as clang wrote them.

use object::LittleEndian as LE;
use object::U64;
use object::elf::{EM_BPF, FileHeader64, SHT_NOBITS, SectionHeader64};
use object::pod::bytes_of;
use object::read::elf::{FileHeader, SectionHeader};

use super::ElfError;

type Header = FileHeader64<LE>;
type Section = SectionHeader64<LE>;

/// The relocations of source lines. An instruction's byte in its section is there without them, and whoever joins
/// objects reads `.BTF.ext` itself (libbpf's linker does).
const OF_LINES: &[u8] = b".rel.BTF.ext";

/// The object without its `.debug_*` sections and their relocations, and without those of source lines.
pub fn slim(object: &[u8]) -> Result<Vec<u8>, ElfError> {
    let header = Header::parse(object)?;
    if header.e_machine.get(LE) != EM_BPF {
        return Err(ElfError::Kind);
    }
    let table = header.sections(LE, object)?;
    let mut sections: Vec<Section> = table.iter().copied().collect();
    let mut order: Vec<usize> = (1..sections.len()).collect();
    order.sort_by_key(|&i| sections.get(i).map(|s| s.sh_offset.get(LE)));

    let mut slim = vec![0; size_of::<Header>()];
    for index in order {
        let Some(section) = sections.get_mut(index) else {
            continue;
        };
        let name = table.section_name(LE, section)?;
        let unread =
            name.starts_with(b".debug_") || name.starts_with(b".rel.debug_") || name == OF_LINES;
        align(&mut slim, section.sh_addralign.get(LE));
        let data = if unread || section.sh_type.get(LE) == SHT_NOBITS {
            &[]
        } else {
            section.data(LE, object)?
        };
        section.sh_offset = U64::new(LE, slim.len() as u64);
        if unread {
            section.sh_size = U64::new(LE, 0);
        }
        slim.extend_from_slice(data);
    }
    finish(*header, &sections, slim)
}

fn align(bytes: &mut Vec<u8>, alignment: u64) {
    let alignment = usize::try_from(alignment).unwrap_or(1).clamp(1, 4096);
    bytes.resize(bytes.len().next_multiple_of(alignment), 0);
}

fn finish(
    mut header: Header,
    sections: &[Section],
    mut slim: Vec<u8>,
) -> Result<Vec<u8>, ElfError> {
    align(&mut slim, 8);
    header.e_shoff = U64::new(LE, slim.len() as u64);
    for section in sections {
        slim.extend_from_slice(bytes_of(section));
    }
    slim.get_mut(..size_of::<Header>())
        .ok_or(ElfError::Outside("the file header"))?
        .copy_from_slice(bytes_of(&header));
    Ok(slim)
}
