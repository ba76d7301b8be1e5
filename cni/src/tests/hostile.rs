//! Hostile stdin: bounded time and memory, and an error object.

use std::io::{self, Read};

use super::*;

/// A stream without an end.
struct Endless(&'static [u8]);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let pattern = self.0.iter().cycle();
        for (own, byte) in buffer.iter_mut().zip(pattern) {
            *own = *byte;
        }
        Ok(buffer.len())
    }
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

fn code(stdin: &mut dyn Read) -> u32 {
    let environment = variables("ADD").into_iter().collect();
    request::read(&environment, stdin, &mut |_| {})
        .unwrap_err()
        .code()
}

#[test]
fn what_is_no_configuration_is_refused() {
    let deep = "[".repeat(200_000);
    let deep_objects = "{\"a\":".repeat(100_000);
    let nested = format!(
        r#"{{"name":"a","x":{}{}}}"#,
        "[".repeat(127),
        "]".repeat(127)
    );
    let wide = format!(r#"{{"name":"a","x":[{}0]}}"#, "{\"\":0},".repeat(60_000));
    let many = format!(r#"{{"name":"a","x":[{}0]}}"#, "0,".repeat(600_000));
    let long = format!(r#"{{"name":"a","x":"{}"}}"#, "x".repeat(64 << 20));
    let texts: [&[u8]; 20] = [
        b"",
        b" \n",
        b"null",
        b"7",
        b"\"text\"",
        b"[]",
        b"{",
        b"{}}",
        b"{\"name\":\"a\"} {}",
        b"{\"name\":\"a\",}",
        b"{'name':'a'}",
        b"\xef\xbb\xbf{\"name\":\"a\"}",
        b"{\"name\":\"\xff\"}",
        b"{\"name\":\"\\ud800\"}",
        b"{\"name\":\"a\",\"mtu\":1e999}",
        deep.as_bytes(),
        deep_objects.as_bytes(),
        nested.as_bytes(),
        wide.as_bytes(),
        long.as_bytes(),
    ];
    for text in texts {
        let start = String::from_utf8_lossy(&text[..text.len().min(60)]);
        assert_eq!(code(&mut &*text), 6, "{start}");
    }
    assert_eq!(code(&mut many.as_bytes()), 6);
}

#[test]
fn w6_a_mebibyte_of_a_pods_annotations_is_fine() {
    let annotations: Vec<_> = (0..8192)
        .map(|n| (n.to_string(), "{[,]}\"\\".repeat(16)))
        .collect();
    let annotations: serde_json::Map<_, _> = annotations
        .into_iter()
        .map(|(k, v)| (k, v.into()))
        .collect();
    let text = conf(json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": annotations}}));
    assert!(text.len() > 1 << 20, "{}", text.len());
    let Request::Add(add) = read(&variables("ADD"), text).unwrap() else {
        panic!("no ADD");
    };
    assert_eq!(add.conf.runtime.annotations.len(), 8192);
}

#[test]
fn a_node_full_of_pods_fits_one_gc() {
    let pods = (0..10_000).map(|n| json!({"containerID": format!("{n:064x}"), "ifname": "eth0"}));
    let pods: Vec<_> = pods.collect();
    let both = json!({"cni.dev/valid-attachments": pods, "cni.dev/attachments": pods});
    assert!(read(&variables("GC"), conf(both)).is_ok());
}

#[test]
fn a_stream_without_an_end_ends_and_a_broken_one_is_told_from_it() {
    assert_eq!(code(&mut Endless(b" ")), 6);
    assert_eq!(code(&mut Endless(b"{\"a\":")), 6);
    assert_eq!(code(&mut Failing), 5);
}

#[test]
fn names_of_every_kind_stay_names() {
    for name in [
        "..",
        "../x",
        "a/b",
        "a\u{0}b",
        "\u{0}",
        " a",
        "a\n",
        "-",
        &"é".repeat(9),
    ] {
        let error = refusal(&variables("ADD"), conf(json!({"name": name})));
        assert_eq!(error["code"], 7, "{name:?}");
    }
}
