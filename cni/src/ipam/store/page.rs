//! 32768 neighbouring addresses, a bit each.

use std::collections::BTreeMap;

/// Bits of a number inside its page.
const SHIFT: u32 = 15;

/// Addresses of a page.
pub(super) const PAGE_BITS: u32 = 1 << SHIFT;

/// Bytes of a page in the file.
pub(super) const PAGE_BYTES: usize = 1 << (SHIFT - 3);

const WORDS: usize = PAGE_BYTES / 8;
const INSIDE: u128 = (1 << SHIFT) - 1;

/// The page of a number.
pub(super) fn of(number: u128) -> u128 {
    number >> SHIFT
}

/// The last number of the page that `number` is in.
pub(super) fn end(number: u128) -> u128 {
    number | INSIDE
}

/// What of `first..=last` lies in a page.
pub(super) fn part(page: u128, first: u128, last: u128) -> (u128, u128) {
    let start = page << SHIFT;
    (first.max(start), last.min(end(start)))
}

/// The byte of its page and the bit in it that stand for a number.
pub(super) fn bit(number: u128) -> (u64, u8) {
    let inside = inside(number);
    ((inside / 8) as u64, 1 << (inside % 8))
}

fn inside(number: u128) -> usize {
    // At most 15 bits are left, which is what the mask is for.
    usize::try_from(number & INSIDE).unwrap_or_default()
}

/// The bits of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page(Vec<u64>);

impl Default for Page {
    fn default() -> Self {
        Self(vec![0; WORDS])
    }
}

impl Page {
    /// The page of these bytes, of which there must be [`PAGE_BYTES`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Self {
        let (words, _) = bytes.as_chunks::<8>();
        Self(words.iter().map(|word| u64::from_le_bytes(*word)).collect())
    }

    /// The page as it is written.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn set(&mut self, number: u128) {
        let inside = inside(number);
        self.0[inside / 64] |= 1 << (inside % 64);
    }

    /// How many bits are set.
    pub(super) fn taken(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// The first number of `first..=last` whose bit is not set. Both lie in this page.
    pub(super) fn first_free(&self, first: u128, last: u128) -> Option<u128> {
        let (from, to) = (inside(first), inside(last));
        let found = (from / 64..=to / 64).find_map(|word| {
            let free = !self.0[word] & range_mask(word, from, to);
            (free != 0).then(|| word * 64 + free.trailing_zeros() as usize)
        });
        found.map(|inside| (first & !INSIDE) | inside as u128)
    }

    /// How many bits of `first..=last` are set. Both lie in this page.
    pub(super) fn taken_within(&self, first: u128, last: u128) -> u32 {
        let (from, to) = (inside(first), inside(last));
        let words = from / 64..=to / 64;
        words
            .map(|word| (self.0[word] & range_mask(word, from, to)).count_ones())
            .sum()
    }
}

/// The bits of a word that stand for `from..=to`.
fn range_mask(word: usize, from: usize, to: usize) -> u64 {
    let low = if word == from / 64 { from % 64 } else { 0 };
    let high = if word == to / 64 { to % 64 } else { 63 };
    (u64::MAX << low) & (u64::MAX >> (63 - high))
}

/// The pages of all these numbers.
pub(super) fn of_all(numbers: &[u128]) -> BTreeMap<u128, Page> {
    let mut pages: BTreeMap<u128, Page> = BTreeMap::new();
    for number in numbers {
        pages.entry(of(*number)).or_default().set(*number);
    }
    pages
}
