//! What the builder promises, with real clang and real folders. Nothing here needs root unless it says so.

mod builder;
mod cache;
mod common;
mod compile;
mod equivalence;
mod header;
mod hostile_text;
mod key;
