//! Pins: names of kernel objects in bpffs.
#![expect(unsafe_code, reason = "the kernel reads the path from our memory")]

use std::ffi::CString;
use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

use super::error::{BpfError, Operation};
use super::sys::{self, Command};

/// What kind of object a pin is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    /// A map.
    Map,
    /// A program.
    Program,
    /// A link.
    Link,
}

impl Pinned {
    /// Its name in `/proc/self/fd`, which has changed its punctuation over time.
    fn of(target: &[u8]) -> Option<Self> {
        let target = target.strip_prefix(b"anon_inode:")?;
        match target.strip_prefix(b"[").unwrap_or(target) {
            name if name.starts_with(b"bpf-map") => Some(Self::Map),
            name if name.starts_with(b"bpf-prog") => Some(Self::Program),
            name if name.starts_with(b"bpf_link") || name.starts_with(b"bpf-link") => {
                Some(Self::Link)
            }
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Map => "map",
            Self::Program => "program",
            Self::Link => "link",
        }
    }
}

#[repr(C)]
struct PinAttribute {
    path: u64,
    fd: u32,
    flags: u32,
}

#[repr(C)]
struct IdAttribute {
    id: u32,
    next_id: u32,
    flags: u32,
}

fn c_path(operation: Operation, path: &Path) -> Result<CString, BpfError> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| {
        BpfError::misuse(
            operation,
            path.display().to_string(),
            "a path has no NUL byte",
        )
    })
}

/// Pins what `fd` is at `path`, which must not exist. `object` is its name in messages.
pub(super) fn pin(fd: BorrowedFd<'_>, object: &str, path: &Path) -> Result<(), BpfError> {
    let c_path = c_path(Operation::Pin, path)?;
    let mut attribute = PinAttribute {
        path: sys::address_of(c_path.as_bytes_with_nul()),
        fd: sys::number(fd),
        flags: 0,
    };
    // SAFETY: `path` is the address of a string that ends in a zero and lives until the call returns.
    unsafe { sys::bpf(Command::ObjectPin, &mut attribute) }.map_err(BpfError::kernel(
        Operation::Pin,
        format!("{object} at {}", path.display()),
    ))?;
    Ok(())
}

/// Opens the object pinned at `path`, of whatever kind it is.
pub(super) fn open_any_pin(path: &Path) -> Result<OwnedFd, BpfError> {
    let object = || format!("the pin {}", path.display());
    let c_path = c_path(Operation::Open, path)?;
    let mut attribute = PinAttribute {
        path: sys::address_of(c_path.as_bytes_with_nul()),
        fd: 0,
        flags: 0,
    };
    // SAFETY: `path` is the address of a string that ends in a zero and lives until the call returns; the
    // command returns a new descriptor.
    unsafe { sys::bpf_fd(Command::ObjectGet, &mut attribute) }
        .map_err(BpfError::kernel(Operation::Open, object()))
}

/// Opens the object pinned at `path`, and refuses one of another kind.
pub(super) fn open_pin(path: &Path, wanted: Pinned) -> Result<OwnedFd, BpfError> {
    let object = || format!("the pin {}", path.display());
    let fd = open_any_pin(path)?;
    match kind(fd.as_fd()) {
        Some(kind) if kind != wanted => Err(BpfError::misuse(
            Operation::Open,
            object(),
            format!("a {} is pinned there, not a {}", kind.name(), wanted.name()),
        )),
        Some(_) => Ok(fd),
        None => Err(BpfError::misuse(
            Operation::Open,
            object(),
            "/proc does not say what is pinned there; is it mounted?",
        )),
    }
}

/// Opens an object by its number in the kernel.
pub(super) fn open_id(id: u32, wanted: Pinned) -> Result<OwnedFd, BpfError> {
    let object = format!("{} number {id}", wanted.name());
    let command = match wanted {
        Pinned::Map => Command::MapById,
        Pinned::Program => Command::ProgramById,
        Pinned::Link => {
            return Err(BpfError::misuse(
                Operation::Open,
                object,
                "links are found by their pins",
            ));
        }
    };
    let mut attribute = IdAttribute {
        id,
        next_id: 0,
        flags: 0,
    };
    // SAFETY: the attribute holds no addresses, and both commands return a new descriptor.
    unsafe { sys::bpf_fd(command, &mut attribute) }
        .map_err(BpfError::kernel(Operation::Open, object))
}

/// The kernel does not ask for the kind when it opens a pin, so `/proc` is asked.
fn kind(fd: BorrowedFd<'_>) -> Option<Pinned> {
    let link = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Pinned::of(std::fs::read_link(link).ok()?.as_os_str().as_bytes())
}

/// Whether nothing is there: no pin, or no folder for one.
pub(super) fn absent_as_none<T>(opened: Result<T, BpfError>) -> Result<Option<T>, BpfError> {
    match opened {
        Ok(object) => Ok(Some(object)),
        Err(error) if matches!(error.errno(), Some(Errno::ENOENT)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Replaces what is pinned at `path`: `pin` pins under the name it is given, and that is renamed, so there is
/// always a pin. bpffs allows no dot in names.
pub fn replace_pin(
    path: &Path,
    pin: impl FnOnce(&Path) -> Result<(), BpfError>,
) -> Result<(), BpfError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push("__new");
    let new = path.with_file_name(name);
    // What a killed process left.
    unpin(&new)?;
    pin(&new)?;
    std::fs::rename(&new, path).map_err(|error| {
        drop(unpin(&new));
        of_file(Operation::Pin, path, &error)
    })
}

/// Removes a pin; nothing there is success.
pub fn unpin(path: &Path) -> Result<(), BpfError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(of_file(Operation::Unpin, path, &error))
        }
        _ => Ok(()),
    }
}

fn of_file(operation: Operation, path: &Path, error: &std::io::Error) -> BpfError {
    let errno = error.raw_os_error().map_or(Errno::EIO, Errno::from_raw);
    BpfError::kernel(operation, path.display().to_string())(errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_known_by_the_kernel_s_names() {
        for (target, want) in [
            ("anon_inode:bpf-map", Some(Pinned::Map)),
            ("anon_inode:bpf-prog", Some(Pinned::Program)),
            ("anon_inode:bpf_link", Some(Pinned::Link)),
            ("anon_inode:[bpf-link]", Some(Pinned::Link)),
            ("anon_inode:[eventpoll]", None),
            ("/bpf-map", None),
        ] {
            assert_eq!(Pinned::of(target.as_bytes()), want, "{target}");
        }
    }
}
