//! Running the compiler: clean environment, no capabilities, own folder, limits, and death with its parent.
//!
//! `unsafe` in three places: the hook between fork and exec, the call in it that nobody wraps, and the wait that
//! tells the processor time.
#![expect(
    unsafe_code,
    reason = "the hook between fork and exec, capset and wait4 are the kernel's own interface"
)]

use std::fs::File;
use std::io::{self, Read, Seek};
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::libc::{SYS_capset, WNOHANG, rusage, syscall, timeval, wait4};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::{set_no_new_privs, set_pdeathsig};
use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit, setrlimit};
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

/// `_LINUX_CAPABILITY_VERSION_3` of `linux/capability.h`.
const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

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
    let mut child = command.spawn().map_err(wrap)?;
    let (status, cpu, timed_out) = wait(&mut child, limits.time).map_err(wrap)?;
    Ok(Outcome {
        status,
        timed_out,
        stdout: said(&mut stdout).map_err(wrap)?,
        stderr: said(&mut stderr).map_err(wrap)?,
        cpu,
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
    let limits = [
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_FSIZE, FILE_SIZE),
        (Resource::RLIMIT_CORE, 0),
    ];
    // Only root may go above a limit that we live under ourselves.
    let limits = limits.map(|(resource, wanted)| {
        let ours = getrlimit(resource).map_or(RLIM_INFINITY, |(_, hard)| hard);
        (resource, wanted.min(ours))
    });
    let hook = move || -> io::Result<()> {
        // A killed builder takes its compiler along: the next one starts clean. It reaches the process that
        // we start; a wrapper script should `exec` the compiler.
        set_pdeathsig(Signal::SIGKILL)?;
        set_no_new_privs()?;
        give_up_capabilities()?;
        for (resource, limit) in limits {
            setrlimit(resource, limit, limit)?;
        }
        Ok(())
    };
    // SAFETY: the hook runs in the child between fork and exec. It calls prctl, capset and setrlimit only, which
    // are async-signal-safe system calls; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(hook);
    }
}

/// For good: root, too, gains none by an exec once it may gain no privileges (`cap_bprm_creds_from_file`), and
/// needs none to read and write what is its own.
fn give_up_capabilities() -> io::Result<()> {
    // `struct __user_cap_header_struct` of capset(2), for the caller; then two times effective, permitted, inheritable.
    let header: [u32; 2] = [CAPABILITY_VERSION_3, 0];
    let none = [0u32; 6];
    // SAFETY: both are as long as version 3 of the interface says, and the kernel only reads them.
    match unsafe { syscall(SYS_capset, header.as_ptr(), none.as_ptr()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Waits by polling: a compile takes 100 ms and more, a poll every 2 ms costs nothing beside it. The
/// processor time is the child's own: compiles of other threads do not count.
fn wait(child: &mut Child, limit: Duration) -> io::Result<(ExitStatus, Duration, bool)> {
    let start = Instant::now();
    loop {
        if let Some((status, cpu)) = reap(child, WNOHANG)? {
            return Ok((status, cpu, status.signal() == Some(Signal::SIGXCPU as i32)));
        }
        if start.elapsed() >= limit {
            // The group: a driver may have started another process for the real work.
            let group = Pid::from_raw(child.id().cast_signed());
            killpg(group, Signal::SIGKILL)?;
            let ended = reap(child, 0)?;
            let (status, cpu) = ended.ok_or(io::ErrorKind::WouldBlock)?;
            return Ok((status, cpu, true));
        }
        sleep(Duration::from_millis(2));
    }
}

/// How the child ended and what processor time it took; none while it runs. std's `wait` does not tell
/// the time, and nobody else waits for this child.
fn reap(child: &Child, flags: i32) -> io::Result<Option<(ExitStatus, Duration)>> {
    let mut status = 0;
    let mut usage = MaybeUninit::<rusage>::zeroed();
    // SAFETY: `status` and `usage` are valid for writes for the length of the call, and an all-zero rusage
    // is a valid one, so it may be read whether or not the kernel wrote it.
    let (pid, usage) = unsafe {
        let pid = wait4(
            child.id().cast_signed(),
            &raw mut status,
            flags,
            usage.as_mut_ptr(),
        );
        (pid, usage.assume_init())
    };
    match pid {
        0 => Ok(None),
        1.. => Ok(Some((
            ExitStatus::from_raw(status),
            time(usage.ru_utime) + time(usage.ru_stime),
        ))),
        _ => Err(io::Error::last_os_error()),
    }
}

fn time(time: timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs())
        + Duration::from_micros(time.tv_usec.unsigned_abs())
}
