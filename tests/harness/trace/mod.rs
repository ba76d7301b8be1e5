//! Stops a process before a system call, and kills it there, or has the kernel refuse the call.
//!
//! Only the entry of a call is a place to kill at. A process that dies there has done all calls before and not
//! this one: the kernel looks for a deadly signal before it carries a traced call out, and gives it up
//! (`ptrace_report_syscall_entry`, then `syscall_trace_enter`). What a process does between two calls nobody
//! else can see, so dying at the exit of call N leaves what dying at the entry of call N+1 leaves.
//!
//! For the same reason a call that changes nothing outside of the process is no place of its own: whoever
//! dies before it leaves what it leaves before the next call that does. [`Call::is_harmless`] is the list;
//! with `WEIR_KILL_ALL=1` every call counts.
//!
//! Children and threads are followed and die too, as a container's processes do. Calls are counted in the order
//! in which they come; where threads run side by side, that is one of their orders.
#![expect(
    unsafe_code,
    reason = "a child asks to be traced before it is another program; a union is read"
)]

mod call;
#[cfg(target_arch = "x86_64")]
mod leap;
mod reads;
#[cfg(target_arch = "x86_64")]
mod refuse;

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::{PTRACE_SYSCALL_INFO_ENTRY, ptrace_syscall_info};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

pub use call::Call;
#[cfg(target_arch = "x86_64")]
pub use leap::{Clock, Leap, Leapt, leap};
#[cfg(target_arch = "x86_64")]
pub use refuse::{Refused, refuse};

use crate::Finished;

/// Far longer than a traced call of a plugin takes: it ends a hang.
const DEADLINE: Duration = Duration::from_mins(2);

/// What became of a traced process and its children.
#[derive(Clone, Debug)]
pub struct Traced {
    /// The call it was killed before; none if it came to its end.
    pub killed_before: Option<Call>,
    /// How it ended, and what it had said.
    pub finished: Finished,
    /// The places it came by.
    pub points: usize,
    /// What it did at these places, if it was to be left alone.
    pub calls: Vec<Call>,
}

/// Which calls are places to kill at, or to refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Places {
    /// Those that others can notice.
    Effects,
    /// All.
    Every,
    /// Those that change a file or a folder.
    FileChanges,
    /// Those that read a file or a folder of a disk.
    FileReads,
    /// Those to `bpf(2)` that make or change something.
    BpfChanges,
}

impl Places {
    /// As `WEIR_KILL_ALL` says.
    pub fn from_environment() -> Self {
        match std::env::var_os("WEIR_KILL_ALL") {
            Some(value) if !value.is_empty() && value != "0" => Self::Every,
            _ => Self::Effects,
        }
    }

    fn has(self, call: &Call) -> bool {
        match self {
            Self::Effects => !call.is_harmless(),
            Self::Every => true,
            Self::FileChanges => call.changes_files(),
            Self::FileReads => call.reads_files(),
            Self::BpfChanges => call.changes_bpf(),
        }
    }
}

/// What becomes of the call at the place.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The process dies before it.
    Death,
    /// The kernel does not do it, and says this.
    #[cfg(target_arch = "x86_64")]
    Refusal(Errno),
    /// There is no such call: readings of a clock are off from then on.
    #[cfg(target_arch = "x86_64")]
    Leap(Leap),
}

/// Runs a command, and kills it and its children at the place with this number if it comes that far.
///
/// stdin is a file that holds `input`. The calling thread is the tracer, so tests may do this side by side.
pub fn run(command: &mut Command, input: &[u8], places: Places, kill_at: Option<usize>) -> Traced {
    let (tracer, finished) = follow(command, input, places, kill_at, Fate::Death);
    assert!(
        finished.code.is_some() || tracer.met.is_some(),
        "{command:?} died of a signal that was not ours, or did not end: {finished:?}"
    );
    Traced {
        killed_before: tracer.met,
        finished,
        points: tracer.points,
        calls: tracer.calls,
    }
}

fn follow(
    command: &mut Command,
    input: &[u8],
    places: Places,
    at: Option<usize>,
    fate: Fate,
) -> (Tracer, Finished) {
    let (mut stdout, mut stderr) = (scratch(b""), scratch(b""));
    let share = |file: &std::fs::File| Stdio::from(file.try_clone().expect("a file can be shared"));
    command
        .stdin(scratch(input))
        .stdout(share(&stdout))
        .stderr(share(&stderr));
    let leader = start(command, fate);
    let (still_running, alarm) = channel::<()>();
    let guard = thread::spawn(move || {
        if alarm.recv_timeout(DEADLINE) == Err(RecvTimeoutError::Timeout) {
            kill(leader, Signal::SIGKILL).unwrap_or_default();
        }
    });
    let mut tracer = Tracer {
        leader,
        places,
        at,
        fate,
        points: 0,
        calls: Vec::new(),
        known: BTreeSet::from([leader]),
        met: None,
        is_dying: false,
    };
    let code = tracer.follow();
    drop(still_running);
    guard.join().expect("the guard ends");
    let finished = Finished {
        code,
        stdout: text(&mut stdout),
        stderr: text(&mut stderr),
    };
    (tracer, finished)
}

fn scratch(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a temporary file can be made");
    std::io::Write::write_all(&mut file, bytes).expect("a temporary file can be written");
    file.seek(SeekFrom::Start(0))
        .expect("a file has a beginning");
    file
}

fn text(file: &mut std::fs::File) -> String {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))
        .expect("a file has a beginning");
    file.read_to_end(&mut bytes).expect("a file can be read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Starts a command that stops as soon as it is the program.
#[expect(
    clippy::zombie_processes,
    reason = "the tracer waits for it, and for all that it starts"
)]
fn start(command: &mut Command, fate: Fate) -> Pid {
    // SAFETY: between fork and exec this makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| ptrace::traceme().map_err(std::io::Error::from)) };
    let child = command
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let leader = Pid::from_raw(child.id().cast_signed());
    let stopped = waitpid(leader, Some(WaitPidFlag::__WALL)).expect("a child can be waited for");
    assert_eq!(
        stopped,
        WaitStatus::Stopped(leader, Signal::SIGTRAP),
        "{command:?}"
    );
    let options = Options::PTRACE_O_TRACESYSGOOD
        | Options::PTRACE_O_EXITKILL
        | Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::setoptions(leader, options).expect("a tracee takes options");
    #[cfg(target_arch = "x86_64")]
    if let Fate::Leap(_) = fate {
        leap::ask_the_kernel(leader);
    }
    resume(leader, None);
    leader
}

/// One that has died meanwhile is waited for in its turn.
fn resume(thread: Pid, signal: Option<Signal>) {
    match ptrace::syscall(thread, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("a stopped thread cannot go on: {error}"),
    }
}

struct Tracer {
    leader: Pid,
    places: Places,
    at: Option<usize>,
    fate: Fate,
    points: usize,
    calls: Vec<Call>,
    /// Threads that have been seen: the first stop of a new one is no signal for it.
    known: BTreeSet<Pid>,
    /// The call at the place.
    met: Option<Call>,
    is_dying: bool,
}

impl Tracer {
    /// Until the last of them is gone. Returns the exit code of the first.
    fn follow(&mut self) -> Option<i32> {
        let mut code = None;
        loop {
            // Only what this thread started: other tests have children too.
            let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            match waitpid(None, Some(flags)) {
                Ok(WaitStatus::Exited(thread, status)) if thread == self.leader => {
                    code = Some(status);
                }
                Ok(status) => self.step(status),
                Err(Errno::ECHILD) => return code,
                Err(Errno::EINTR) => {}
                Err(error) => panic!("tracees cannot be waited for: {error}"),
            }
        }
    }

    fn step(&mut self, status: WaitStatus) {
        let (thread, signal) = match status {
            WaitStatus::PtraceSyscall(thread) => {
                self.look(thread);
                (thread, None)
            }
            WaitStatus::PtraceEvent(thread, ..) => (thread, None),
            WaitStatus::Stopped(thread, Signal::SIGSTOP) if self.known.insert(thread) => {
                (thread, None)
            }
            WaitStatus::Stopped(thread, signal) => (thread, Some(signal)),
            _ => return,
        };
        if self.is_dying {
            // A child that was made just before.
            kill(thread, Signal::SIGKILL).unwrap_or_default();
        } else {
            resume(thread, signal);
        }
    }

    /// Counts the call that a thread is about to make, and kills all of them if it is the one.
    fn look(&mut self, thread: Pid) {
        let Ok(info) = ptrace::syscall_info(thread) else {
            return; // Gone meanwhile.
        };
        #[cfg(target_arch = "x86_64")]
        if let Fate::Leap(leap) = self.fate {
            return self.tell_time(thread, &info, leap);
        }
        let Some(call) = entered(thread, &info) else {
            return;
        };
        if self.met.is_some() || !self.places.has(&call) {
            return;
        }
        if self.at == Some(self.points) {
            // While it stands still: the dead have no memory.
            self.met = Some(call.with_details());
            self.fulfil(thread);
            return;
        }
        self.points += 1;
        if self.at.is_none() {
            self.calls.push(call.with_details());
        }
    }

    fn fulfil(&mut self, thread: Pid) {
        match self.fate {
            Fate::Death => {
                self.is_dying = true;
                for known in &self.known {
                    kill(*known, Signal::SIGKILL).unwrap_or_default();
                }
            }
            #[cfg(target_arch = "x86_64")]
            Fate::Refusal(errno) => refuse::answer(thread, errno),
            #[cfg(target_arch = "x86_64")]
            Fate::Leap(_) => {}
        }
    }
}

fn entered(thread: Pid, info: &ptrace_syscall_info) -> Option<Call> {
    if info.op != PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: `op` says that the kernel filled this variant.
    let entry = unsafe { info.u.entry };
    Some(Call::new(thread, entry.nr, entry.args))
}

#[cfg(test)]
mod tests;
