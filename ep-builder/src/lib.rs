//! From the facts of a pod's interface to its loadable eBPF object.
//!
//! ```text
//! Settings -> NodeConfig, EndpointConfig -> Headers -> TemplateKey -> [cache | bundle | clang] -> Template --+
//! Endpoint, DeviceFacts -> Values ----------------------------------------------------------------------------+-> patch
//!    -> EndpointObject + EndpointRecord -> [state]
//! ```
//!
//! [`builder::Builder`] is the pipeline; each stage is a module of its own and its product a type.
//! [`state::Store`] keeps the result. Brackets are I/O, the rest is pure. `ARCHITECTURE.md` is the map.

pub mod abi;
pub mod attach;
pub mod beside;
pub mod bpf;
pub mod btf;
pub mod builder;
pub mod cache;
pub mod compile;
pub mod device;
pub mod digest;
pub mod elf;
pub mod endpoint;
pub mod error;
pub mod events;
pub mod explain;
pub mod header;
pub mod health;
pub mod identity;
pub mod install;
pub mod key;
pub mod layout_check;
pub mod lifecycle;
pub mod load;
pub mod lock;
pub mod maps;
pub mod node;
pub mod object;
pub mod options;
pub mod pairwise;
pub mod patch;
pub mod policy;
pub mod prove;
pub mod route_socket;
mod sealed;
pub mod settings;
pub mod shape;
pub mod sock;
pub mod sources;
pub mod state;
mod step;
mod this_start;
pub mod timeline;
pub mod trouble;
pub mod unit;
pub mod verify;
pub mod whole_file;
