//! A clock that leaps while a process runs: from one of its readings on, all of them are off.
//!
//! Programs read clocks in memory that the kernel shares with them (`vdso(7)`), where nobody can stop them. The entry
//! that leads there is taken from what the kernel tells a program at its start (`getauxval(3)`), and then they ask by
//! a system call, whose answer is changed. The clocks of the machine, and of everybody else, go on as they did.
//! Registers are a processor's own; these are of x86-64.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::process::Command;

use nix::libc::{
    CLOCK_REALTIME, CLOCK_REALTIME_COARSE, PTRACE_SYSCALL_INFO_EXIT, SYS_clock_gettime,
    ptrace_syscall_info,
};
use nix::sys::ptrace;
use nix::unistd::Pid;

use super::{Call, Fate, Places, Tracer, follow};
use crate::Finished;

/// `AT_IGNORE` and `AT_SYSINFO_EHDR` of `elf.h`; `AT_NULL` ends the list.
const IGNORE: u64 = 1;
const SHARED_MEMORY: u64 = 33;
const END: u64 = 0;

/// Bytes of a word, and of an entry of the list.
const WORD: u64 = 8;

/// A clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The time of day, which people and their daemons set.
    Wall,
    /// Those that only go on.
    Running,
}

/// How far a clock leaps, and when.
#[derive(Clone, Copy, Debug)]
pub struct Leap {
    /// Which one.
    pub clock: Clock,
    /// By so many seconds.
    pub seconds: i64,
    /// Before the reading with this number.
    pub at: usize,
}

/// What became of a process whose clock leapt.
#[derive(Clone, Debug)]
pub struct Leapt {
    /// Whether it read the clock after the leap.
    pub has_leapt: bool,
    /// How it ended, and what it had said.
    pub finished: Finished,
}

/// Runs a command whose clock leaps. Processes that it starts keep theirs.
pub fn leap(command: &mut Command, input: &[u8], leap: Leap) -> Leapt {
    let at = Some(leap.at);
    let (tracer, finished) = follow(command, input, Places::Every, at, Fate::Leap(leap));
    Leapt {
        has_leapt: tracer.met.is_some(),
        finished,
    }
}

/// Has a program that is about to start ask the kernel for the time. Its stack holds the number of its arguments,
/// these, an empty word, its variables, another, and then the list.
pub(super) fn ask_the_kernel(leader: Pid) {
    let registers = ptrace::getregs(leader).expect("a stopped program has registers");
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{leader}/mem"))
        .expect("a tracer reaches the memory");
    let word = |place: u64| {
        let mut bytes = [0; 8];
        let read = memory.read_exact_at(&mut bytes, place);
        read.expect("a program has a stack");
        u64::from_ne_bytes(bytes)
    };
    let mut place = registers.rsp + WORD * (word(registers.rsp) + 2);
    while word(place) != 0 {
        place += WORD;
    }
    place += WORD;
    while word(place) != END {
        if word(place) == SHARED_MEMORY {
            let written = memory.write_all_at(&IGNORE.to_ne_bytes(), place);
            written.expect("a tracer writes to the memory");
        }
        place += 2 * WORD;
    }
}

impl Tracer {
    /// Changes what a thread is about to be told.
    pub(super) fn tell_time(&mut self, thread: Pid, info: &ptrace_syscall_info, leap: Leap) {
        if info.op != PTRACE_SYSCALL_INFO_EXIT {
            return;
        }
        let registers = ptrace::getregs(thread).expect("a stopped thread has registers");
        let is_reading = i64::try_from(registers.orig_rax) == Ok(SYS_clock_gettime);
        if !is_reading || registers.rax != 0 {
            return;
        }
        let clock = i32::try_from(registers.rdi).unwrap_or(CLOCK_REALTIME);
        let is_wall = [CLOCK_REALTIME, CLOCK_REALTIME_COARSE].contains(&clock);
        if is_wall != (leap.clock == Clock::Wall) {
            return;
        }
        self.points += 1;
        if self.points <= leap.at {
            return;
        }
        let number = registers.orig_rax;
        self.met
            .get_or_insert_with(|| Call::new(thread, number, [0; 6]));
        shift(thread, registers.rsi, leap.seconds);
    }
}

/// Adds seconds to a `struct timespec`, whose first word they are.
fn shift(thread: Pid, place: u64, seconds: i64) {
    let memory = OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{thread}/mem"))
        .expect("a tracer reaches the memory");
    let mut bytes = [0; 8];
    let read = memory.read_exact_at(&mut bytes, place);
    read.expect("the time was written there");
    let shifted = i64::from_ne_bytes(bytes) + seconds;
    let written = memory.write_all_at(&shifted.to_ne_bytes(), place);
    written.expect("a tracer writes to the memory");
}
