//! The process's own streams, made safe to use: a stdin that ends and a stdout nobody else can write to.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::dup2_stdout;

/// A stream that must end in time. A runtime writes its configuration at once; one that forgets to close
/// the pipe would keep the plugin, and the locks of the runtime, forever.
pub struct Deadlined {
    stream: File,
    patience: Duration,
    end: Option<Instant>,
}

impl Deadlined {
    /// The stream, with the time it has from the first time it is read.
    pub fn new(stream: OwnedFd, patience: Duration) -> Self {
        Self {
            stream: File::from(stream),
            patience,
            end: None,
        }
    }

    /// Waits until there is something to read, the end included.
    fn wait(&mut self) -> io::Result<()> {
        let end = *self
            .end
            .get_or_insert_with(|| Instant::now() + self.patience);
        loop {
            // Looked at even when nothing is left: on a machine that was stopped meanwhile, what came in time is there.
            let left = end.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut streams = [PollFd::new(self.stream.as_fd(), PollFlags::POLLIN)];
            match poll(&mut streams, timeout) {
                Ok(0) if left.is_zero() => {
                    let text = format!("it did not end within {} s", self.patience.as_secs_f32());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                Ok(0) | Err(nix::errno::Errno::EINTR) => {}
                Ok(_) => return Ok(()),
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.stream.read(buffer)
    }
}

/// The real stdout. From here on the descriptor 1 leads nowhere: one line that some library prints would
/// turn a result into no JSON. Children get what they are given and cannot inherit the real one.
pub fn take_stdout() -> io::Result<File> {
    let real = io::stdout().as_fd().try_clone_to_owned()?;
    let nowhere = File::options().write(true).open("/dev/null")?;
    dup2_stdout(nowhere)?;
    Ok(File::from(real))
}
