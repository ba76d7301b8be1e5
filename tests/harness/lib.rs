//! What the suites share: needs of a test, the built binaries, processes with a deadline, a node of one's
//! own, and pods on one.
//!
//! A test owns everything it touches ([`Node`] is a folder that goes away with it), so all tests run at
//! once; it finds the binaries next to its own one ([`binaries`]); and it says at its top what it needs
//! of the machine ([`need!`](crate::need!)).
#![expect(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a harness that cannot set a test up fails that test, and says why"
)]

pub mod bare;
pub mod binaries;
pub mod browser;
pub mod bundle;
pub mod exposition;
pub mod group;
pub mod need;
pub mod node;
pub mod noise;
pub mod plugin;
pub mod pods;
pub mod process;
pub mod release;
pub mod residue;
pub mod running;
pub mod sources;
pub mod trace;

pub use node::Node;
pub use pods::{Lab, Pod};
pub use process::Finished;
