//! The first blocks of the index file: what it is valid for, and which pages follow.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use super::folder::Stamp;

/// The front is a whole number of these.
pub(super) const BLOCK: usize = 4096;

/// Where the state stands.
pub(super) const STATE_AT: u64 = 16;

const MAGIC: [u8; 8] = *b"weiripam";
const VERSION: u32 = 1;
const HEAD: usize = 72;
const ENTRY: usize = 24;
const DIGEST_AT: usize = 64;
/// A front of more blocks is a damaged one: these are pages for a hundred million addresses.
const MOST_BLOCKS: usize = 20;

/// Whether the index may be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is what the folder was when it had the stamp.
    Valid,
    /// Somebody is changing it, or died while doing so.
    Changing,
}

impl State {
    /// As it is written.
    pub(super) fn to_byte(self) -> u8 {
        match self {
            Self::Valid => b'=',
            Self::Changing => b'~',
        }
    }
}

/// A page that follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its number.
    pub(super) page: u128,
    /// How many of its addresses are given out.
    pub(super) taken: u32,
}

/// The front, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Front {
    /// The folder's stamp when this was true.
    pub(super) stamp: Stamp,
    blocks: usize,
    entries: Vec<Entry>,
}

impl Front {
    /// A front for these pages with room for as many again.
    pub(super) fn new(stamp: Stamp, entries: Vec<Entry>) -> Self {
        let blocks = (HEAD + 2 * entries.len() * ENTRY).div_ceil(BLOCK);
        Self {
            stamp,
            blocks,
            entries,
        }
    }

    /// Reads one; none if it is not valid and whole.
    pub(super) fn read(file: &File) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; BLOCK];
        file.read_exact_at(&mut bytes, 0)?;
        let blocks = u32_at(&bytes, 12).map_or(0, |blocks| blocks as usize);
        if !(1..=MOST_BLOCKS).contains(&blocks) {
            return Ok(None);
        }
        if blocks > 1 {
            bytes.resize(blocks * BLOCK, 0);
            file.read_exact_at(&mut bytes, 0)?;
        }
        Ok(Self::parse(&bytes))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let blocks = bytes.len() / BLOCK;
        let count = u32_at(bytes, 20)? as usize;
        let end = count.checked_mul(ENTRY)?.checked_add(HEAD)?;
        let listed = bytes.get(HEAD..end)?;
        let is_ours = bytes.get(..8)? == MAGIC && u32_at(bytes, 8)? == VERSION;
        let is_valid = *bytes.get(16)? == State::Valid.to_byte();
        if !is_ours || !is_valid || digest(bytes, end)? != *bytes.get(DIGEST_AT..HEAD)? {
            return None;
        }
        let stamp = Stamp {
            device: u64_at(bytes, 24)?,
            inode: u64_at(bytes, 32)?,
            seconds: u64_at(bytes, 40)?.cast_signed(),
            nanoseconds: u64_at(bytes, 48)?.cast_signed(),
        };
        let entries = listed.chunks_exact(ENTRY).map(entry);
        let entries = entries.collect::<Option<_>>()?;
        Some(Self {
            stamp,
            blocks,
            entries,
        })
    }

    /// The front as it is written, filled up to its blocks.
    pub(super) fn to_bytes(&self, state: State) -> Vec<u8> {
        let blocks = u32::try_from(self.blocks).unwrap_or_default();
        let count = u32::try_from(self.entries.len()).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(blocks.to_le_bytes());
        bytes.extend([state.to_byte(), 0, 0, 0]);
        bytes.extend(count.to_le_bytes());
        bytes.extend(self.stamp.device.to_le_bytes());
        bytes.extend(self.stamp.inode.to_le_bytes());
        bytes.extend(self.stamp.seconds.to_le_bytes());
        bytes.extend(self.stamp.nanoseconds.to_le_bytes());
        bytes.resize(HEAD, 0);
        for entry in &self.entries {
            bytes.extend(entry.page.to_le_bytes());
            bytes.extend(u64::from(entry.taken).to_le_bytes());
        }
        let end = bytes.len();
        if let Some(digest) = digest(&bytes, end) {
            bytes[DIGEST_AT..HEAD].copy_from_slice(&digest);
        }
        bytes.resize(self.blocks * BLOCK, 0);
        bytes
    }

    /// How many blocks it takes.
    pub(super) fn blocks(&self) -> usize {
        self.blocks
    }

    /// The place of a page among the pages.
    pub(super) fn slot(&self, page: u128) -> Option<usize> {
        self.entries.iter().position(|entry| entry.page == page)
    }

    /// The number of the page in a slot.
    pub(super) fn page(&self, slot: usize) -> u128 {
        self.entries[slot].page
    }

    /// How many addresses of the page in a slot are given out.
    pub(super) fn taken(&self, slot: usize) -> u32 {
        self.entries[slot].taken
    }

    /// Adds an empty page behind the others; none if the front is full.
    pub(super) fn add(&mut self, page: u128) -> Option<usize> {
        let slot = self.entries.len();
        let fits = HEAD + (slot + 1) * ENTRY <= self.blocks * BLOCK;
        fits.then(|| {
            self.entries.push(Entry { page, taken: 0 });
            slot
        })
    }

    /// Counts one more, or one less, given out.
    pub(super) fn count(&mut self, slot: usize, more: bool) {
        let taken = &mut self.entries[slot].taken;
        *taken = if more {
            taken.saturating_add(1)
        } else {
            taken.saturating_sub(1)
        };
    }

    /// The slots of all pages of `first..=last`.
    pub(super) fn slots_within(&self, first: u128, last: u128) -> impl Iterator<Item = usize> {
        let pages = first..=last;
        let entries = self.entries.iter().enumerate();
        entries.filter_map(move |(slot, entry)| pages.contains(&entry.page).then_some(slot))
    }
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    Some(Entry {
        page: u128::from_le_bytes(bytes.get(..16)?.try_into().ok()?),
        taken: u32_at(bytes, 16)?,
    })
}

/// Over everything but the state, which changes alone, and the digest itself.
fn digest(bytes: &[u8], end: usize) -> Option<[u8; 8]> {
    let mut hash = Sha256::new();
    hash.update(bytes.get(..16)?);
    hash.update(bytes.get(17..DIGEST_AT)?);
    hash.update(bytes.get(HEAD..end)?);
    hash.finalize().first_chunk().copied()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
