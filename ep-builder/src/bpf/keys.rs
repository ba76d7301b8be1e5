//! Going through the keys of a live map.

use super::error::BpfError;
use super::map::Map;

/// The keys of a map; ends at an error.
#[derive(Debug)]
pub struct Keys<'a> {
    map: &'a Map,
    last: Option<Vec<u8>>,
    left: u64,
}

impl<'a> Keys<'a> {
    /// The kernel begins again where the last key was deleted meanwhile: without a bound, one who goes
    /// through a busy map might never end.
    pub(super) fn new(map: &'a Map) -> Self {
        Self {
            map,
            last: None,
            left: u64::from(map.shape().max_entries) * 2,
        }
    }
}

impl Iterator for Keys<'_> {
    type Item = Result<Vec<u8>, BpfError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let next = self.map.key_after(self.last.as_deref()).transpose()?;
        match &next {
            Ok(key) => self.last = Some(key.clone()),
            Err(_) => self.left = 0,
        }
        Some(next)
    }
}
