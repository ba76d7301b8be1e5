//! Running the compiler: clean environment, own folder, limits, and death with its parent.
//!
//! The only `unsafe` of this module is the hook between fork and exec; it makes system calls and nothing
//! else.
#![expect(unsafe_code, reason = "limits and the death signal must be set between fork and exec")]

use std::fs::{self, File};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

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
        Self { time: Duration::from_mins(1), memory_mib: 2048 }
    }
}

/// No object or diagnostic file comes near this.
const FILE_SIZE: u64 = 64 << 20;
/// How much of the diagnostics is kept: the first errors are the ones that matter.
const DIAGNOSTICS: u64 = 64 << 10;
/// The file that receives the diagnostics, inside the compiler's folder.
const LOG: &str = "clang.log";

/// How a run ended.
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    pub(super) timed_out: bool,
    pub(super) diagnostics: String,
    pub(super) cpu: Duration,
}

/// Runs `program` in `folder` until it ends or its time is over.
pub(super) fn run(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    limits: &Limits,
) -> Result<Outcome, CompileError> {
    let wrap = |source| CompileError::Start { path: program.to_owned(), source };
    let log = folder.join(LOG);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log).map_err(wrap)?)
        .process_group(0);
    confine(&mut command, limits);
    let before = children_cpu();
    let mut child = command.spawn().map_err(wrap)?;
    let (status, timed_out) = wait(&mut child, limits.time).map_err(wrap)?;
    let diagnostics = read_log(&log);
    fs::remove_file(&log).map_err(wrap)?;
    Ok(Outcome { status, timed_out, diagnostics, cpu: children_cpu().saturating_sub(before) })
}

/// Asks `program` for the first line of its version.
pub(super) fn version(program: &Path, limits: &Limits) -> Result<String, CompileError> {
    let wrap = |source| CompileError::Start { path: program.to_owned(), source };
    let mut command = Command::new(program);
    command
        .arg("--version")
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    confine(&mut command, limits);
    let output = command.output().map_err(wrap)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    if output.status.success() && !line.is_empty() {
        return Ok(line);
    }
    let text = format!("`--version` ended with {} and said {line:?}", output.status);
    Err(wrap(io::Error::other(text)))
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
            killpg(group, Signal::SIGKILL).or_else(|_| child.kill().map_err(|_| nix::Error::ESRCH)).ok();
            return Ok((child.wait()?, true));
        }
        sleep(Duration::from_millis(2));
    }
}

fn read_log(path: &Path) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    // Diagnostics that cannot be read do not change what happened.
    File::open(path)
        .and_then(|file| file.take(DIAGNOSTICS).read_to_end(&mut bytes))
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn children_cpu() -> Duration {
    let time = |t: nix::sys::time::TimeVal| {
        Duration::new(u64::try_from(t.tv_sec()).unwrap_or(0), 0)
            + Duration::from_micros(u64::try_from(t.tv_usec()).unwrap_or(0))
    };
    getrusage(UsageWho::RUSAGE_CHILDREN)
        .map_or(Duration::ZERO, |usage| time(usage.user_time()) + time(usage.system_time()))
}
