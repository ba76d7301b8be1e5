//! Two pieces of work at the same time, where neither needs what the other does.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// Does `there` on a thread of its own while `here` runs on this one, and returns when both are done. Where no
/// thread is to be had, one comes after the other.
///
/// For what the kernel or a disk is waited for. A panic of either goes on here.
pub fn beside<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    let mut work = Some(there);
    let mut done = None;
    let here = thread::scope(|scope| {
        let run = || done = work.take().map(|work| catch_unwind(AssertUnwindSafe(work)));
        // Not joined: the scope waits for the work alone. How the thread ends, which takes as long as a small piece of
        // work, nobody waits for.
        drop(thread::Builder::new().spawn_scoped(scope, run));
        here()
    });
    match done {
        Some(Ok(there)) => (there, here),
        Some(Err(panic)) => resume_unwind(panic),
        None => match work {
            Some(work) => (work(), here),
            // It was done, or it was still to be done.
            None => resume_unwind(Box::new("work was lost")),
        },
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
