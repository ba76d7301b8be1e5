//! Processes that end: by themselves, or at a deadline which fails the test.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Long enough for a cold compile on a busy machine: it ends a hang and judges no speed.
const DEADLINE: Duration = Duration::from_mins(3);

/// A process that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl Finished {
    /// Asserts success and returns stdout.
    #[track_caller]
    pub fn expect_success(self) -> String {
        assert_eq!(
            self.code,
            Some(0),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self.stdout
    }
}

/// Runs the command to its end. stdin is what the command says, or empty.
pub fn run(command: &mut Command) -> Finished {
    run_until(command, DEADLINE)
}

fn run_until(command: &mut Command, deadline: Duration) -> Finished {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let stdout = drain(child.stdout.take().expect("stdout is piped"));
    let stderr = drain(child.stderr.take().expect("stderr is piped"));
    let status = wait(&mut child, deadline)
        .unwrap_or_else(|| panic!("{command:?} did not end within {deadline:?}"));
    Finished {
        code: status.code(),
        stdout: stdout.join().expect("the reader of stdout ends"),
        stderr: stderr.join().expect("the reader of stderr ends"),
    }
}

/// Reads beside the wait: a process that fills a pipe nobody empties would never end.
fn drain(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).expect("a pipe can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn wait(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    while start.elapsed() < deadline {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status);
        }
        thread::sleep(Duration::from_millis(2));
    }
    child
        .kill()
        .and_then(|()| child.wait())
        .expect("a child can be killed");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::null());
        command
    }

    #[test]
    fn both_streams_and_the_code_are_kept() {
        let finished = run(&mut shell("echo out; echo err >&2; exit 3"));
        let expected = Finished {
            code: Some(3),
            stdout: "out\n".into(),
            stderr: "err\n".into(),
        };
        assert_eq!(finished, expected);
        assert_eq!(run(&mut shell("kill -9 $$")).code, None);
    }

    #[test]
    fn more_output_than_a_pipe_holds_is_no_hang() {
        let finished = run(&mut shell(
            "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2",
        ));
        assert_eq!(
            (finished.stdout.len(), finished.stderr.len()),
            (300_000, 300_000)
        );
    }

    #[test]
    #[should_panic(expected = "did not end within")]
    fn a_hang_fails() {
        run_until(&mut shell("exec sleep 600"), Duration::from_millis(50));
    }
}
