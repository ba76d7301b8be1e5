//! What the kernel knows of a map or a program.
#![expect(unsafe_code, reason = "the kernel writes into our structures")]

use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::error::{BpfError, Operation};
use super::map::MapShape;
use super::sys::{self, Command};

/// The facts of a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Its number in the kernel.
    pub id: u32,
    /// Its name there: 15 characters at most.
    pub name: String,
    /// Type, sizes and flags.
    pub shape: MapShape,
}

/// The facts of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramInfo {
    /// Its number in the kernel.
    pub id: u32,
    /// Its name there: 15 characters at most.
    pub name: String,
    /// The digest of its instructions.
    pub tag: [u8; 8],
    /// Its type: 3 is a tc classifier.
    pub program_type: u32,
    /// How many instructions the verifier walked through.
    pub verified_instructions: u32,
    /// Bytes after the verifier's rewriting.
    pub translated_bytes: u32,
    /// Bytes of machine code.
    pub compiled_bytes: u32,
    /// When it was loaded, from the start of the machine.
    pub load_time: Duration,
    /// The user who loaded it.
    pub created_by: u32,
    /// The number of its BTF.
    pub btf_id: u32,
    /// The numbers of its maps.
    pub map_ids: Vec<u32>,
    /// How often it ran, and for how long altogether, while the kernel measured.
    pub runs: u64,
    /// See `runs`.
    pub run_time: Duration,
}

/// `struct bpf_map_info`, as far as it is read.
#[repr(C)]
#[derive(Default)]
struct RawMap {
    map_type: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    flags: u32,
    name: [u8; 16],
}

/// `struct bpf_prog_info` of Linux 6.1.
#[repr(C)]
#[derive(Default)]
struct RawProgram {
    program_type: u32,
    id: u32,
    tag: [u8; 8],
    jited_len: u32,
    xlated_len: u32,
    jited: u64,
    xlated: u64,
    load_time: u64,
    created_by_uid: u32,
    map_count: u32,
    map_ids: u64,
    name: [u8; 16],
    ifindex: u32,
    gpl_compatible: u32,
    netns_dev: u64,
    netns_ino: u64,
    counts: [u32; 2],
    symbols: [u64; 2],
    btf_id: u32,
    func_info_size: u32,
    func_info: u64,
    info_counts: [u32; 2],
    line_info: [u64; 2],
    more_counts: [u32; 4],
    tags: u64,
    run_time_ns: u64,
    run_count: u64,
    recursion_misses: u64,
    verified_instructions: u32,
    attach_btf: [u32; 2],
    pad: u32,
}

/// The offsets that the kernel's ABI fixes.
const _: () = {
    assert!(size_of::<RawMap>() == 40);
    assert!(std::mem::offset_of!(RawProgram, load_time) == 40);
    assert!(std::mem::offset_of!(RawProgram, name) == 64);
    assert!(std::mem::offset_of!(RawProgram, btf_id) == 128);
    assert!(std::mem::offset_of!(RawProgram, run_time_ns) == 192);
    assert!(std::mem::offset_of!(RawProgram, verified_instructions) == 216);
    assert!(size_of::<RawProgram>() == 232);
};

#[repr(C)]
struct InfoAttribute {
    fd: u32,
    length: u32,
    info: u64,
}

/// A structure that the kernel may fill with any bytes.
///
/// # Safety
///
/// Every bit pattern is a value of the type, and it is laid out as the kernel's structure of that object;
/// addresses in it are zero or valid for the counts beside them.
pub(super) unsafe trait KernelInfo: Default {}

// SAFETY: integers only, in the kernel's order; it holds no addresses.
unsafe impl KernelInfo for RawMap {}
// SAFETY: integers only, in the kernel's order; `map_ids` is set by `program` alone.
unsafe impl KernelInfo for RawProgram {}

/// Asks the kernel to fill `info`. A kernel whose structure is shorter leaves the rest as it was.
pub(super) fn fill<T: KernelInfo>(
    fd: BorrowedFd<'_>,
    object: &str,
    info: &mut T,
) -> Result<(), BpfError> {
    let mut attribute = InfoAttribute {
        fd: sys::number(fd),
        length: u32::try_from(size_of::<T>()).unwrap_or(0),
        info: sys::address_of_mut(std::slice::from_mut(info)),
    };
    // SAFETY: the kernel writes at most `length` bytes to `info`, which is borrowed for the call and may
    // hold any bytes; the addresses inside it are right by the trait's contract.
    unsafe { sys::bpf(Command::InfoByFd, &mut attribute) }
        .map_err(BpfError::kernel(Operation::Inspect, object))?;
    Ok(())
}

pub(super) fn map(fd: BorrowedFd<'_>, object: &str) -> Result<MapInfo, BpfError> {
    let mut raw = RawMap::default();
    fill(fd, object, &mut raw)?;
    Ok(MapInfo {
        id: raw.id,
        name: sys::text(&raw.name),
        shape: MapShape {
            map_type: raw.map_type,
            key_size: raw.key_size,
            value_size: raw.value_size,
            max_entries: raw.max_entries,
            flags: raw.flags,
        },
    })
}

pub(super) fn program(fd: BorrowedFd<'_>, object: &str) -> Result<ProgramInfo, BpfError> {
    // More maps than the verifier allows a program (64): one call is always enough.
    let mut ids = [0; 64];
    let mut raw = RawProgram {
        map_count: sys::length(&ids),
        map_ids: sys::address_of_mut(&mut ids),
        ..RawProgram::default()
    };
    fill(fd, object, &mut raw)?;
    let used = usize::try_from(raw.map_count).unwrap_or(0);
    Ok(ProgramInfo {
        id: raw.id,
        name: sys::text(&raw.name),
        tag: raw.tag,
        program_type: raw.program_type,
        verified_instructions: raw.verified_instructions,
        translated_bytes: raw.xlated_len,
        compiled_bytes: raw.jited_len,
        load_time: Duration::from_nanos(raw.load_time),
        created_by: raw.created_by_uid,
        btf_id: raw.btf_id,
        map_ids: ids.iter().take(used).copied().collect(),
        runs: raw.run_count,
        run_time: Duration::from_nanos(raw.run_time_ns),
    })
}
