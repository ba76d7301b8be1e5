//! Types, loaded into the kernel once for all programs of an object.
#![expect(unsafe_code, reason = "the kernel reads the types from our memory")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::error::{BpfError, Operation};
use super::info::{self, KernelInfo};
use super::sys::{self, Command};

/// Room for what the verifier says of broken types.
const LOG: usize = 1 << 16;

/// Types that programs and maps refer to.
#[derive(Debug)]
pub struct LoadedBtf(OwnedFd);

#[repr(C)]
struct LoadAttribute {
    types: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    log_true_size: u32,
}

impl LoadedBtf {
    /// Loads the bytes of a section `.BTF` whose offsets are those of the object's symbols.
    pub fn load(types: &[u8]) -> Result<Self, BpfError> {
        let first = load(types, &mut []);
        let Err(source) = first else {
            return first.map(Self).map_err(refused(String::new()));
        };
        let mut log = vec![0; LOG];
        match load(types, &mut log) {
            Ok(fd) => Ok(Self(fd)),
            Err(_) => Err(refused(sys::text(&log))(source)),
        }
    }
}

/// `struct bpf_btf_info`.
#[repr(C)]
#[derive(Default)]
struct RawTypes {
    data: u64,
    size: u32,
    id: u32,
    name: u64,
    name_length: u32,
    is_of_kernel: u32,
}

// SAFETY: integers only, in the kernel's order; `data` is set by `loaded_types` alone.
unsafe impl KernelInfo for RawTypes {}

/// The bytes of loaded types, by the number that programs name.
pub fn loaded_types(id: u32) -> Result<Vec<u8>, BpfError> {
    let object = format!("types number {id}");
    let mut attribute = [id, 0, 0];
    // SAFETY: the attribute is a number and two words of flags, holds no addresses, and the command returns a
    // new descriptor.
    let fd = unsafe { sys::bpf_fd(Command::BtfById, &mut attribute) }
        .map_err(BpfError::kernel(Operation::Open, &object))?;
    let mut sizes = RawTypes::default();
    info::fill(fd.as_fd(), &object, &mut sizes)?;
    let mut bytes = vec![0; usize::try_from(sizes.size).unwrap_or(0)];
    let mut raw = RawTypes {
        data: sys::address_of_mut(&mut bytes),
        size: sizes.size,
        ..RawTypes::default()
    };
    info::fill(fd.as_fd(), &object, &mut raw)?;
    Ok(bytes)
}

fn refused(log: String) -> impl FnOnce(Errno) -> BpfError {
    move |source| BpfError::Refused {
        object: "the types (BTF) of the object".to_owned(),
        log,
        source,
    }
}

fn load(types: &[u8], log: &mut [u8]) -> Result<OwnedFd, Errno> {
    let mut attribute = LoadAttribute {
        types: sys::address_of(types),
        log: if log.is_empty() {
            0
        } else {
            sys::address_of_mut(log)
        },
        size: sys::length(types),
        log_size: sys::length(log),
        log_level: u32::from(!log.is_empty()),
        log_true_size: 0,
    };
    // SAFETY: the kernel reads `size` bytes of `types` and writes at most `log_size` of `log`; both live
    // until the call returns, which gives a new descriptor.
    unsafe { sys::bpf_fd(Command::BtfLoad, &mut attribute) }
}

impl AsFd for LoadedBtf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
