//! The guarded stdout and the stdin with an end, in a process of their own: descriptor 1 is everybody's.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::time::Duration;

use weir_cni::{Deadlined, take_stdout};

/// Tells the child what it is.
const CHILD: &str = "WEIR_STRAY_PRINTS";

/// Prints as a careless library would, around an answer.
#[expect(clippy::print_stdout, clippy::unwrap_used, reason = "that is the test")]
fn careless() {
    let mut real = take_stdout().unwrap();
    println!("litter of ours");
    io::stdout().flush().unwrap();
    // A child of ours inherits the guarded descriptor.
    let status = Command::new("sh")
        .args(["-c", "echo litter of a child"])
        .status()
        .unwrap();
    assert!(status.success());
    real.write_all(b"{\"answer\":1}\n").unwrap();
    println!("litter at the end");
    io::stdout().flush().unwrap();
}

/// W11, and field failure 27.
#[test]
fn w11_stray_prints_never_reach_stdout() {
    if std::env::var_os(CHILD).is_some() {
        careless();
        return;
    }
    let this = std::env::current_exe().unwrap();
    let name = "w11_stray_prints_never_reach_stdout";
    let output = Command::new(this)
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("{\"answer\":1}\n"), "{text}");
    assert!(!text.contains("litter"), "{text}");
}

#[test]
fn a_stdin_that_never_ends_is_given_up() {
    let (ours, theirs) = io::pipe().unwrap();
    let mut stdin = Deadlined::new(OwnedFd::from(ours), Duration::from_millis(20));
    let mut read = Vec::new();
    (&theirs).write_all(b"{").unwrap();
    let error = stdin.read_to_end(&mut read).unwrap_err();
    assert_eq!(
        (error.kind(), read.as_slice()),
        (io::ErrorKind::TimedOut, b"{".as_slice())
    );
    assert!(
        theirs.as_fd().try_clone_to_owned().is_ok(),
        "held open until here"
    );
}

#[test]
fn a_stdin_that_ends_is_read_whole() {
    let mut child = Command::new("echo")
        .arg("all")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = child.stdout.take().unwrap();
    let mut text = String::new();
    let mut stdin = Deadlined::new(OwnedFd::from(stdout), Duration::from_mins(1));
    stdin.read_to_string(&mut text).unwrap();
    assert_eq!(text, "all\n");
    assert!(child.wait().unwrap().success());
}
