//! A ring buffer, mapped: the kernel writes records at its end, and readers follow.
//!
//! One reader at a time frees what it has read (it leads); any number of others only look. What a looker reads
//! may be overwritten under its eyes, by packets for which the leader has made room, so it copies first and
//! then asks how far the kernel has come: the protocol of a sequence lock, with the kernel's own position as the
//! sequence.
#![expect(unsafe_code, reason = "the kernel writes into memory that we map")]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use nix::errno::Errno;
use nix::libc;

use super::sys;

/// Bits of a record's first word (`BPF_RINGBUF_BUSY_BIT`, `BPF_RINGBUF_DISCARD_BIT`), beside its length.
const BUSY: u32 = 1 << 31;
const DISCARDED: u32 = 1 << 30;
/// The bytes before a record (`BPF_RINGBUF_HDR_SZ`), which is also what records are aligned to.
const HEADER: usize = 8;

/// What stands at a reader's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// A record.
    Record(Vec<u8>),
    /// A record that its writer took back.
    Discarded,
    /// Nothing yet.
    Nothing,
    /// The kernel has overwritten what was to be read: the reader goes on at the oldest record that is kept.
    Behind,
}

/// A ring buffer and a reader's place in it.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    /// How far the leader has come.
    consumer: Mapping,
    /// How far the kernel has come, and behind that the records, twice: one that goes over the end is whole.
    producer: Mapping,
    page: usize,
    size: usize,
    at: u64,
    leads: bool,
}

impl Ring {
    /// Maps the ring buffer of this descriptor, which has room for so many bytes.
    pub fn map(fd: OwnedFd, size: u32) -> Result<Self, Errno> {
        let size = usize::try_from(size).map_err(|_| Errno::EOVERFLOW)?;
        let page = page_size();
        let consumer = Mapping::new(fd.as_fd(), 0, page, true)?;
        let length = size.saturating_mul(2).saturating_add(page);
        let producer = Mapping::new(fd.as_fd(), page, length, false)?;
        let mut ring = Self {
            fd,
            consumer,
            producer,
            page,
            size,
            at: 0,
            leads: false,
        };
        ring.at = ring.consumed();
        Ok(ring)
    }

    /// From now on it frees what it reads. Whoever says so has seen to it that nobody else does.
    pub fn lead(&mut self) {
        self.leads = true;
        self.free();
    }

    /// Whether it frees what it reads.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Reads what is at its place, and goes on.
    pub fn turn(&mut self) -> Turn {
        let ahead = self.produced().saturating_sub(self.at);
        if ahead == 0 {
            return Turn::Nothing;
        }
        let place = self.place();
        let header = self.producer.half_word(place).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        let length = usize::try_from(header & !(BUSY | DISCARDED)).unwrap_or(usize::MAX);
        let is_there = header & BUSY == 0 && length <= self.size - HEADER;
        let is_record = is_there && header & DISCARDED == 0;
        let record = is_record.then(|| self.copy(place + HEADER, length));
        fence(Ordering::Acquire);
        if self.is_overwritten() {
            return self.catch_up();
        }
        if !is_there {
            return Turn::Nothing;
        }
        self.at += (length + HEADER).next_multiple_of(HEADER) as u64;
        if self.leads {
            self.free();
        }
        record.map_or(Turn::Discarded, Turn::Record)
    }

    /// Where its place is in the mapping.
    fn place(&self) -> usize {
        // The size is a power of two; what is cut off does not matter below it.
        let offset = usize::try_from(self.at % self.size as u64).unwrap_or(0);
        self.page + offset
    }

    /// The kernel writes a record's header before it says that it has come so far, so a place exactly one round
    /// behind is already lost.
    fn is_overwritten(&self) -> bool {
        self.produced().saturating_sub(self.at) >= self.size as u64
    }

    fn catch_up(&mut self) -> Turn {
        let oldest = self.consumed();
        if oldest <= self.at {
            return Turn::Nothing;
        }
        self.at = oldest;
        Turn::Behind
    }

    /// Never goes back: a looker that begins to lead may be behind the leader before it.
    fn free(&self) {
        if self.at > self.consumed() {
            self.consumer.word(0).store(self.at, Ordering::Release);
        }
    }

    fn consumed(&self) -> u64 {
        self.consumer.word(0).load(Ordering::Acquire)
    }

    /// How far the kernel has come. Of memory that is mapped for reading alone, atomic loads may be relaxed ones
    /// only: here and wherever the kernel's side is read, a fence behind the load does what its order cannot.
    fn produced(&self) -> u64 {
        let produced = self.producer.word(0).load(Ordering::Relaxed);
        fence(Ordering::Acquire);
        produced
    }

    /// Word by word, as the kernel may be writing there.
    fn copy(&self, from: usize, length: usize) -> Vec<u8> {
        let words = (0..length).step_by(HEADER);
        let mut bytes: Vec<u8> = words
            .flat_map(|offset| {
                let word = self.producer.word(from + offset);
                word.load(Ordering::Relaxed).to_ne_bytes()
            })
            .collect();
        bytes.truncate(length);
        bytes
    }
}

impl AsFd for Ring {
    /// Readable when there is something that the leader has not read.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Shared memory.
#[derive(Debug)]
struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

impl Mapping {
    fn new(
        fd: BorrowedFd<'_>,
        offset: usize,
        length: usize,
        is_writable: bool,
    ) -> Result<Self, Errno> {
        let length = NonZeroUsize::new(length).ok_or(Errno::EINVAL)?.get();
        let offset = libc::off_t::try_from(offset).map_err(|_| Errno::EOVERFLOW)?;
        let write = if is_writable { libc::PROT_WRITE } else { 0 };
        let (protection, flags) = (libc::PROT_READ | write, libc::MAP_SHARED);
        let raw = sys::number(fd).cast_signed();
        // SAFETY: a new mapping where the kernel chooses overlaps nothing of ours.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, flags, raw, offset) };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let start = NonNull::new(start).ok_or(Errno::EFAULT)?;
        Ok(Self { start, length })
    }

    /// The eight bytes at a multiple of eight; the last ones where that is outside.
    fn word(&self, offset: usize) -> &AtomicU64 {
        let inside = offset.min(self.length - size_of::<u64>()) & !(align_of::<u64>() - 1);
        // SAFETY: the place is inside the mapping, which lives as long as `self`, and aligned as the mapping
        // begins at a page. The memory is shared with the kernel, which writes whole words; where it is mapped
        // for reading, it is only loaded from, and relaxed, as atomics of Rust demand there.
        unsafe { AtomicU64::from_ptr(self.start.as_ptr().byte_add(inside).cast()) }
    }

    /// Likewise four bytes.
    fn half_word(&self, offset: usize) -> &AtomicU32 {
        let inside = offset.min(self.length - size_of::<u32>()) & !(align_of::<u32>() - 1);
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().byte_add(inside).cast()) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped with this length, and every reference into it borrows `self`.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

fn page_size() -> usize {
    // SAFETY: the call takes a number and gives one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
