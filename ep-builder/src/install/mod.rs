//! `weir install` and `weir uninstall`: a release onto a node or into an image, and off again.
//!
//! ```text
//! release, options, [what is there] -> Survey -> Plan -> [steps]
//! record, [what is there] -> Removal -> [steps]
//! ```
//!
//! Brackets are I/O, the rest is pure. The record ([`record`]) names every file before it is written, so whoever comes
//! after a process that died goes on where it stopped, or undoes it. `docs/decisions/0035` says why it is as it is.

mod advice;
mod carry_out;
mod error;
mod fate;
mod hold;
mod machine;
mod networks;
mod options;
mod plan;
mod record;
mod removal;
mod root;
mod standing;
mod survey;
mod tree;
mod units;

pub use carry_out::carry_out;
pub use error::InstallError;
pub use hold::Hold;
pub use machine::{PRELOADED, mount_missing_bpffs};
pub use networks::{List, PLUGIN, Taken, is_read};
pub use options::Options;
pub use plan::{Plan, Row, Step, plan};
pub use record::{Before, Installed, Places, RECORD, Record, Stage};
pub use removal::{Removal, Undo, removal, undo};
pub use root::{Present, Root};
pub use standing::Standing;
pub use survey::{Content, Item, Role, Survey, Volume, survey};
pub use tree::{Source, Tree};

/// The operator's policy documents, which are never ours to change.
const POLICY: &str = "/etc/weir/policy.d";

/// What a folder of the data is made in before it takes the place of the old one.
const STAGING: &str = ".weir-new";
