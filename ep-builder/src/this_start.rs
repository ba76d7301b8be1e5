//! Which start of the machine this is.

use std::path::Path;

use crate::whole_file::{self, FileError};

/// Where the kernel tells its name.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// What is read of it at most: it has 37 bytes.
const LIMIT: u64 = 64;

/// The kernel's name of this start.
pub(crate) fn this_start() -> Result<String, FileError> {
    let name = whole_file::read(Path::new(BOOT_ID), LIMIT)?;
    Ok(String::from_utf8_lossy(&name).trim().to_owned())
}
