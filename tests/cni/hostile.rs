//! What no honest runtime sends: bounded time and memory, an error object with the right code, nothing done.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::{Value, json};
use weir_tests::plugin::{Answer, Call};

use crate::kill::Watch;
use crate::stage::{Stage, needs};

const VERBS: [&str; 4] = ["ADD", "DEL", "CHECK", "GC"];

/// As much as a plugin may need: a quarter of a gigabyte, and seconds of work.
const BOUNDS: [&str; 3] = ["prlimit", "--as=268435456", "--cpu=20"];

/// Asserts that a call is refused with one of the codes, and has done nothing.
#[track_caller]
fn refused(watch: &mut Watch<'_>, what: &str, answer: &Answer, codes: &[u64]) {
    let (code, message) = answer.expect_failure();
    assert!(codes.contains(&code), "{what}: {code} {message}");
    assert!(
        !message.is_empty() && message.len() < 20_000,
        "{what}: {} bytes",
        message.len()
    );
    assert!(answer.body["cniVersion"].is_string(), "{what}: {answer:?}");
    assert!(answer.finished.stdout.len() < 40_000, "{what}");
    assert_eq!(watch.residue(), None, "{what}");
}

/// What a runtime might say instead, and the codes of the answers.
fn documents(good: &str) -> Vec<(&'static str, Vec<u8>, &'static [u64])> {
    const MIB: usize = 1 << 20;
    let text = |text: String| text.into_bytes();
    let long = |byte: u8| vec![byte; 64 * MIB];
    let deep = |open: &str| text(format!("{{\"name\":\"pods\",\"x\":{}", open.repeat(MIB)));
    let list = |value: &str, count| text(format!("{{\"x\":[{}0]}}", value.repeat(count)));
    let (body, _end) = good.split_at(good.len() - 1);
    let mut odd = text(good.replace("pods", "p?"));
    let place = odd.iter().position(|byte| *byte == b'?').unwrap();
    odd[place] = 0xff;
    vec![
        ("nothing", vec![], &[6]),
        ("white space", long(b' '), &[6]),
        ("zeros", long(0), &[6]),
        (
            "one long text",
            [b"\"", long(b'x').as_slice(), b"\""].concat(),
            &[6],
        ),
        (
            "a long text in its place",
            text(good.replace("pods", &"x".repeat(64 * MIB))),
            &[6],
        ),
        ("many values", list("0,", 16 * MIB), &[6]),
        ("many values that just fit", list("[],", 2 * MIB), &[6, 7]),
        ("deep lists", deep("["), &[6]),
        ("deep objects", deep("{\"a\":"), &[6]),
        ("no UTF-8", odd, &[6]),
        ("half of it", text(good[..good.len() / 2].to_owned()), &[6]),
        ("two of them", text(good.repeat(2)), &[6]),
        ("a list", text("[]".to_owned()), &[6]),
        ("null", text("null".to_owned()), &[6]),
        (
            "a number beyond all",
            text("{\"mtu\":1e999}".to_owned()),
            &[6, 7],
        ),
        // As in Go the last one counts.
        (
            "a name twice",
            text(format!("{body},\"name\":\"../..\"}}")),
            &[6, 7],
        ),
    ]
}

#[test]
fn no_stdin_does_harm() {
    needs!("prlimit");
    let stage = Stage::alone();
    let mut watch = stage.watch();
    for (what, bytes, codes) in documents(&stage.configuration().to_string()) {
        for verb in VERBS {
            let call = stage.call(verb).under(&BOUNDS).stdin(&bytes);
            refused(&mut watch, &format!("{verb}: {what}"), &call.run(), codes);
        }
    }
    for endless in ["/dev/zero", "/dev/urandom"] {
        let call = stage.call("ADD").under(&BOUNDS);
        let answer = call.run_with(File::open(endless).unwrap());
        refused(&mut watch, endless, &answer, &[6]);
    }
}

/// Makes a call with another value at a place of the configuration, and asserts that it is refused.
fn refuses(
    stage: &Stage,
    watch: &mut Watch<'_>,
    verb: &str,
    place: (&str, &str),
    value: &Value,
    codes: &[u64],
) {
    let mut configuration = stage.configuration().clone();
    let (object, key) = place;
    configuration.pointer_mut(object).unwrap()[key] = value.clone();
    let call = stage.call(verb).under(&BOUNDS);
    let answer = call.stdin(configuration.to_string().as_bytes()).run();
    let mut what = format!("{verb}: {key} {value}");
    what.truncate(what.floor_char_boundary(80));
    refused(watch, &what, &answer, codes);
}

#[test]
fn no_name_leads_out_of_its_folder() {
    needs!("prlimit");
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let long = "n".repeat(1 << 20);
    for name in [
        "../../x", "..", ".", "", "a/b", "a\0b", "a\nb", "-x", "é", &long,
    ] {
        for verb in VERBS {
            refuses(
                &stage,
                &mut watch,
                verb,
                ("", "name"),
                &json!(name),
                &[6, 7],
            );
        }
    }
    for kind in ["../../bin/sh", "/bin/sh", "..", "a\0b"] {
        refuses(
            &stage,
            &mut watch,
            "ADD",
            ("/ipam", "type"),
            &json!(kind),
            &[6, 7],
        );
    }
}

#[test]
fn no_range_or_path_does_harm() {
    needs!("prlimit");
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let subnet = |text: &str| json!([[{ "subnet": text }]]);
    for value in [
        json!({}),
        json!([[[]]]),
        json!(7),
        json!("x"),
        subnet("10.0.0.0/33"),
        subnet("../x"),
    ] {
        refuses(
            &stage,
            &mut watch,
            "ADD",
            ("/ipam", "ranges"),
            &value,
            &[6, 7],
        );
    }
    for path in [
        "/dev/zero",
        "/proc/self/mem",
        "/",
        "relative",
        "\0",
        "/nowhere/weir.toml",
    ] {
        refuses(
            &stage,
            &mut watch,
            "ADD",
            ("", "config"),
            &json!(path),
            &[5, 6, 7],
        );
    }
}

#[test]
fn no_variable_does_harm() {
    needs!("prlimit");
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let long = "x".repeat(100_000);
    let wild = OsStr::from_bytes(b"\xff\xfe/..");
    let text = |text: &str| OsString::from(text);
    let mut rows: Vec<(&str, OsString, &[u64])> = Vec::new();
    for id in ["../../etc/x", "..", "a/b", "a b", "-a", "a\n", "", "é"] {
        rows.push(("CNI_CONTAINERID", text(id), &[4]));
    }
    for ifname in [
        "../x",
        "..",
        "a/b",
        "a:b",
        "a b",
        "sixteen-letters-",
        "",
        "eth0\n",
        &long,
    ] {
        rows.push(("CNI_IFNAME", text(ifname), &[4]));
    }
    for command in ["add", "ADDD", "ADD ", "../ADD", &long] {
        rows.push(("CNI_COMMAND", text(command), &[4]));
    }
    for name in ["CNI_CONTAINERID", "CNI_IFNAME", "CNI_COMMAND"] {
        rows.push((name, wild.to_owned(), &[4]));
    }
    let fifo = stage.lab.node().config().with_file_name("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    for netns in [
        "",
        "/etc/passwd",
        "/etc",
        "/nowhere",
        "relative/../x",
        "/proc/self/ns/mnt",
        "/proc/self/ns/pid",
        "/dev/zero",
        &long,
    ] {
        rows.push(("CNI_NETNS", text(netns), &[4, 8]));
    }
    rows.push(("CNI_NETNS", fifo.into_os_string(), &[8]));
    rows.push(("CNI_NETNS", text("/proc/self/ns/net"), &[8]));
    rows.push(("CNI_NETNS", wild.to_owned(), &[4, 8]));
    for (name, value, codes) in rows {
        let answer = stage.call("ADD").env(name, &value).under(&BOUNDS).run();
        let what = value.to_string_lossy();
        refused(&mut watch, &format!("{name}={what:.40}"), &answer, codes);
    }
}

/// Nothing of these is an error: they are for people and for other plugins.
#[test]
fn variables_of_others_may_hold_anything() {
    needs!();
    let stage = Stage::alone();
    let mut watch = stage.watch();
    let long = "K=V;".repeat(10_000);
    let wild = OsStr::from_bytes(b"\xff=\xfe;;=;IP");
    let rows: [(&str, &OsStr); 5] = [
        ("CNI_ARGS", OsStr::new(&long)),
        (
            "CNI_ARGS",
            OsStr::new("=;;=;;K8S_POD_NAME=../../x;IgnoreUnknown=nonsense"),
        ),
        ("CNI_PATH", OsStr::new("/nowhere:::../..")),
        ("TRACEPARENT", wild),
        ("HOME", wild),
    ];
    for (name, value) in rows {
        let answer = stage.call("ADD").env(name, value).run();
        assert_eq!(answer.finished.code, Some(0), "{name}: {answer:?}");
        watch.note_ids();
        stage.del();
        assert_eq!(watch.residue(), None, "{name}");
    }
    let answer = Call::of("VERSION", &Value::Null).run_with(File::open("/dev/zero").unwrap());
    assert_eq!(answer.finished.code, Some(0), "{answer:?}");
}
