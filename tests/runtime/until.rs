//! Waiting for what comes by itself.

use std::thread;
use std::time::{Duration, Instant};

/// It ends a hang and judges no speed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tries until it works, and fails with the last reason why it did not.
#[track_caller]
pub(crate) fn until(mut what: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(error) = what() {
        assert!(start.elapsed() < PATIENCE, "{error}");
        thread::sleep(Duration::from_millis(20));
    }
}
