//! Sockets of the kinds that the standard library does not open: those that connect without waiting, and raw
//! ones. What is opened here is used through its types.
#![expect(unsafe_code, reason = "a socket is opened by a call of C")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use nix::libc::{self, c_int};

/// Opens a socket in the namespace of the calling thread. No call on it waits.
pub(crate) fn open(family: c_int, kind: c_int, protocol: c_int) -> OwnedFd {
    let kind = kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes numbers and touches no memory of ours.
    let number = unsafe { libc::socket(family, kind, protocol) };
    assert!(number >= 0, "no socket: {}", io::Error::last_os_error());
    // SAFETY: the kernel has given this number to us alone.
    unsafe { OwnedFd::from_raw_fd(number) }
}

/// The family of an address, as [`open`] takes it: IPv4 is the first of two.
pub(crate) const FAMILIES: [c_int; 2] = [libc::AF_INET, libc::AF_INET6];
