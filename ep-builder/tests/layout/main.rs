//! What C and Rust share, checked on real objects: layouts, constants, options, slots and maps.

// Said, so that the lints know that helpers are tests, too.
#[cfg(test)]
mod bench;
mod object;
mod options;
#[cfg(test)]
mod structures;
