//! The call itself, and how names, descriptors and addresses look in its argument.
#![expect(
    unsafe_code,
    reason = "this is the system call that everything else wraps"
)]

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc::{self, c_long};

/// The commands in use, by the kernel's numbers (`enum bpf_cmd`).
#[derive(Clone, Copy)]
#[repr(i32)]
pub(super) enum Command {
    MapCreate = 0,
    MapLookup = 1,
    MapUpdate = 2,
    MapDelete = 3,
    MapNextKey = 4,
    ProgramLoad = 5,
    ObjectPin = 6,
    ObjectGet = 7,
    TestRun = 10,
    ProgramNextId = 11,
    ProgramById = 13,
    MapById = 14,
    InfoByFd = 15,
    Query = 16,
    BtfLoad = 18,
    BtfById = 19,
    MapFreeze = 22,
    MapLookupBatch = 24,
    MapUpdateBatch = 26,
    MapDeleteBatch = 27,
    LinkCreate = 28,
    LinkUpdate = 29,
    EnableStats = 32,
    LinkDetach = 34,
}

/// Calls the kernel.
///
/// # Safety
///
/// `attribute` begins as `union bpf_attr` does for `command`, has no padding that is not written, and every
/// address in it is valid, until the call returns, for what `command` reads and writes there.
pub(super) unsafe fn bpf<T>(command: Command, attribute: &mut T) -> Result<c_long, Errno> {
    let address: *mut T = attribute;
    // SAFETY: the kernel reads and writes `size_of::<T>()` bytes there, which are borrowed for the call;
    // what it follows from there is the caller's promise.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command as i32, address, size_of::<T>()) };
    Errno::result(result)
}

/// As [`bpf`], for commands that return a new descriptor.
///
/// # Safety
///
/// As for [`bpf`]; and `command` is one that returns a descriptor.
pub(super) unsafe fn bpf_fd<T>(command: Command, attribute: &mut T) -> Result<OwnedFd, Errno> {
    // SAFETY: the caller promises the same.
    let fd = unsafe { bpf(command, attribute) }?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us (close-on-exec), and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Where bytes that the kernel reads begin.
pub(super) fn address_of<T>(data: &[T]) -> u64 {
    data.as_ptr().expose_provenance() as u64
}

/// Where bytes that the kernel writes begin.
pub(super) fn address_of_mut<T>(data: &mut [T]) -> u64 {
    data.as_mut_ptr().expose_provenance() as u64
}

/// A descriptor as the kernel's attributes have it.
pub(super) fn number(fd: impl AsFd) -> u32 {
    fd.as_fd().as_raw_fd().cast_unsigned()
}

/// A length as the kernel's attributes have it; nothing of ours is longer than 4 GiB.
pub(super) fn length<T>(data: &[T]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

/// The kernel's names have 15 characters at most, of a small alphabet: longer ones are cut.
pub(super) fn name(text: &str) -> [u8; 16] {
    let mut name = [0; 16];
    for (place, byte) in name.iter_mut().take(15).zip(text.bytes()) {
        let fits = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
        *place = if fits { byte } else { b'_' };
    }
    name
}

/// The text of a name the kernel gave.
pub(super) fn text(name: &[u8]) -> String {
    let end = name.iter().position(|b| *b == 0).unwrap_or(name.len());
    String::from_utf8_lossy(name.get(..end).unwrap_or_default()).into_owned()
}
