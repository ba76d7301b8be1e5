//! Running the compiler: clean environment, own folder, limits, and death with its parent.
//!
//! The only `unsafe` of this module is the hook between fork and exec; it makes system calls and nothing
//! else.
#![expect(
    unsafe_code,
    reason = "limits and the death signal must be set between fork and exec"
)]

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{Resource, UsageWho, getrusage, setrlimit};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::CompileError;

/// What a compiler may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall-clock time; processor time is limited to the same.
    pub time: Duration,
    /// Address space.
    pub memory_mib: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_mins(1),
            memory_mib: 2048,
        }
    }
}

/// No object or diagnostic file comes near this.
const FILE_SIZE: u64 = 64 << 20;
/// How much of what the compiler says is kept: the first errors are the ones that matter.
const KEPT: u64 = 64 << 10;

/// How a run ended.
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    pub(super) timed_out: bool,
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) cpu: Duration,
}

/// Runs `program` in `folder` until it ends or its time is over.
///
/// What it says goes to memory files: a pipe would have to be emptied while waiting, and on a full disk
/// it could not say that the disk is full.
pub(super) fn run(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    limits: &Limits,
) -> Result<Outcome, CompileError> {
    let wrap = |source| CompileError::Start {
        path: program.to_owned(),
        source,
    };
    let mut stdout = memory_file().map_err(wrap)?;
    let mut stderr = memory_file().map_err(wrap)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(stdout.try_clone().map_err(wrap)?)
        .stderr(stderr.try_clone().map_err(wrap)?)
        .process_group(0);
    confine(&mut command, limits);
    let before = children_cpu();
    let mut child = command.spawn().map_err(wrap)?;
    let (status, timed_out) = wait(&mut child, limits.time).map_err(wrap)?;
    Ok(Outcome {
        status,
        timed_out,
        stdout: said(&mut stdout).map_err(wrap)?,
        stderr: said(&mut stderr).map_err(wrap)?,
        cpu: children_cpu().saturating_sub(before),
    })
}

fn memory_file() -> io::Result<File> {
    Ok(memfd_create(c"clang", MFdFlags::MFD_CLOEXEC)?.into())
}

fn said(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(KEPT).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn confine(command: &mut Command, limits: &Limits) {
    let memory = limits.memory_mib.saturating_mul(1 << 20);
    let seconds = limits.time.as_secs().max(1);
    let hook = move || -> io::Result<()> {
        // A killed builder takes its compiler along: the next one starts clean.
        set_pdeathsig(Signal::SIGKILL)?;
        set_no_new_privs()?;
        setrlimit(Resource::RLIMIT_AS, memory, memory)?;
        setrlimit(Resource::RLIMIT_CPU, seconds, seconds + 1)?;
        setrlimit(Resource::RLIMIT_FSIZE, FILE_SIZE, FILE_SIZE)?;
        setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
        Ok(())
    };
    // SAFETY: the hook runs in the child between fork and exec. It calls prctl and setrlimit only, which
    // are async-signal-safe system calls; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(hook);
    }
}

/// Waits by polling: a compile takes 100 ms and more, a poll every 2 ms costs nothing beside it.
fn wait(child: &mut Child, limit: Duration) -> io::Result<(ExitStatus, bool)> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok((status, status.signal() == Some(Signal::SIGXCPU as i32)));
        }
        if start.elapsed() >= limit {
            // The group: a driver may have started another process for the real work.
            let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
            killpg(group, Signal::SIGKILL)
                .or_else(|_| child.kill().map_err(|_| nix::Error::ESRCH))
                .ok();
            return Ok((child.wait()?, true));
        }
        sleep(Duration::from_millis(2));
    }
}

fn children_cpu() -> Duration {
    let time = |t: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(t.tv_sec()).unwrap_or(0), 0)
            + Duration::from_micros(u64::try_from(t.tv_usec()).unwrap_or(0))
    };
    getrusage(UsageWho::RUSAGE_CHILDREN).map_or(Duration::ZERO, |usage| {
        time(usage.user_time()) + time(usage.system_time())
    })
}
