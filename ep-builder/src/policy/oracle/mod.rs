//! What policy means, told plainly: to hold the compiler and the datapath against.
//!
//! [`verdict()`] reads documents as Kubernetes' reference does and shares no code with the compiler. [`random`]
//! makes cases in which things overlap, [`Case::disagreement`] finds a packet that somebody judges otherwise,
//! and [`shrink()`] and [`yaml()`] make of it something to read.

mod case;
mod look_up;
pub mod random;
mod shrink;
#[cfg(test)]
mod tests;
mod verdict;
mod yaml;

pub use case::{Answer, Case, Disagreement, End, HOST, Packet, Pod, agrees};
pub(in crate::policy) use look_up::{ANYBODY, decisive, finest};
pub use look_up::{Asked, look_up, network_of};
pub use shrink::shrink;
pub use verdict::{Question, Subject, Verdict, Who, selects, selects_node, verdict};
pub use yaml::yaml;
