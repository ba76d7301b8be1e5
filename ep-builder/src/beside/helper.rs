//! A thread that stands ready for what another one has done beside its own work.
//!
//! To make a thread takes as long as a small piece of work, and Linux puts a new one, or one that is woken, where it
//! likes: on a virtual machine that is told to use few of its processors, on that of the thread which waits for it, while
//! the other one is idle (docs/decisions/0046). So there is one for all, and it is kept off the processor of the
//! thread that gives it work, for as long as that one has something to do meanwhile.

#![expect(
    unsafe_code,
    reason = "the C library is told by a thread's handle where it may run"
)]

use std::cell::{Cell, OnceCell};
use std::os::unix::thread::{JoinHandleExt, RawPthread};
use std::panic::resume_unwind;
use std::thread;

use nix::libc::{cpu_set_t, pthread_setaffinity_np};
use nix::sched::{CpuSet, sched_getcpu};
use rayon_core::{ThreadPool, ThreadPoolBuilder};

use super::processors;

/// What operators see of it.
const NAME: &str = "beside";

thread_local! {
    static HELPER: OnceCell<&'static Helper> = const { OnceCell::new() };
}

/// The thread, and where it may run.
pub(super) struct Helper {
    pool: ThreadPool,
    thread: RawPthread,
    /// What the process may use.
    everywhere: CpuSet,
    /// The processor that it keeps off now.
    avoided: Cell<Option<usize>>,
}

/// Keeps a thread for what the calling one has done by [`super::beside`] from now on, until the process ends. It stays in
/// the namespaces that the calling thread has now, and begins with what it does for itself, `first`. Where no thread is to be had,
/// nothing changes.
pub fn keep_helper(first: impl FnOnce() + Send + 'static) {
    if let Some(helper) = Helper::new() {
        helper.pool.spawn(first);
        HELPER.with(|kept| _ = kept.set(Box::leak(Box::new(helper))));
    }
}

/// That of the calling thread; the helper itself has none.
pub(super) fn of_this_thread() -> Option<&'static Helper> {
    HELPER.with(|kept| kept.get().copied())
}

impl Helper {
    fn new() -> Option<Self> {
        let mut thread = None;
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .spawn_handler(|worker| {
                let builder = thread::Builder::new().name(NAME.to_owned());
                let handle = builder.spawn(|| worker.run())?;
                thread = Some(handle.as_pthread_t());
                // Not detached: its handle is good for as long as the process lives.
                std::mem::forget(handle);
                Ok(())
            })
            .build();
        let helper = Self {
            pool: pool.ok()?,
            thread: thread?,
            everywhere: processors(),
            avoided: Cell::new(None),
        };
        helper.step_aside();
        Some(helper)
    }

    /// Does `there` on the thread while `here` runs on this one. A panic of either goes on here.
    pub(super) fn beside<A: Send, B>(
        &self,
        there: impl FnOnce() -> A + Send,
        here: impl FnOnce() -> B,
    ) -> (A, B) {
        self.step_aside();
        let mut done = None;
        let here = self.pool.in_place_scope(|scope| {
            scope.spawn(|_| done = Some(there()));
            let here = here();
            self.go_anywhere();
            here
        });
        match done {
            Some(there) => (there, here),
            // The scope returns when all is done, or panics.
            None => resume_unwind(Box::new("work was lost")),
        }
    }

    /// Keeps off the calling thread's processor, if there is another one.
    fn step_aside(&self) {
        let here = sched_getcpu().ok();
        let mut others = self.everywhere;
        let left = here.filter(|_| self.avoided.get() != here);
        if left.is_some_and(|here| others.unset(here).is_ok()) && others != CpuSet::new() {
            self.run_on(&others);
            self.avoided.set(here);
        }
    }

    /// The processor of a thread that only waits is as good as any.
    fn go_anywhere(&self) {
        if self.avoided.take().is_some() {
            self.run_on(&self.everywhere);
        }
    }

    /// What is refused stays as it was, which costs time alone.
    fn run_on(&self, processors: &CpuSet) {
        let set = (&raw const *processors).cast::<cpu_set_t>();
        // SAFETY: the thread is never joined, so its handle is good; a CpuSet is a set of the C library.
        unsafe { pthread_setaffinity_np(self.thread, size_of::<CpuSet>(), set) };
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Barrier;
    use std::thread::ThreadId;
    use std::time::{Duration, Instant};

    use super::super::{beside, count, together};
    use super::*;

    fn id() -> ThreadId {
        thread::current().id()
    }

    #[test]
    fn one_thread_does_it_all_at_the_same_time() {
        keep_helper(|| ());
        let meeting = Barrier::new(2);
        let once = || {
            let meet = || (meeting.wait().is_leader(), id());
            let (there, here) = beside(meet, meet);
            assert_ne!(there.0, here.0);
            assert_eq!(here.1, id());
            there.1
        };
        let [first, second] = [once(), once()];
        assert_eq!(first, second);
        assert_ne!(first, id());
    }

    #[test]
    fn work_of_work_is_done_in_turn() {
        keep_helper(|| ());
        let (one, (two, three)) = beside(|| 1, || beside(|| 2, || 3));
        assert_eq!((one, two, three), (1, 2, 3));
        // The helper has no helper.
        let (inner, ()) = beside(|| beside(id, id), || ());
        assert_ne!(inner.0, inner.1);
        let hands = std::sync::Mutex::new(Vec::new());
        let both = Barrier::new(2);
        together(|| {
            both.wait();
            hands.lock().unwrap().push(id());
        });
        let hands = hands.into_inner().unwrap();
        assert!(hands.len() == 2 && hands[0] != hands[1] && hands.contains(&id()));
    }

    #[test]
    fn a_panic_of_either_goes_on_here() {
        keep_helper(|| ());
        let caught = |there: bool| {
            let work =
                AssertUnwindSafe(|| beside(|| assert!(!there, "there"), || assert!(there, "here")));
            *catch_unwind(work)
                .unwrap_err()
                .downcast_ref::<&str>()
                .unwrap()
        };
        assert_eq!([caught(true), caught(false)], ["there", "here"]);
        // And it goes on helping.
        assert_eq!(beside(|| 1, || 2), (1, 2));
    }

    #[test]
    fn it_keeps_off_for_as_long_as_both_work() {
        keep_helper(|| ());
        let now = || count(&processors());
        let all = now();
        let (met, left) = (Barrier::new(2), Instant::now() + Duration::from_secs(20));
        let seen = || {
            let beside = now();
            met.wait();
            while now() != all && Instant::now() < left {
                thread::yield_now();
            }
            (beside, now())
        };
        let (seen, _) = beside(seen, || met.wait());
        assert_eq!(seen, (all.max(2) - 1, all));
    }
}
