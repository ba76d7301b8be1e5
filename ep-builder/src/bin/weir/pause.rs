//! `weir pause`: what keeps a pod alive that has nothing more to do.

use std::time::Duration;

use crate::failure::Failure;
use crate::monitor::signals::Signals;
use crate::screen::talk;

/// Nothing is looked after meanwhile: the length matters to nobody.
const LONG: Duration = Duration::from_hours(24);

pub(crate) fn run() -> Result<(), Failure> {
    let signals = Signals::block()?;
    talk("nothing runs here: a signal ends it");
    while !signals.wait(&[], LONG)? {}
    Ok(())
}
