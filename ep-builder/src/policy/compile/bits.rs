//! Sets of pods, a bit for each: selectors become a few words and operations on them.

/// Some of the pods of an index, by their place in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// None of `count`.
    pub(super) fn none(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)])
    }

    /// All of `count`.
    pub(super) fn all(count: usize) -> Self {
        let mut bits = Self::none(count);
        for place in 0..count {
            bits.add(place);
        }
        bits
    }

    /// Adds one.
    pub(super) fn add(&mut self, place: usize) {
        if let Some(word) = self.0.get_mut(place / 64) {
            *word |= 1 << (place % 64);
        }
    }

    /// Whether this one is in it.
    pub(super) fn has(&self, place: usize) -> bool {
        let word = self.0.get(place / 64).copied().unwrap_or(0);
        word >> (place % 64) & 1 == 1
    }

    /// Adds those of `other`.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }

    /// Keeps those that are in `other`, too.
    pub(super) fn keep(&mut self, other: &Self) {
        for (word, kept) in self.0.iter_mut().zip(&other.0) {
            *word &= kept;
        }
    }

    /// Takes out those of `other`.
    pub(super) fn take_out(&mut self, other: &Self) {
        for (word, gone) in self.0.iter_mut().zip(&other.0) {
            *word &= !gone;
        }
    }

    /// Their places, growing.
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = rest.trailing_zeros();
                rest &= rest.checked_sub(1)?;
                Some(at * 64 + bit as usize)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_any_size() {
        for count in [0, 1, 63, 64, 65, 250] {
            let all = Bits::all(count);
            assert_eq!(all.places().count(), count);
            let mut odd = Bits::none(count);
            (0..count)
                .filter(|place| place % 2 == 1)
                .for_each(|place| odd.add(place));
            let mut even = all.clone();
            even.take_out(&odd);
            assert!(even.places().all(|place| place % 2 == 0));
            assert!(
                even.places()
                    .all(|place| even.has(place) && !odd.has(place))
            );
            let mut both = even.clone();
            both.add_all(&odd);
            assert_eq!(both, all);
            both.keep(&odd);
            assert_eq!(both, odd);
            assert!(!all.has(count) && !all.has(count + 1_000));
        }
    }
}
