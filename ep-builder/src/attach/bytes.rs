//! Reading netlink messages: words at fixed places, then attributes.
//!
//! The crate's own types are used to write. To read, they are not: they refuse a whole message for one
//! attribute they misunderstand, and among the filters of a device may be anybody's.

/// Four bytes at `at`.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The text of an attribute, up to its zero.
pub(crate) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

/// The attributes from `start` on: kind and value. Ends where one is cut.
pub(crate) fn attributes(bytes: &[u8], start: usize) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = bytes.get(start..).unwrap_or_default();
    std::iter::from_fn(move || {
        let ([a, b, c, d], _) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([*a, *b]));
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        // The two upper bits are flags.
        Some((u16::from_ne_bytes([*c, *d]) & 0x3fff, value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_end_where_the_bytes_do() {
        let bytes = [0, 0, 0, 0, 6, 0, 1, 0x80, b'a', 0, 9, 9, 5, 0, 2, 0, 7];
        let all: Vec<_> = attributes(&bytes, 4).collect();
        assert_eq!(all, [(1, &b"a\0"[..]), (2, &[7][..])]);
        assert_eq!(attributes(&bytes, 100).count(), 0);
        assert_eq!(text(b"ab\0c"), "ab");
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>, start in 0_usize..40) {
            prop_assert!(attributes(&bytes, start).count() <= bytes.len());
        }
    }
}
