//! A BPF file system of one process: it is mounted nowhere, so nobody else finds what is pinned in it, and it
//! is gone when its descriptor is closed, however the process ends.
#![expect(
    unsafe_code,
    reason = "no safe wrapper knows the system calls of the mount interface of Linux 5.2"
)]

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::ptr::null;

use nix::errno::Errno;
use nix::libc::{self, c_int, c_long, c_uint};

use super::error::{BpfError, Operation};

/// The kernel's name of the file system.
const KIND: &CStr = c"bpf";
/// `FSOPEN_CLOEXEC` and `FSMOUNT_CLOEXEC`.
const CLOSE_ON_EXEC: c_uint = 1;
/// `FSCONFIG_CMD_CREATE`.
const CREATE: c_uint = 6;

/// A file system that this value alone leads to.
#[derive(Debug)]
pub struct DetachedBpffs {
    mount: OwnedFd,
}

impl DetachedBpffs {
    /// Makes one.
    pub fn new() -> Result<Self, BpfError> {
        let mount = mount().map_err(BpfError::kernel(
            Operation::Create,
            "a BPF file system of this process's own",
        ))?;
        Ok(Self { mount })
    }

    /// Where its root is, for this process and as long as this value lives.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.mount.as_raw_fd()))
    }
}

fn mount() -> Result<OwnedFd, Errno> {
    // SAFETY: the name ends in a zero and lives until the call returns, which gives a new descriptor.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, KIND.as_ptr(), CLOSE_ON_EXEC) };
    let context = owned(context)?;
    let (none, zero): (*const u8, c_int) = (null(), 0);
    // SAFETY: this command takes no key, no value and no number, and the descriptor is open.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            CREATE,
            none,
            none,
            zero,
        )
    };
    Errno::result(created)?;
    let attributes: c_uint = 0;
    // SAFETY: the call takes numbers alone and gives a new descriptor.
    owned(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            CLOSE_ON_EXEC,
            attributes,
        )
    })
}

fn owned(result: c_long) -> Result<OwnedFd, Errno> {
    let number = RawFd::try_from(Errno::result(result)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
