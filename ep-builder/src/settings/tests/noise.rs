//! Noise: never a panic, always a message that can be shown.

use std::path::Path;

use proptest::prelude::*;

use super::super::{error, keys};
use super::parse;
use super::shipped::{SHIPPED, uncommented};

/// Text built of the pieces of a configuration, which gets further into the parser than noise does.
fn toml_like() -> impl Strategy<Value = String> {
    let names = keys::all().flat_map(|key| [key.name, key.table]);
    let marks = [
        "[", "]", "[[", "]]", "=", ".", "\n", "\"", "'''", "#", "{", "}", ",", "ä", "\t", "\r",
    ];
    let values = [
        "true",
        "0x7",
        "-1",
        "1e9",
        "\"/a\"",
        "1979-05-27",
        "nan",
        "[1]",
        "\\u0000",
    ];
    let pieces: Vec<&str> = names.chain(marks).chain(values).collect();
    prop::collection::vec(prop::sample::select(pieces), 0..24).prop_map(|pieces| pieces.join(" "))
}

/// Whatever the bytes: settings or an error that can be shown, never a panic.
fn survives(bytes: &[u8]) {
    let result = match str::from_utf8(bytes) {
        Ok(text) => parse(text),
        Err(e) => Err(error::not_utf8(bytes, e.valid_up_to(), Path::new("x"))),
    };
    if let Err(error) = result {
        let text = error.to_string();
        assert!(text.len() < 2_000, "{text}");
        assert_eq!(text.lines().count(), 3, "{text:?}");
    }
}

proptest! {
    #[test]
    fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&bytes);
    }

    #[test]
    fn broken_configurations_never_panic(text in toml_like()) {
        survives(text.as_bytes());
    }

    #[test]
    fn a_changed_byte_never_panics(at in 0..SHIPPED.len(), byte in any::<u8>()) {
        let mut bytes = uncommented(SHIPPED).0.into_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        survives(&bytes);
    }
}

#[test]
fn deep_and_long_text_is_refused_quickly() {
    for text in [
        "[".repeat(1 << 20),
        "a.".repeat(1 << 19),
        format!("{} = 1", "x".repeat(1 << 20)),
    ] {
        survives(text.as_bytes());
    }
}
