//! Types, loaded into the kernel once for all programs of an object.
#![expect(unsafe_code, reason = "the kernel reads the types from our memory")]

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;

use super::error::BpfError;
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
