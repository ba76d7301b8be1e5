//! How the process takes memory: in few large pieces, and what an ADD needs of them at once.
//!
//! It lives for some milliseconds and has one or two threads at a time, each with a heap of its own: with one for both they
//! wait for one another a dozen times (0046). By default glibc makes such a heap small and lets it grow by a page per call, which were a
//! tenth of all system calls of an ADD.
#![expect(unsafe_code, reason = "glibc is told by a call how to take memory")]

use nix::libc::{
    M_ARENA_MAX, M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, MADV_POPULATE_WRITE, c_int, c_void,
    madvise, mallopt,
};

/// Taken at a time, and kept: most ADDs need no more.
const PIECE: c_int = 1 << 20;
/// What is larger has a mapping of its own, and goes with it.
const LARGE: c_int = 4 << 20;

/// Sets it, before there is a second thread. What glibc does not take stays as it is, which costs time alone.
pub fn take_memory_in_few_pieces() {
    let settings = [
        (M_ARENA_MAX, 2),
        (M_TOP_PAD, PIECE),
        (M_MMAP_THRESHOLD, LARGE),
        (M_TRIM_THRESHOLD, LARGE),
    ];
    for (name, value) in settings {
        // SAFETY: mallopt takes two numbers, and this is the only thread.
        unsafe { mallopt(name, value) };
    }
}

/// Of the smallest pages of any processor.
const PAGE: usize = 4096;
/// Found by one call, which keeps the other thread from mapping anything until it is back.
const AT_ONCE: usize = 16 * PAGE;

/// Has the kernel find pages for the next `bytes` that the calling thread asks for. Otherwise each of them is found when it is touched
/// for the first time, by a fault of its own, which in a virtual machine takes longer than to clear the page.
/// Linux before 5.14 cannot do that; there it changes nothing.
pub(crate) fn find_pages(bytes: usize) {
    let mut room: Vec<u8> = Vec::with_capacity(bytes);
    let pages = room.spare_capacity_mut();
    let before = pages.as_ptr().align_offset(PAGE);
    let Some(pages) = pages.get_mut(before..) else {
        return;
    };
    for piece in pages.chunks_exact_mut(AT_ONCE) {
        // SAFETY: these pages are ours alone, and what is in them stays as it is. A kernel that cannot do it says so.
        unsafe {
            madvise(
                piece.as_mut_ptr().cast::<c_void>(),
                piece.len(),
                MADV_POPULATE_WRITE,
            )
        };
    }
}
