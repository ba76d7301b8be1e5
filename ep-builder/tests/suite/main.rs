//! What the builder promises, with real clang and real folders.

#[cfg(test)]
mod builder;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod common;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod equivalence;
#[cfg(test)]
mod header;
#[cfg(test)]
mod hostile_text;
#[cfg(test)]
mod key;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod remembered;
