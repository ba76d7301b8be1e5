//! `weir-cni` as runtimes and people start it.

use std::fs::File;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use weir_tests::{Finished, binaries, process};

/// How the plugin's stdin looks.
#[derive(Clone, Copy, Debug)]
enum Stdin {
    /// Not even open.
    Closed,
    /// At its end.
    Empty,
    /// Never at its end.
    Endless,
    /// Open, and nobody ever writes.
    Silent,
}

const STDINS: [Stdin; 4] = [Stdin::Closed, Stdin::Empty, Stdin::Endless, Stdin::Silent];

fn plugin(stdin: Stdin, variables: &[(&str, &str)]) -> Finished {
    let mut plugin = binaries::weir_cni();
    let mut command = match stdin {
        Stdin::Closed => {
            // std opens a child's three streams whatever one asks for: only a shell closes one.
            let mut shell = Command::new("/bin/sh");
            shell
                .args(["-c", "exec \"$0\" <&-"])
                .arg(plugin.get_program());
            shell
        }
        Stdin::Empty => {
            plugin.stdin(Stdio::null());
            plugin
        }
        Stdin::Endless => {
            plugin.stdin(File::open("/dev/zero").unwrap());
            plugin
        }
        Stdin::Silent => {
            let (reader, writer) = std::io::pipe().unwrap();
            plugin
                .stdin(reader)
                .env_clear()
                .envs(variables.iter().copied());
            let finished = process::run(&mut plugin);
            drop(writer);
            return finished;
        }
    };
    process::run(command.env_clear().envs(variables.iter().copied()))
}

fn object(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|e| panic!("{e}: {finished:?}"))
}

#[test]
fn version_never_waits_for_stdin() {
    let dummies = [
        ("CNI_COMMAND", "VERSION"),
        ("CNI_IFNAME", "dummy"),
        ("CNI_NETNS", "dummy"),
        ("CNI_PATH", "dummy"),
        ("CNI_CONTAINERID", ""),
    ];
    let expected = json!({
        "cniVersion": "1.1.0",
        "supportedVersions": ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"],
    });
    for stdin in STDINS {
        for variables in [&dummies[..1], &dummies] {
            let finished = plugin(stdin, variables);
            assert_eq!(
                (finished.code, finished.stderr.as_str()),
                (Some(0), ""),
                "{stdin:?}"
            );
            assert_eq!(object(&finished), expected, "{stdin:?}");
        }
    }
}

fn assert_refused(command: &str, stdin: Stdin, code: u32, word: &str) {
    let finished = plugin(stdin, &[("CNI_COMMAND", command)]);
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (Some(1), ""),
        "{command} {stdin:?}"
    );
    let error = object(&finished);
    assert_eq!(
        (&error["code"], &error["cniVersion"]),
        (&json!(code), &json!("1.1.0")),
        "{command} {stdin:?}: {error}"
    );
    let text = error["msg"].as_str().unwrap_or_default();
    assert!(text.contains(word), "{command} {stdin:?}: {error}");
}

#[test]
fn refusals_are_an_object_on_stdout_and_status_1() {
    for command in ["version", "UPDATE", " ", "$(reboot)"] {
        for stdin in STDINS {
            assert_refused(command, stdin, 4, command);
        }
    }
    // What is missing is named whatever is on stdin. That nothing comes is given up after a while, which is
    // tried with less in the plugin's own tests.
    for stdin in [Stdin::Closed, Stdin::Empty, Stdin::Endless] {
        for command in ["ADD", "DEL", "CHECK", "GC"] {
            assert_refused(command, stdin, 4, command);
        }
        assert_refused("STATUS", stdin, 6, "stdin");
    }
}

#[test]
fn by_hand_it_says_what_it_is_on_stderr() {
    let cases: [&[(&str, &str)]; 2] = [&[], &[("CNI_COMMAND", "")]];
    for variables in cases {
        let finished = plugin(Stdin::Silent, variables);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""));
        assert!(
            finished.stderr.starts_with("CNI weir-cni plugin v"),
            "{finished:?}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_a_failure() {
    let mut shell = Command::new("/bin/sh");
    let script = "CNI_COMMAND=VERSION \"$0\" >/dev/full";
    shell
        .args(["-c", script])
        .arg(binaries::weir_cni().get_program());
    assert_eq!(process::run(shell.stdin(Stdio::null())).code, Some(1));
}
