//! A call that the kernel refuses, as it does when a disk is full or breaks, or memory is gone.
//!
//! The call is not made: its number becomes one that no call has, for which the kernel leaves the result as it
//! stands (`do_syscall_64`), and that is the error. Registers are a processor's own; these are of x86-64.

use std::process::Command;

use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::{Call, Fate, Places, follow};
use crate::Finished;

/// What became of a process that was refused a call.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The call; none if the process came to its end without so many.
    pub call: Option<Call>,
    /// How it ended, and what it had said.
    pub finished: Finished,
}

/// Runs a command, and has the call at the place with this number fail with `errno`, once.
///
/// Otherwise as [`run`](super::run). Nobody is killed: a process that dies of a signal has died of the refusal.
pub fn refuse(
    command: &mut Command,
    input: &[u8],
    places: Places,
    at: usize,
    errno: Errno,
) -> Refused {
    let (tracer, finished) = follow(command, input, places, Some(at), Fate::Refusal(errno));
    Refused {
        call: tracer.met,
        finished,
    }
}

/// Has the call that a thread is about to make answered with `errno`.
pub(super) fn answer(thread: Pid, errno: Errno) {
    let mut registers = ptrace::getregs(thread).expect("a stopped thread has registers");
    registers.orig_rax = u64::MAX;
    registers.rax = i64::from(-(errno as i32)).cast_unsigned();
    ptrace::setregs(thread, registers).expect("a stopped thread takes registers");
}
