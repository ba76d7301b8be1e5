//! Running a plugin: our environment, its stdin from memory, its output bounded, dead when we are or when its
//! time is over.
//!
//! `unsafe` in one place: the hook between fork and exec.
#![expect(
    unsafe_code,
    reason = "only between fork and exec can a child bind its life to ours"
)]

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, getpid, getppid};

/// The variable that differs between our environment and a plugin's.
const COMMAND: &str = "CNI_COMMAND";

/// No result is longer.
const LONGEST_STDOUT: usize = 1 << 20;

/// What is kept of stderr, and handed on.
const LONGEST_STDERR: usize = 64 << 10;

/// How often a silent plugin is looked at: it may end while a child of its own holds its output open.
const GLANCE: Duration = Duration::from_millis(20);

/// A program that is being written cannot be run; an update is over soon.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(50);

/// What to run, and how.
pub(super) struct Order<'a> {
    /// The program.
    pub(super) program: &'a Path,
    /// What to ask of it.
    pub(super) command: &'static str,
    /// Our environment.
    pub(super) environment: &'a [(OsString, OsString)],
    /// What it reads.
    pub(super) stdin: &'a [u8],
    /// How long it may take.
    pub(super) deadline: Duration,
}

/// What it said.
#[derive(Debug)]
pub(super) struct Said {
    /// How it ended.
    pub(super) ended: Ended,
    /// Its answer.
    pub(super) stdout: Vec<u8>,
    /// The beginning of its talk.
    pub(super) stderr: Vec<u8>,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// With success.
    Well,
    /// With a failure, which this describes.
    Badly(String),
    /// It was killed because its time was over.
    Late,
    /// It was killed because it did not stop talking.
    Flooding,
}

/// Runs it to its end.
pub(super) fn run(order: &Order<'_>) -> io::Result<Said> {
    let end = Instant::now() + order.deadline;
    let mut child = Running(start(order)?);
    let said = child.listen(end);
    let said = said.and_then(|said| child.finish(said));
    let said = said?;
    // Nobody reads stderr in place of us; a closed one is no reason to fail.
    io::stderr().write_all(&said.stderr).unwrap_or_default();
    Ok(said)
}

fn start(order: &Order<'_>) -> io::Result<Child> {
    let mut command = Command::new(order.program);
    command
        .env_clear()
        .envs(order.environment.iter().map(|(name, value)| (name, value)))
        .env(COMMAND, order.command)
        .stdin(memory_file(order.stdin)?)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let parent = getpid();
    let hook = move || -> io::Result<()> {
        set_pdeathsig(Signal::SIGKILL)?;
        // We may have died before the line above took effect.
        if getppid() == parent {
            Ok(())
        } else {
            Err(Errno::ESRCH.into())
        }
    };
    // SAFETY: the hook runs in the child between fork and exec. It calls prctl and getppid only, which are
    // async-signal-safe system calls; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(hook);
    }
    let mut tries = 0;
    loop {
        match command.spawn() {
            Err(error)
                if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES =>
            {
                tries += 1;
                sleep(BUSY_PAUSE);
            }
            other => return other,
        }
    }
}

/// stdin as a file: a pipe would have to be filled while listening, and a plugin need not read it.
fn memory_file(bytes: &[u8]) -> io::Result<File> {
    let mut file: File = memfd_create(c"stdin", MFdFlags::MFD_CLOEXEC)?.into();
    file.write_all(bytes)?;
    file.rewind()?;
    Ok(file)
}

/// A child that does not outlive this value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Reaped already in all but the failing cases.
        if matches!(self.0.try_wait(), Ok(None)) {
            self.kill();
            self.0.wait().map(drop).unwrap_or_default();
        }
    }
}

impl Running {
    /// The group: a plugin may be a script, with the real one below it.
    fn kill(&self) {
        let group = Pid::from_raw(self.0.id().cast_signed());
        killpg(group, Signal::SIGKILL).unwrap_or_default();
    }

    /// Reads what it says until it has ended, its time is over, or it has said too much.
    fn listen(&mut self, end: Instant) -> io::Result<Heard> {
        let stdout = self.0.stdout.take().map(Stream::new).transpose()?;
        let stderr = self.0.stderr.take().map(Stream::new).transpose()?;
        let mut streams = [stdout, stderr];
        let mut heard = Heard::default();
        loop {
            let has_ended = self.0.try_wait()?.is_some();
            for (stream, (text, longest)) in streams.iter_mut().zip(heard.texts()) {
                if let Some(open) = stream
                    && open.drain(text, longest)? == Flow::Ended
                {
                    *stream = None;
                }
            }
            if has_ended || heard.stdout.len() > LONGEST_STDOUT {
                return Ok(heard);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                heard.is_late = true;
                return Ok(heard);
            }
            wait(&streams, left.min(GLANCE))?;
        }
    }

    fn finish(&mut self, heard: Heard) -> io::Result<Said> {
        let is_flooding = heard.stdout.len() > LONGEST_STDOUT;
        if heard.is_late || is_flooding {
            self.kill();
        }
        let status = self.0.wait()?;
        let ended = match (heard.is_late, is_flooding) {
            (true, _) => Ended::Late,
            (_, true) => Ended::Flooding,
            _ => ended(status),
        };
        Ok(Said {
            ended,
            stdout: heard.stdout,
            stderr: heard.stderr,
        })
    }
}

fn ended(status: ExitStatus) -> Ended {
    match (status.success(), status.code(), status.signal()) {
        (true, _, _) => Ended::Well,
        (_, Some(code), _) => Ended::Badly(format!("ended with status {code}")),
        (_, _, Some(signal)) => Ended::Badly(format!("was killed by signal {signal}")),
        _ => Ended::Badly("ended in an unknown way".to_owned()),
    }
}

/// What was said until now.
#[derive(Default)]
struct Heard {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    is_late: bool,
}

impl Heard {
    /// Each text with the most that is kept of it. One more byte of stdout shows that there was too much.
    fn texts(&mut self) -> [(&mut Vec<u8>, usize); 2] {
        [
            (&mut self.stdout, LONGEST_STDOUT + 1),
            (&mut self.stderr, LONGEST_STDERR),
        ]
    }
}

#[derive(PartialEq, Eq)]
enum Flow {
    Open,
    Ended,
}

/// One end of a pipe that never blocks.
struct Stream(File);

impl Stream {
    fn new(pipe: impl Into<std::os::fd::OwnedFd>) -> io::Result<Self> {
        let file = File::from(pipe.into());
        fcntl(&file, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self(file))
    }

    /// Takes what is there; beyond `longest` bytes it is thrown away.
    fn drain(&mut self, text: &mut Vec<u8>, longest: usize) -> io::Result<Flow> {
        let mut buffer = [0; 16 << 10];
        // A plugin that writes without end must not keep us here.
        for _ in 0..64 {
            match self.0.read(&mut buffer) {
                Ok(0) => return Ok(Flow::Ended),
                Ok(count) => {
                    let room = longest.saturating_sub(text.len());
                    text.extend_from_slice(&buffer[..count.min(room)]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flow::Open),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Flow::Open)
    }
}

/// Waits until one of the streams has something, or for `time`.
fn wait(streams: &[Option<Stream>], time: Duration) -> io::Result<()> {
    let open: Vec<BorrowedFd<'_>> = streams.iter().flatten().map(|s| s.0.as_fd()).collect();
    if open.is_empty() {
        // It closed its output and is about to end.
        sleep(time.min(Duration::from_millis(1)));
        return Ok(());
    }
    let mut polled: Vec<_> = open
        .into_iter()
        .map(|fd| PollFd::new(fd, PollFlags::POLLIN))
        .collect();
    // Rounded up, so that the last part of a millisecond is not spent in a loop.
    let milliseconds = u16::try_from(time.as_millis() + 1).unwrap_or(u16::MAX);
    match poll(&mut polled, PollTimeout::from(milliseconds)) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
