mod captures;
mod config;
mod environment;
mod fuzz;
mod hostile;
mod independent;
mod replies;
mod results;

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;

use serde_json::{Value, json};

use super::*;

/// A stdin that nobody may read.
struct Untouchable;

impl Read for Untouchable {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("stdin was read")
    }
}

/// A stdout whose reader has gone away.
struct Broken;

impl Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn invoke(variables: &[(&str, &str)]) -> (Exit, String, String) {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut streams = Streams {
        stdin: &mut Untouchable,
        stdout: &mut stdout,
        stderr: &mut stderr,
    };
    let exit = run(&variables.iter().copied().collect(), &mut streams);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (exit, text(stdout), text(stderr))
}

/// Reads an invocation and carries nothing out.
fn read(variables: &[(&str, &str)], stdin: impl AsRef<[u8]>) -> Result<Request, Error> {
    let environment = variables.iter().copied().collect();
    request::read(&environment, &mut stdin.as_ref(), &mut |_| {})
}

/// The error object of an invocation that must be refused.
#[track_caller]
fn refusal(variables: &[(&str, &str)], stdin: impl AsRef<[u8]>) -> Value {
    let (mut spoken, mut stdout) = (Version::NEWEST, Vec::new());
    let environment = variables.iter().copied().collect();
    let read = request::read(&environment, &mut stdin.as_ref(), &mut |v| spoken = v);
    let exit = Reply::Error(read.unwrap_err()).send(spoken, &mut stdout, &mut io::sink());
    assert_eq!(exit, Exit::Failure);
    let text = String::from_utf8(stdout).unwrap();
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// What libcni sets for a command.
fn variables(command: &'static str) -> Vec<(&'static str, &'static str)> {
    vec![
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/var/run/netns/c1"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_ARGS", ""),
        ("CNI_PATH", "/opt/cni/bin"),
    ]
}

/// A configuration with more keys in it.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a `&` before every json! tells nothing"
)]
fn conf(more: Value) -> String {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "net", "type": "weir-cni"});
    for (key, value) in more.as_object().unwrap() {
        conf[key] = value.clone();
    }
    conf.to_string()
}

#[track_caller]
fn added(more: Value) -> request::Add {
    match read(&variables("ADD"), conf(more)).unwrap() {
        Request::Add(add) => *add,
        other => panic!("{other:?}"),
    }
}

/// Whether all of one value stands in the other. What says nothing may be missing: null, `{}`, `[]`, "".
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| holds(whole.get(key).unwrap_or(&Value::Null), value)),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(w, p)| holds(w, p))
        }
        (Value::String(whole), Value::String(part)) => whole.eq_ignore_ascii_case(part),
        (Value::Null, Value::Object(part)) => part.values().all(|value| holds(&Value::Null, value)),
        (Value::Null, Value::Array(part)) => part.is_empty(),
        (Value::Null, Value::String(part)) => part.is_empty(),
        (whole, part) => part.is_null() || whole == part,
    }
}

/// One JSON object, on a line of its own, and no talk beside it.
fn object(variables: &[(&str, &str)], exit: Exit) -> Value {
    let (got, stdout, stderr) = invoke(variables);
    assert_eq!(got, exit, "{variables:?}: {stdout}");
    assert_eq!(stderr, "", "{variables:?}");
    assert_eq!(stdout.matches('\n').count(), 1, "{variables:?}: {stdout}");
    serde_json::from_str(&stdout).unwrap()
}

#[test]
fn version_is_answered_whatever_the_other_variables_hold() {
    let expected = json!({
        "cniVersion": "1.1.0",
        "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
    let dummies: [&[(&str, &str)]; 3] = [
        &[],
        &[
            ("CNI_NETNS", "dummy"),
            ("CNI_IFNAME", "dummy"),
            ("CNI_PATH", "dummy"),
        ],
        &[
            ("CNI_NETNS", ""),
            ("CNI_CONTAINERID", "../.."),
            ("CNI_IFNAME", "a/b"),
            ("CNI_ARGS", ";;="),
        ],
    ];
    for others in dummies {
        let variables = [&[("CNI_COMMAND", "VERSION")], others].concat();
        assert_eq!(object(&variables, Exit::Success), expected, "{others:?}");
    }
}

#[test]
fn anything_else_is_an_unknown_command() {
    for command in [
        "version", "VERSION ", " ADD", "ADDD", "AD", "\n", "{}", "\u{0}", "é",
    ] {
        let error = object(&[("CNI_COMMAND", command)], Exit::Failure);
        assert_eq!(error["code"], 4, "{command:?}");
        let message = error["msg"].as_str().unwrap();
        assert!(message.contains(&format!("{command:?}")), "{message}");
        assert!(
            message.contains("ADD, DEL, CHECK, STATUS, GC, VERSION"),
            "{message}"
        );
    }
}

#[test]
fn a_command_that_is_no_text_is_still_answered_in_json() {
    let variables = [("CNI_COMMAND", OsString::from_vec(vec![0xff, b'A']))];
    let mut stdout = Vec::new();
    let mut streams = Streams {
        stdin: &mut Untouchable,
        stdout: &mut stdout,
        stderr: &mut io::sink(),
    };
    assert_eq!(
        run(&variables.into_iter().collect(), &mut streams),
        Exit::Failure
    );
    assert_eq!(serde_json::from_slice::<Value>(&stdout).unwrap()["code"], 4);
}

#[test]
fn without_a_command_it_tells_a_person_what_it_is() {
    let cases: [&[(&str, &str)]; 3] = [&[], &[("CNI_COMMAND", "")], &[("CNI_NETNS", "x")]];
    for variables in cases {
        let (exit, stdout, stderr) = invoke(variables);
        assert_eq!(
            (exit, stdout.as_str()),
            (Exit::Success, ""),
            "{variables:?}"
        );
        let first = format!("CNI weir-cni plugin v{}\n", env!("CARGO_PKG_VERSION"));
        assert!(stderr.starts_with(&first), "{stderr}");
        assert!(
            stderr.ends_with("0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n"),
            "{stderr}"
        );
    }
}

#[test]
fn an_answer_nobody_can_read_is_a_failure() {
    for command in ["VERSION", "nonsense"] {
        let mut streams = Streams {
            stdin: &mut Untouchable,
            stdout: &mut Broken,
            stderr: &mut io::sink(),
        };
        let environment = [("CNI_COMMAND", command)].into_iter().collect();
        assert_eq!(run(&environment, &mut streams), Exit::Failure, "{command}");
    }
}

#[test]
fn a_panic_becomes_an_error_object() {
    type Answer = fn() -> Reply;
    let cases: [(Answer, &str); 3] = [
        (|| panic!("a text"), "a text"),
        (|| panic!("number {}", 7), "number 7"),
        (|| std::panic::panic_any(7), "it said nothing"),
    ];
    for (answer, text) in cases {
        let mut stdout = Vec::new();
        let exit =
            reply::or_internal_error(answer).send(Version::NEWEST, &mut stdout, &mut io::sink());
        let error: Value = serde_json::from_slice(&stdout).unwrap();
        assert_eq!((exit, &error["code"]), (Exit::Failure, &json!(999)));
        let message = error["msg"].as_str().unwrap();
        assert!(message.ends_with(text), "{message}");
    }
}
