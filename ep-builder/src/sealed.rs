//! Small files under a checksum: a line of JSON, and the SHA-256 of that line with its end.
//!
//! The checksum belongs to no format, so an older weir can tell a newer file from a damaged one.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::digest::sha256_hex;
use crate::whole_file::{open_plain, read_known};

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

/// What is in a file that nobody but us could have written; none of any other, and of one that is not there.
pub(crate) fn read_own(path: &Path, limit: u64) -> Option<Vec<u8>> {
    let (file, metadata) = open_plain(path).ok()?;
    let is_ours = metadata.uid() == nix::unistd::geteuid().as_raw();
    if !is_ours || metadata.mode() & 0o022 != 0 {
        return None;
    }
    read_known(file, &metadata, limit).ok()
}
