//! What is on disk about endpoints, and how it survives a crash at any instruction (DESIGN section 4).
//!
//! An endpoint is a folder. A new generation is built beside it and changes places with it in one
//! system call, so a reader meets the old generation or the new one. A process that dies leaves at most
//! a folder `_next`, and [`Store::recover`] can tell from the two generation numbers whether it was
//! about to become the live one (then it is dropped) or had just been (then it becomes `_prev`).
//!
//! `layout` and the decisions of `recover` are pure; every change to the disk is a `step`.

mod claim;
mod error;
mod everywhere;
mod folder;
mod generation;
mod layout;
mod list;
mod lock;
mod read;
mod record;
mod recover;
mod rollback;
mod store;
mod sweep;

#[cfg(test)]
mod crash;

pub use claim::Claim;
pub use error::{Damage, StateError};
pub use everywhere::Records;
pub use generation::{Committed, Next, Written};
pub use layout::{BUILD_LOG, EP_CONFIG_H, FolderName, OBJECT, Place, RECORD, StateLayout};
pub use list::{Entry, Status};
pub use read::{Loaded, Origin, Whole};
pub use record::{EndpointRecord, EndpointState, Files, PolicyState};
pub use recover::Recovery;
pub use rollback::RolledBack;
pub use store::Store;
