//! What the kernel charges for a map or a program.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use ep_builder::whole_file;

use crate::failure::Failure;

/// More than the facts of any descriptor.
const LIMIT: u64 = 64 << 10;

/// Bytes that the kernel charges for what a descriptor stands for.
pub(crate) fn charged(object: &impl AsFd) -> Result<u64, Failure> {
    let facts = Path::new("/proc/self/fdinfo").join(object.as_fd().as_raw_fd().to_string());
    let text = whole_file::read_named(&facts, LIMIT)?;
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().find_map(|line| line.strip_prefix("memlock:"));
    let bytes = line.and_then(|bytes| bytes.trim().parse().ok());
    bytes.ok_or_else(|| Failure::Input(format!("{} says nothing of memory", facts.display())))
}
