//! Two pieces of work at the same time, where neither needs what the other does.

mod helper;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

pub use helper::keep_helper;

/// Does `there` on another thread while `here` runs on this one, and returns when both are done. Where no thread is to
/// be had, one comes after the other. A panic of either goes on here.
///
/// The other thread is the helper of this one, if it keeps any ([`keep_helper`]), and otherwise a new one.
pub fn beside<A: Send, B>(there: impl FnOnce() -> A + Send, here: impl FnOnce() -> B) -> (A, B) {
    match helper::of_this_thread() {
        Some(helper) => helper.beside(there, here),
        None => on_a_new_thread(there, here),
    }
}

/// The same with a thread of its own, which sees what this one sees: its namespaces, its working directory.
fn on_a_new_thread<A: Send, B>(
    there: impl FnOnce() -> A + Send,
    here: impl FnOnce() -> B,
) -> (A, B) {
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

/// Does the same on several threads at once, of which this is one: `work` takes what nobody has taken yet, and returns
/// when nothing is left. Returns when all have returned.
pub fn together(work: impl Fn() + Sync) {
    if let Some(helper) = helper::of_this_thread() {
        helper.beside(&work, &work);
        return;
    }
    let others = count(&processors()).clamp(1, THREADS) - 1;
    thread::scope(|scope| {
        for _ in 0..others {
            // Not joined, as above.
            drop(thread::Builder::new().spawn_scoped(scope, &work));
        }
        work();
    });
}

/// More threads than the programs of an endpoint can keep busy.
const THREADS: usize = 4;

/// The processors that this thread may run on. The library's own count reads files of the control groups as well,
/// which takes as long as the verifier needs for one of the programs.
fn processors() -> CpuSet {
    sched_getaffinity(Pid::from_raw(0)).unwrap_or_default()
}

fn count(processors: &CpuSet) -> usize {
    let all = 0..CpuSet::count();
    all.filter(|cpu| processors.is_set(*cpu).unwrap_or(false))
        .count()
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
