//! How many of the places of a command are tried.

/// The numbers of the places: every so many, and all with `WEIR_LONG=1`.
pub(crate) fn places(stride: usize) -> impl Iterator<Item = usize> {
    (0..).step_by(if is_long() { 1 } else { stride })
}

/// Whether there is time for all.
pub(crate) fn is_long() -> bool {
    std::env::var_os("WEIR_LONG").is_some_and(|it| !it.is_empty() && it != "0")
}
