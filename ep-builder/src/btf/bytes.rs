//! Reading little-endian numbers from bytes that may end anywhere.

use super::BtfError;

/// What is left to read, and where in the whole it begins.
pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    position: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            position: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn u8(&mut self) -> Result<u8, BtfError> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, BtfError> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, BtfError> {
        self.array().map(u32::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BtfError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or(BtfError::Cut(self.position))?;
        self.rest = rest;
        self.position += N;
        Ok(*array)
    }
}

/// `length` bytes at `offset`.
pub(super) fn range(bytes: &[u8], offset: u32, length: u32) -> Result<&[u8], BtfError> {
    let place = || {
        let start = usize::try_from(offset).ok()?;
        let end = start.checked_add(usize::try_from(length).ok()?)?;
        bytes.get(start..end)
    };
    place().ok_or(BtfError::Cut(bytes.len()))
}
