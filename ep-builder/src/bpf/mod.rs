//! The system call `bpf(2)`: maps, programs, BTF and links, each by an owned descriptor.
//!
//! Own code and no library: the process that attaches a pod lives for milliseconds, and a library that
//! reads the kernel's types at every start costs more than all the rest (`docs/decisions/`). Only what the
//! datapath needs is here. This folder and nothing else of the builder talks to the kernel in memory, so
//! each of its `unsafe` blocks says why lengths and addresses are right.

mod batch;
mod btf;
mod cpus;
mod detached;
mod error;
mod grace;
mod info;
mod keys;
mod link;
mod map;
mod object;
mod program;
mod ring;
mod sock_hook;
mod stats;
mod sys;
mod test_run;

pub use batch::Entries;
pub use btf::{LoadedBtf, loaded_types};
pub use cpus::possible_cpus;
pub use detached::DetachedBpffs;
pub use error::{BpfError, Operation};
pub use grace::wait_for_running_programs;
pub use info::{MapInfo, ProgramInfo};
pub use keys::Keys;
pub use link::{Link, LinkInfo, TcxHook};
pub use map::{Map, MapShape, Update};
pub use object::{Pinned, replace_pin, unpin};
pub use program::{Program, ProgramSpec};
pub use ring::{Ring, Turn};
pub use sock_hook::SockHook;
pub use stats::{RunStatistics, program_ids};
pub use test_run::{SkContext, TestInput, TestOutput};
