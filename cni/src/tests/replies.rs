//! W10, W11, W12: what the runtime hears of a failure.

use std::error::Error as Source;

use super::*;
use crate::error::{Failure, Kind};
use crate::result::Outcome;

fn sent(error: impl Into<Error>, version: Version) -> Value {
    let mut stdout = Vec::new();
    let exit = Reply::Error(error.into()).send(version, &mut stdout, &mut io::sink());
    assert_eq!(exit, Exit::Failure);
    serde_json::from_slice(&stdout).unwrap()
}

#[test]
fn w10_a_refusal_is_in_the_version_of_what_was_asked() {
    for version in Version::ALL {
        let stdin = conf(json!({"cniVersion": version.as_str(), "mtu": 1}));
        assert_eq!(
            refusal(&variables("ADD"), stdin.clone())["cniVersion"],
            version.as_str()
        );
        let empty = refusal(&[("CNI_COMMAND", "ADD")], stdin);
        assert_eq!(empty["cniVersion"], version.as_str());
    }
    let unnamed = refusal(&variables("ADD"), r#"{"name":"a","mtu":1}"#);
    assert_eq!(unnamed["cniVersion"], "0.1.0");
    for unreadable in ["", "{", r#"{"cniVersion":"9.9.9"}"#] {
        let error = refusal(&variables("ADD"), unreadable);
        assert_eq!(error["cniVersion"], "1.1.0", "{unreadable}");
    }
}

/// W5: both lists stand beside the message.
#[test]
fn w5_versions_that_do_not_fit_are_code_1() {
    let cases = [
        ("ADD", "1.2.0", "1.2.0"),
        ("DEL", "1.99.0", "1.99.0"),
        ("ADD", "v1.0.0", "v1.0.0"),
        ("CHECK", "0.3.1", "0.4.0"),
        ("CHECK", "", "0.4.0"),
        ("STATUS", "1.0.0", "1.1.0"),
        ("GC", "0.4.0", "1.1.0"),
    ];
    for (command, asked, named) in cases {
        let error = refusal(&variables(command), conf(json!({"cniVersion": asked})));
        assert_eq!(error["code"], 1, "{command} {asked}");
        assert!(error["msg"].as_str().unwrap().contains(named), "{error}");
        let details = error["details"].as_str().unwrap();
        let both = [
            if asked.is_empty() { "0.1.0" } else { asked },
            "\"0.3.1\", \"0.4.0\"",
        ];
        assert!(both.iter().all(|list| details.contains(list)), "{details}");
    }
}

#[test]
fn w5_check_status_and_gc_are_there_from_their_version_on() {
    for (command, since) in [
        ("ADD", 0),
        ("DEL", 0),
        ("CHECK", 4),
        ("STATUS", 6),
        ("GC", 6),
    ] {
        for (age, version) in Version::ALL.into_iter().enumerate() {
            let previous = json!({"cniVersion": "1.0.0", "ips": []});
            let stdin = conf(json!({"cniVersion": version.as_str(), "prevResult": previous}));
            let read = read(&variables(command), stdin);
            assert_eq!(read.is_ok(), age >= since, "{command} {version}");
        }
    }
}

#[test]
fn success_without_a_result_says_nothing() {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let exit = Reply::Done.send(Version::NEWEST, &mut stdout, &mut stderr);
    assert_eq!((exit, stdout, stderr), (Exit::Success, vec![], vec![]));
}

#[test]
fn a_result_is_one_line_of_json() {
    let mut stdout = Vec::new();
    let reply = Reply::result(&Outcome::default(), Version::V1_0_0).unwrap();
    assert_eq!(
        reply.send(Version::NEWEST, &mut stdout, &mut io::sink()),
        Exit::Success
    );
    assert_eq!(stdout, b"{\"cniVersion\":\"1.0.0\",\"dns\":{}}\n");
}

#[test]
fn a_failure_says_what_why_and_what_to_do() {
    #[derive(Debug, thiserror::Error)]
    #[error("the lock is held")]
    struct Cause(#[source] io::Error);
    let cause = Cause(io::Error::other("by 42"));
    assert!(cause.source().is_some());
    let failure = Failure::new(Kind::TryAgain, "cannot lock the pool")
        .source(cause)
        .advice("wait for the other call");
    let error = sent(failure, Version::V0_4_0);
    assert_eq!(
        error,
        json!({
            "cniVersion": "0.4.0",
            "code": 11,
            "msg": "cannot lock the pool: the lock is held: by 42; wait for the other call",
        })
    );
}

#[test]
fn every_kind_of_failure_has_the_protocols_number() {
    let kinds = [
        (Kind::UnknownContainer, 3),
        (Kind::Io, 5),
        (Kind::Decode, 6),
        (Kind::Config, 7),
        (Kind::Netns, 8),
        (Kind::TryAgain, 11),
        (Kind::Unavailable, 50),
        (Kind::Impaired, 51),
        (Kind::Refused, 100),
        (Kind::UndoFailed, 101),
        (Kind::InterfaceExists, 102),
        (Kind::Delegate(42), 42),
        (Kind::Delegate(256), 256),
        (Kind::Delegate(0), 999),
    ];
    for (kind, code) in kinds {
        let error = sent(Failure::new(kind, "cannot"), Version::NEWEST);
        assert_eq!(error["code"], code, "{kind:?}");
    }
}

/// W12: containerd takes these words for success, whoever's they are.
#[test]
fn w12_a_failure_is_never_worded_as_an_absence() {
    let enoent = io::Error::from_raw_os_error(2);
    let failure = Failure::new(Kind::Io, "cannot open the plugin").source(enoent);
    let failures = [
        failure,
        Failure::new(
            Kind::Delegate(7),
            "host-local: Link Not Found, not found, NOT FOUND",
        ),
        Failure::new(Kind::Io, "x").advice("é not found: No such file or directory"),
    ];
    for failure in failures {
        let error = sent(failure, Version::NEWEST);
        let text = error["msg"].as_str().unwrap().to_lowercase();
        for swallowed in ["not found", "no such file or directory"] {
            assert!(!text.contains(swallowed), "{text}");
        }
    }
}

#[test]
fn w11_a_panic_while_reading_is_an_error_object() {
    /// Gives the configuration, and panics when it is asked for more.
    struct Trap(&'static [u8]);
    impl Read for Trap {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            assert!(!self.0.is_empty(), "trapped");
            let length = self.0.read(buffer)?;
            Ok(length)
        }
    }
    let mut stdout = Vec::new();
    let mut streams = Streams {
        stdin: &mut Trap(b"{}"),
        stdout: &mut stdout,
        stderr: &mut io::sink(),
    };
    let environment = variables("ADD").into_iter().collect();
    assert_eq!(run(&environment, &mut streams), Exit::Failure);
    let error: Value = serde_json::from_slice(&stdout).unwrap();
    assert_eq!(
        (&error["code"], &error["cniVersion"]),
        (&json!(999), &json!("1.1.0"))
    );
    assert!(
        error["msg"].as_str().unwrap().contains("trapped"),
        "{error}"
    );
}
