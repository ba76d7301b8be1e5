//! Small files under a checksum: a line of JSON, and the SHA-256 of that line with its end.
//!
//! The checksum belongs to no format, so an older weir can tell a newer file from a damaged one.

use crate::digest::sha256_hex;

/// The second line: 64 digits and its end.
const SECOND_LINE: usize = 65;

/// Ends the line and adds its checksum.
pub(crate) fn seal(mut line: Vec<u8>) -> Vec<u8> {
    line.push(b'\n');
    let checksum = sha256_hex(&line);
    line.extend_from_slice(checksum.as_bytes());
    line.push(b'\n');
    line
}

/// The first line, if the second one is its checksum.
pub(crate) fn unseal(text: &[u8]) -> Option<&[u8]> {
    let (line, checksum) = text.split_at(text.len().checked_sub(SECOND_LINE)?);
    (checksum.strip_suffix(b"\n") == Some(sha256_hex(line).as_bytes())).then_some(line)
}
