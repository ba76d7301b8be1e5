//! Two pieces of work at the same time, where neither needs what the other does.

use std::panic::resume_unwind;
use std::thread;

/// Does `there` on a thread of its own while `here` runs on this one, and returns when both are done. Where no
/// thread is to be had, one comes after the other.
///
/// For what the kernel or a disk is waited for. A panic of either goes on here.
pub fn beside<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    let mut work = Some(there);
    let mut done = None;
    let here = thread::scope(|scope| {
        let run = || done = work.take().map(|work| work());
        let thread = thread::Builder::new().spawn_scoped(scope, run);
        let here = here();
        if let Ok(thread) = thread
            && let Err(panic) = thread.join()
        {
            resume_unwind(panic);
        }
        here
    });
    match done.or_else(|| work.map(|work| work())) {
        Some(there) => (there, here),
        // It was done, or it was still to be done.
        None => resume_unwind(Box::new("work was lost")),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn both_run_at_the_same_time() {
        let meeting = Barrier::new(2);
        let (there, here) = beside(|| meeting.wait().is_leader(), || meeting.wait().is_leader());
        assert_ne!(there, here);
    }

    #[test]
    fn a_panic_of_either_goes_on_here() {
        let caught = |there: bool| {
            let work =
                AssertUnwindSafe(|| beside(|| assert!(!there, "there"), || assert!(there, "here")));
            let panic = catch_unwind(work).unwrap_err();
            *panic.downcast_ref::<&str>().unwrap()
        };
        assert_eq!([caught(true), caught(false)], ["there", "here"]);
    }
}
