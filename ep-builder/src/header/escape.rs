//! Text from outside, made safe to stand inside a C comment.

use std::fmt::Write as _;

/// Writes `text` so that no byte of it can end the comment, open another one, splice a line or form a
/// trigraph: printable ASCII stays, but for `*`, `\`, `?` and `%`; all else becomes `%XX`.
pub fn comment(text: &[u8]) -> String {
    let mut safe = String::with_capacity(text.len());
    for &byte in text {
        match byte {
            b'*' | b'\\' | b'?' | b'%' => push_hex(&mut safe, byte),
            b' '..=b'~' => safe.push(char::from(byte)),
            _ => push_hex(&mut safe, byte),
        }
    }
    safe
}

fn push_hex(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    write!(text, "%{byte:02X}").unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_text_stays_readable() {
        assert_eq!(
            comment(b"{id.service1 app/1 k8s:x=y}"),
            "{id.service1 app/1 k8s:x=y}"
        );
        assert_eq!(comment(b"a*/b\\\n??/%"), "a%2A/b%5C%0A%3F%3F/%25");
    }

    fn decode(text: &str) -> Vec<u8> {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        bytes
    }

    proptest! {
        #[test]
        fn is_one_printable_line_and_loses_nothing(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let safe = comment(&text);
            prop_assert!(safe.bytes().all(|b| (b' '..=b'~').contains(&b) && !b"*\\?".contains(&b)));
            prop_assert_eq!(decode(&safe), text);
        }
    }
}
