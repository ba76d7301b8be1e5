//! Which addresses are given out, as bits: the next free one is found without a look at the files.
//!
//! The files are the truth and this is derived from them. It is valid while the folder's stamp is the one that
//! stands here and no change is under way; otherwise whoever holds the lock derives it anew. A bit that is
//! wrong all the same costs a try where it says free, and is found before a set is called exhausted where it
//! says taken.
//!
//! ```text
//! front   magic, version, blocks, state | count, stamp, digest | count * (page's number, bits set)
//! pages   32768 bits each, in the order of the front's entries
//! ```
//!
//! Pages exist where addresses were given out, so a /64 costs no more than its pods. Changes are made in place:
//! the state says so first, and the front is written last.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ep_builder::whole_file::FileError;
use nix::libc::{O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK};

use super::folder::{Stamp, replace};
use super::front::{BLOCK, Entry, Front, STATE_AT, State};
use super::page::{self, PAGE_BITS, PAGE_BYTES, Page};
use super::steps::step;

/// The index of a network, open.
#[derive(Debug)]
pub(super) struct Index {
    file: File,
    path: PathBuf,
    front: Front,
    /// Changes are being made, so the file says that it is not valid.
    is_open_for_change: bool,
}

impl Index {
    /// Opens an index that is valid for a folder with this stamp; none if there is none.
    pub(super) fn open(path: &Path, stamp: Stamp) -> Option<Self> {
        let index = Self::open_any(path).ok()?;
        (index.front.stamp == stamp).then_some(index)
    }

    /// Opens an index that is whole, whatever it was made for.
    fn open_any(path: &Path) -> io::Result<Self> {
        step();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
            .open(path)?;
        step();
        let front = Front::read(&file)?;
        let front = front.ok_or_else(|| io::Error::other("it is not what was written"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            front,
            is_open_for_change: false,
        })
    }

    /// Derives an index from the numbers of all addresses that have a file.
    pub(super) fn derive(path: &Path, stamp: Stamp, numbers: &[u128]) -> Result<Self, FileError> {
        let pages = page::of_all(numbers);
        let entries = pages.iter().map(|(number, page)| Entry {
            page: *number,
            taken: page.taken(),
        });
        let front = Front::new(stamp, entries.collect());
        let mut bytes = front.to_bytes(State::Valid);
        for page in pages.values() {
            bytes.extend(page.to_bytes());
        }
        replace(path, &bytes)?;
        Self::open_any(path).map_err(FileError::of("read back", path))
    }

    /// Says that changes are under way. Whoever dies before [`Self::finish`] leaves an index that is not valid.
    pub(super) fn begin(&mut self) -> Result<(), FileError> {
        if !self.is_open_for_change {
            self.write(&[State::Changing.to_byte()], STATE_AT)?;
            self.is_open_for_change = true;
        }
        Ok(())
    }

    /// The changes are made, and this is the folder's stamp after them.
    pub(super) fn finish(&mut self, stamp: Stamp) -> Result<(), FileError> {
        self.front.stamp = stamp;
        self.write(&self.front.to_bytes(State::Valid), 0)?;
        self.is_open_for_change = false;
        Ok(())
    }

    /// Whether changes are under way.
    pub(super) fn is_changed(&self) -> bool {
        self.is_open_for_change
    }

    /// Notes that an address is given out. False if there is no room to note it: the index must be derived anew.
    pub(super) fn set(&mut self, number: u128) -> Result<bool, FileError> {
        let slot = match self.front.slot(page::of(number)) {
            Some(slot) => slot,
            None => match self.front.add(page::of(number)) {
                Some(slot) => {
                    self.write(&Page::default().to_bytes(), self.place(slot))?;
                    slot
                }
                None => return Ok(false),
            },
        };
        self.change(slot, number, true)?;
        Ok(true)
    }

    /// Notes that an address is free.
    pub(super) fn clear(&mut self, number: u128) -> Result<(), FileError> {
        match self.front.slot(page::of(number)) {
            Some(slot) => self.change(slot, number, false),
            None => Ok(()),
        }
    }

    fn change(&mut self, slot: usize, number: u128, is_taken: bool) -> Result<(), FileError> {
        let (byte, mask) = page::bit(number);
        let at = self.place(slot) + byte;
        let mut bits = [0];
        self.read(&mut bits, at)?;
        let was_taken = bits[0] & mask != 0;
        if was_taken != is_taken {
            self.write(&[bits[0] ^ mask], at)?;
            self.front.count(slot, is_taken);
        }
        Ok(())
    }

    /// The first free number of `first..=last`.
    ///
    /// Full pages are passed over by their count, so at most one page is searched in vain, and an absent one is
    /// free: the work does not grow with what is given out.
    pub(super) fn next_free(&self, first: u128, last: u128) -> Result<Option<u128>, FileError> {
        let mut at = first;
        while at <= last {
            let end = page::end(at).min(last);
            let Some(slot) = self.front.slot(page::of(at)) else {
                return Ok(Some(at));
            };
            if self.front.taken(slot) < PAGE_BITS
                && let Some(number) = self.page(slot)?.first_free(at, end)
            {
                return Ok(Some(number));
            }
            let Some(next) = end.checked_add(1) else {
                break;
            };
            at = next;
        }
        Ok(None)
    }

    /// How many numbers of `first..=last` are given out.
    pub(super) fn taken(&self, first: u128, last: u128) -> Result<u128, FileError> {
        let mut taken = 0;
        for slot in self.front.slots_within(page::of(first), page::of(last)) {
            let (from, to) = page::part(self.front.page(slot), first, last);
            taken += u128::from(self.page(slot)?.taken_within(from, to));
        }
        Ok(taken)
    }

    fn page(&self, slot: usize) -> Result<Page, FileError> {
        let mut bytes = vec![0; PAGE_BYTES];
        self.read(&mut bytes, self.place(slot))?;
        Ok(Page::from_bytes(&bytes))
    }

    fn place(&self, slot: usize) -> u64 {
        (self.front.blocks() * BLOCK + slot * PAGE_BYTES) as u64
    }

    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), FileError> {
        step();
        let read = self.file.read_exact_at(bytes, at);
        read.map_err(FileError::of("read", &self.path))
    }

    fn write(&self, bytes: &[u8], at: u64) -> Result<(), FileError> {
        step();
        let written = self.file.write_all_at(bytes, at);
        written.map_err(FileError::of("write", &self.path))
    }
}
