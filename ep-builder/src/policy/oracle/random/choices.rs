//! Where random cases take their choices from.

/// A row of choices. The same row gives the same case; zero is always the simplest choice, so a case becomes
/// simpler with its row.
#[derive(Clone, Debug)]
pub struct Choices(Source);

#[derive(Clone, Debug)]
enum Source {
    /// These, and zeros behind them.
    Listed(std::vec::IntoIter<u32>),
    /// The state of a generator.
    Seeded(u64),
}

impl Choices {
    /// These choices; when they are used up, the simplest ones.
    pub fn listed(choices: Vec<u32>) -> Self {
        Self(Source::Listed(choices.into_iter()))
    }

    /// Choices without an end, that follow from a number.
    pub fn seeded(seed: u64) -> Self {
        Self(Source::Seeded(seed))
    }

    fn next(&mut self) -> u32 {
        match &mut self.0 {
            Source::Listed(rest) => rest.next().unwrap_or(0),
            Source::Seeded(state) => splitmix(state),
        }
    }

    /// A number below this one; 0 if there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() as usize).checked_rem(end).unwrap_or(0)
    }

    /// Yes, so many times out of a hundred.
    pub(super) fn percent(&mut self, percent: usize) -> bool {
        // The simplest choice is no.
        self.below(100) >= 100 - percent
    }

    /// One of these, the first being the simplest.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> Option<T> {
        all.get(self.below(all.len())).copied()
    }

    /// Some of these, each with the same odds.
    pub(super) fn some_of<T: Copy>(&mut self, all: &[T], percent: usize) -> Vec<T> {
        let chosen = all.iter().filter(|_| self.percent(percent));
        chosen.copied().collect()
    }

    /// Up to so many of what `make` makes.
    pub(super) fn up_to<T>(&mut self, most: usize, make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        self.times(count, make)
    }

    /// So many of what `make` makes.
    pub(super) fn times<T>(
        &mut self,
        count: usize,
        mut make: impl FnMut(&mut Self) -> T,
    ) -> Vec<T> {
        (0..count).map(|_| make(self)).collect()
    }
}

/// `SplitMix64` (Steele, Lea, Flood: Fast splittable pseudorandom number generators): any seed will do.
fn splitmix(state: &mut u64) -> u32 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 32) as u32
}
