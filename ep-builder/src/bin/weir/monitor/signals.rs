//! How a command that runs on is told to end.

use std::os::fd::AsFd;

use ep_builder::events::EventRing;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::failure::Failure;

/// The signals that ask a process to end, held back and to be asked for: a handler could not print the
/// totals.
pub(crate) struct Signals(SignalFd);

impl Signals {
    pub(crate) fn block() -> Result<Self, Failure> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = set
            .thread_block()
            .and_then(|()| SignalFd::with_flags(&set, flags));
        signals
            .map(Self)
            .map_err(|errno| Failure::Signals(errno.into()))
    }

    /// Whether one has come. One that cannot be read has: the way out must not be lost.
    pub(crate) fn arrived(&self) -> bool {
        !matches!(self.0.read_signal(), Ok(None))
    }

    /// Waits for more events; whether a signal has come.
    pub(super) fn wait(&self, ring: &EventRing) -> Result<bool, Failure> {
        let readable = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut both = [readable(self.0.as_fd()), readable(ring.as_fd())];
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => Ok(self.arrived()),
            Err(errno) => Err(Failure::Signals(errno.into())),
        }
    }
}
