//! A mark before every step that touches the disk. Outside tests it is nothing; a test counts the steps, and
//! lets the process "die" at each of them in turn.

/// The next thing done touches the disk.
#[cfg(not(test))]
pub(super) fn step() {}

#[cfg(test)]
pub(super) use counting::step;

#[cfg(test)]
pub(super) mod counting {
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

    thread_local! {
        static TAKEN: Cell<usize> = const { Cell::new(0) };
        static LAST: Cell<usize> = const { Cell::new(usize::MAX) };
    }

    /// What unwinds: nothing of the store's catches it or cleans up behind it, as behind a kill.
    struct Death;

    pub(in crate::ipam) fn step() {
        let taken = TAKEN.get();
        if taken == LAST.get() {
            resume_unwind(Box::new(Death));
        }
        TAKEN.set(taken + 1);
    }

    /// Does something, and tells how many steps it took.
    pub(in crate::ipam) fn counted<T>(action: impl FnOnce() -> T) -> (T, usize) {
        TAKEN.set(0);
        LAST.set(usize::MAX);
        let result = action();
        (result, TAKEN.get())
    }

    /// Does something that dies before step `last`; none if it died.
    pub(in crate::ipam) fn dying_at<T>(last: usize, action: impl FnOnce() -> T) -> Option<T> {
        TAKEN.set(0);
        LAST.set(last);
        let result = catch_unwind(AssertUnwindSafe(action));
        LAST.set(usize::MAX);
        match result {
            Ok(value) => Some(value),
            Err(payload) if payload.is::<Death>() => None,
            Err(payload) => resume_unwind(payload),
        }
    }
}
