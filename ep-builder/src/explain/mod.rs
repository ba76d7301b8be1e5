//! What would become of a packet, and why: its way through twins of the endpoints' own programs.
//!
//! ```text
//! description -> [packet] -> frame --+
//! endpoints -> [twins] --------------+-> [run] -> Run -> [way] -> Way
//! ```
//!
//! A twin is the object that is loaded for an endpoint, or for a device of the node where the node has a policy, loaded
//! a second time with maps of its own. So the answer
//! is that of the program itself and not of a model of it, for objects of every shape and generation. Of the
//! node nothing changes: `docs/decisions/0023-explain-runs-a-twin.md`.

mod copy;
mod error;
mod ground;
mod judgement;
mod node;
mod packet;
mod recorder;
mod run;
mod twins;
mod way;
mod words;

pub use error::ExplainError;
pub use ground::Surroundings;
pub use judgement::{About, Found, Judgement, LookUp};
pub use packet::{ACK, Addresses, Content, HOP_LIMIT, Packet, SYN};
pub use run::{Drop, End, Run, Start};
pub use twins::Twins;
pub use way::{Sender, Verdict, Way};
