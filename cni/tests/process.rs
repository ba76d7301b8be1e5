//! The binary as a runtime meets it: its streams, its status, and nothing beside its answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

fn plugin(variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir-cni"));
    command.env_clear().envs(variables.iter().copied());
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Ends the process whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn answer(variables: &[(&str, &str)], stdin: &[u8]) -> Output {
    let mut child = plugin(variables).spawn().unwrap();
    // It may answer, and end, without having read all of it.
    drop(child.stdin.take().unwrap().write_all(stdin));
    child.wait_with_output().unwrap()
}

fn object(output: &Output) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// W3: nobody closes stdin here, and nobody writes to it.
#[test]
fn w3_version_is_answered_beside_an_open_stdin() {
    let mut running = Running(plugin(&[("CNI_COMMAND", "VERSION")]).spawn().unwrap());
    let stdin = running.0.stdin.take().unwrap();
    let mut text = String::new();
    running
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(running.0.wait().unwrap().success());
    drop(stdin);
    let expected = "{\"cniVersion\":\"1.1.0\",\"supportedVersions\":[\"0.1.0\",\"0.2.0\",\"0.3.0\",\"0.3.1\",\
                    \"0.4.0\",\"1.0.0\",\"1.1.0\"]}\n";
    assert_eq!(text, expected);
}

#[test]
fn w3_version_is_answered_with_stdin_closed_or_endless() {
    for stdin in [
        Stdio::null(),
        Stdio::from(std::fs::File::open("/dev/zero").unwrap()),
    ] {
        let output = plugin(&[("CNI_COMMAND", "VERSION")])
            .stdin(stdin)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(object(&output)["cniVersion"], "1.1.0");
    }
}

/// Variables, stdin, and the code of the answer.
type Refused<'a> = (&'a [(&'a str, &'a str)], &'a [u8], u32);

/// W10, and field failure 27.
#[test]
fn w10_a_refusal_is_one_object_and_status_1() {
    let add = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/proc/self/ns/net"),
        ("CNI_IFNAME", "eth0"),
    ];
    let long = vec![b'['; 64 << 20];
    let cases: [Refused<'_>; 5] = [
        (&[("CNI_COMMAND", "add")], b"", 4),
        (&add[..1], br#"{"cniVersion":"1.0.0","name":"a"}"#, 4),
        (&add, b"", 6),
        (&add, &long, 6),
        (&add, br#"{"cniVersion":"1.9.0","name":"a"}"#, 1),
    ];
    for (variables, stdin, code) in cases {
        let output = answer(variables, stdin);
        assert_eq!(output.status.code(), Some(1), "{variables:?}");
        assert_eq!(object(&output)["code"], code, "{variables:?}");
        assert!(output.stderr.is_empty(), "{variables:?}");
    }
}

#[test]
fn w4_without_a_command_the_banner_goes_to_stderr() {
    let output = answer(&[], b"");
    assert_eq!((output.status.code(), output.stdout), (Some(0), vec![]));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.starts_with(concat!(
            "CNI weir-cni plugin v",
            env!("CARGO_PKG_VERSION"),
            "\n"
        )),
        "{text}"
    );
    let output = plugin(&[]).arg("--version").output().unwrap();
    let release = concat!("weir-cni ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), release);
}

/// A runtime that went away: no signal, no endless loop, a failure.
#[test]
fn w11_an_answer_into_a_closed_pipe_is_a_failure() {
    let mut running = Running(plugin(&[("CNI_COMMAND", "nonsense")]).spawn().unwrap());
    let (_, nobody) = (running.0.stdin.take(), running.0.stdout.take());
    drop(nobody);
    assert_eq!(running.0.wait().unwrap().code(), Some(1));
}
