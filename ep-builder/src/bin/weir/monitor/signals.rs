//! How a command that runs on is told to end.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

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
        let ends = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]);
        Self::of(&ends, &ends)
    }

    /// Likewise, for who goes on when the terminal is gone: a hang-up is held back, and never asked for, and so is what
    /// would make it stand still.
    pub(crate) fn block_beyond_the_terminal() -> Result<Self, Failure> {
        let ends = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGQUIT];
        let passed_over = [
            Signal::SIGHUP,
            Signal::SIGTSTP,
            Signal::SIGTTIN,
            Signal::SIGTTOU,
        ];
        let held = ends.into_iter().chain(passed_over).collect();
        Self::of(&held, &SigSet::from_iter(ends))
    }

    fn of(held: &SigSet, asked: &SigSet) -> Result<Self, Failure> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = held
            .thread_block()
            .and_then(|()| SignalFd::with_flags(asked, flags));
        signals
            .map(Self)
            .map_err(|errno| Failure::Signals(errno.into()))
    }

    /// Whether one has come. One that cannot be read has: the way out must not be lost.
    pub(crate) fn arrived(&self) -> bool {
        !matches!(self.0.read_signal(), Ok(None))
    }

    /// Waits until one of these can be read, at most so long; whether a signal has come.
    pub(crate) fn wait(
        &self,
        readable: &[BorrowedFd<'_>],
        most: Duration,
    ) -> Result<bool, Failure> {
        let all = readable.iter().copied().chain([self.0.as_fd()]);
        let mut all: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Rounded up: rounded down, the last millisecond would be waited for in a circle.
        let milliseconds = most.as_micros().div_ceil(1_000);
        let most = i32::try_from(milliseconds).map_or(PollTimeout::MAX, |milliseconds| {
            PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut all, most) {
            Ok(_) | Err(Errno::EINTR) => Ok(self.arrived()),
            Err(errno) => Err(Failure::Signals(errno.into())),
        }
    }
}
