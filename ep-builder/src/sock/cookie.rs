//! The number by which programs of sockets know a network namespace.
#![expect(unsafe_code, reason = "the kernel writes the number to our memory")]

use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;

use nix::errno::Errno;
use nix::libc::{self, socklen_t};

use super::error::SockError;

/// The kernel's cookie of a network namespace: no other one gets it as long as the kernel runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsCookie(u64);

impl NetnsCookie {
    /// That of the namespace in which the calling thread is.
    pub fn here() -> Result<Self, SockError> {
        // Of all sockets the one that takes nothing of the namespace: no port, no address.
        let socket = UnixDatagram::unbound().map_err(SockError::Cookie)?;
        let mut cookie: u64 = 0;
        let mut length = socklen_t::try_from(size_of_val(&cookie)).unwrap_or(0);
        // SAFETY: the kernel writes at most `length` bytes, which are those of `cookie`; both live until the call
        // returns.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_NETNS_COOKIE,
                (&raw mut cookie).cast(),
                &raw mut length,
            )
        };
        Errno::result(result).map_err(|errno| SockError::Cookie(io::Error::from(errno)))?;
        Ok(Self(cookie))
    }

    /// As a key of the map.
    pub(super) fn key(self) -> [u8; 8] {
        self.0.to_ne_bytes()
    }

    /// Out of a key of the map.
    pub(super) fn from_key(key: [u8; 8]) -> Self {
        Self(u64::from_ne_bytes(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_one_cookie() {
        let here = NetnsCookie::here().unwrap();
        assert_ne!(here.key(), [0; 8]);
        assert_eq!(here, NetnsCookie::here().unwrap());
    }
}
