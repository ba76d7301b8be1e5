//! Text from outside, in a header, through the real compiler: it changes comments and nothing else.

use ep_builder::compile::{Clang, Limits, compile};
use ep_builder::endpoint::{Endpoint, Label, Pod};
use ep_builder::header::comment;
use ep_builder::shape::{EndpointConfig, NodeConfig};
use ep_builder::unit::Unit;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use weir_tests::need;
use weir_tests::need::Need;

use crate::common::{clang, endpoint_2665, renderer, sources};

/// Pieces that break comments, lines, strings and preprocessors, and every length up to 4 KiB.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"*/".to_vec()),
        Just(b"/*".to_vec()),
        Just(b"\\\n".to_vec()),
        Just(b"\\\r\n".to_vec()),
        Just(b"??/\n".to_vec()),
        Just(b"??/".to_vec()),
        Just(b"\n#include \"/etc/passwd\"\n".to_vec()),
        Just(b"\n#error broken out\n".to_vec()),
        Just(b"*/ int broken_out; /*".to_vec()),
        Just(b"//".to_vec()),
        Just(b"\0".to_vec()),
        Just(b"\xff\xfe".to_vec()),
        Just("\u{2028}\u{202e}".as_bytes().to_vec()),
        proptest::collection::vec(any::<u8>(), 0..64),
        Just(vec![b'x'; 4096]),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn object(clang: &Clang, endpoint: &Endpoint, extra_comment: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut headers = renderer()
        .endpoint(&NodeConfig::default(), &EndpointConfig::default(), endpoint)
        .unwrap();
    headers.ep_config = format!("/* {extra_comment} */ {}", headers.ep_config);
    compile(
        clang,
        Unit::Lxc,
        &headers,
        &sources(Unit::Lxc),
        &Limits::default(),
        folder.path(),
    )
    .unwrap()
    .object
}

#[test]
fn hostile_text_changes_nothing_but_comments() {
    need!(Need::Tool("clang"));
    let clang = clang();
    let plain = object(&clang, &endpoint_2665(), "");
    let cases = std::env::var("WEIR_HOSTILE_CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(24);
    let mut runner = TestRunner::new(Config {
        cases,
        ..Config::default()
    });
    let result = runner.run(&(hostile(), hostile(), hostile()), |(a, b, c)| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut endpoint = endpoint_2665();
        endpoint.container_id = text(&a);
        endpoint.container_name = text(&b);
        endpoint.labels = [
            Label::new(&text(&a), &text(&b), &text(&c)),
            Label::new(&text(&c), "", ""),
        ]
        .into_iter()
        .collect();
        endpoint.pod = Some(Pod {
            namespace: text(&b),
            name: text(&c),
            uid: text(&a),
        });
        // Bytes that are no UTF-8 cannot be in a String; the escape takes them as they are.
        prop_assert!(
            object(&clang, &endpoint, &comment(&a)) == plain,
            "the object changed"
        );
        Ok(())
    });
    result.unwrap();
}

#[test]
fn unescaped_text_would_have_broken_out() {
    need!(Need::Tool("clang"));
    // The proof that the test above can fail: the same text without the escape.
    let clang = clang();
    let folder = tempfile::tempdir().unwrap();
    let mut headers = renderer()
        .endpoint(
            &NodeConfig::default(),
            &EndpointConfig::default(),
            &endpoint_2665(),
        )
        .unwrap();
    headers.ep_config = format!(
        "/* {} */ {}",
        "*/\n#error broken out\n/*", headers.ep_config
    );
    let error = compile(
        &clang,
        Unit::Lxc,
        &headers,
        &sources(Unit::Lxc),
        &Limits::default(),
        folder.path(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("broken out"), "{error}");
}
