//! How many values an entry of a per-CPU map has.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use crate::whole_file::FileError;

const POSSIBLE: &str = "/sys/devices/system/cpu/possible";

/// The number of processors the kernel reserves room for: the highest possible number plus one.
pub fn possible_cpus() -> Result<usize, FileError> {
    static COUNT: OnceLock<usize> = OnceLock::new();
    if let Some(count) = COUNT.get() {
        return Ok(*count);
    }
    let path = Path::new(POSSIBLE);
    let read = || {
        let text = std::fs::read_to_string(path)?;
        count(&text).ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))
    };
    let count = read().map_err(FileError::of("read the possible CPUs from", path))?;
    Ok(*COUNT.get_or_init(|| count))
}

/// From a list like `0-3` or `0,2-5`.
fn count(text: &str) -> Option<usize> {
    let last = text.trim().rsplit([',', '-']).next()?;
    last.parse::<usize>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_of_the_list_counts() {
        for (text, want) in [
            ("0\n", Some(1)),
            ("0-1\n", Some(2)),
            ("0,2-127", Some(128)),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(count(text), want, "{text:?}");
        }
        assert!(possible_cpus().unwrap() >= 1);
    }
}
