//! How the process takes memory: in few large pieces from one heap.
//!
//! It lives for some milliseconds and has one or two threads at a time. By default glibc gives each thread a heap of its
//! own and lets that grow by a page per call, which are a tenth of all system calls of an ADD.
#![expect(unsafe_code, reason = "glibc is told by a call how to take memory")]

use nix::libc::{M_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, c_int, mallopt};

/// Taken at a time, and kept: most ADDs need no more.
const PIECE: c_int = 1 << 20;
/// What is larger has a mapping of its own, and goes with it.
const LARGE: c_int = 4 << 20;

/// Sets it, before there is a second thread. What glibc does not take stays as it is, which costs time alone.
pub fn take_memory_in_few_pieces() {
    let settings = [
        (M_ARENA_MAX, 1),
        (M_TOP_PAD, PIECE),
        (M_MMAP_THRESHOLD, LARGE),
        (M_TRIM_THRESHOLD, LARGE),
    ];
    for (name, value) in settings {
        // SAFETY: mallopt takes two numbers, and this is the only thread.
        unsafe { mallopt(name, value) };
    }
}
